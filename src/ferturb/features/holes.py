"""Training faces with holes, for networks that are asked what a missing feature costs them.

A network that never saw a hole loses accuracy at any hole, by surprise. One that saw faces without
each facial feature, and without as many pixels elsewhere, loses only what the feature told it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ferturb.base.pixels import at_once
from ferturb.features.landmarks import find_landmarks
from ferturb.features.random_regions import control_regions
from ferturb.features.regions import regions
from ferturb.features.removal import without

PARTS: tuple[str, ...] = ("eyes", "brows", "nose", "mouth", "jaw", "cheeks", "forehead")
"""The facial features that a face is divided into."""
_CHUNK = 512


def feature_holes(images: UInt8[Tensor, "n *c h w"]) -> UInt8[Tensor, "v n *c h w"]:
    """`with_holes` for `PARTS`, by the landmarks that are found; v = 2 × len(PARTS)."""
    return with_holes(images, find_landmarks(images).points, PARTS)


def with_holes(
    images: UInt8[Tensor, "n *c h w"],
    points: Float[Tensor, "n p 2"],
    features: Sequence[str],
    fill: str = "mean",
) -> UInt8[Tensor, "v n *c h w"]:
    """Copies of faces: without each feature, then without a random region of each one's area.

    `points` are the faces' landmarks; v is twice the number of features. The same faces give the
    same copies. For `ferturb.perturb.hidden_variants.HiddenVariants`.
    """
    size = (images.shape[-2], images.shape[-1])
    chunks, step = [], at_once(_CHUNK, images)
    for start in range(0, len(images), step):
        found = regions(points[start : start + step], size, dict.fromkeys((*features, "face")))
        holes = [found[feature] for feature in features]
        holes += [
            control_regions(hole, found["face"], 1000 * start + k) for k, hole in enumerate(holes)
        ]
        some = images[start : start + step]
        chunks.append(torch.stack([without(some, hole, fill) for hole in holes]))
    return torch.cat(chunks, 1)
