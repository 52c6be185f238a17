"""The parts that a face is divided into, and what lies on each."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from ferturb.data.faces import Faces
from ferturb.features.landmarks import Landmarks, find_landmarks
from ferturb.features.regions import regions

PARTS: tuple[str, ...] = ("eyes", "brows", "nose", "mouth", "cheeks", "forehead", "jaw", "outside")
"""What a face is divided into: facial features, and what lies outside the face."""

_FIRST: tuple[str, ...] = ("eyes", "brows", "mouth", "nose", "cheeks", "forehead", "jaw")
"""Where regions overlap, the pixel belongs to the first of these."""


def parts_of(faces: Faces, landmarks: Landmarks | None = None) -> Int64[Tensor, "n h w"]:
    """Which of `PARTS` each pixel of each face belongs to; `landmarks` None finds them."""
    landmarks = landmarks or find_landmarks(faces.images)
    return partition(landmarks.points, faces.size)


def partition(
    points: Float[Tensor, "n p 2"], size: tuple[int, int] = (48, 48)
) -> Int64[Tensor, "n h w"]:
    """The faces divided into `PARTS` (an index into them per pixel), from their landmarks."""
    found = regions(points, size, _FIRST)
    parts = torch.full((len(points), *size), PARTS.index("outside"))
    for name in reversed(_FIRST):
        parts[found[name]] = PARTS.index(name)
    return parts


def share_of_parts(
    maps: Float[Tensor, "n h w"], parts: Int64[Tensor, "n h w"]
) -> Float32[Tensor, "n p"]:
    """The sum of each map over each of `PARTS`; rows add up to the map's sum."""
    shares = torch.zeros(len(maps), len(PARTS), dtype=torch.float64)
    return shares.scatter_add_(1, parts.flatten(1), maps.double().flatten(1)).float()
