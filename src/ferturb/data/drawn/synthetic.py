"""Faces drawn from FACS action units (`action_units.py`): the dataset that needs no download.

Because the emotion enters a drawing through its action units alone, and a unit changes only the
facial features listed in `FEATURES_OF_UNIT`, it is known which features carry which emotion:
`FEATURES_OF_EMOTION`. Identity, pose, light, hair, glasses, beard, blur and noise are drawn at
random, without regard to the emotion.

The task is meant to be hard: expressions are often weak, units of the prototype are missing,
and units that mean nothing appear. Left and right are the image's, not the person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.action_units import ACTION_UNITS, NUMBERS, sample_units
from ferturb.data.drawn.canvas import canvas
from ferturb.data.drawn.drawing import camera, paint
from ferturb.data.drawn.geometry import Subject, landmarks, regions
from ferturb.data.drawn.traits import (
    BLOCK,
    GRAIN,
    SPLITTING,
    TEXTURES,
    TRAITS,
    random_stream,
    sample_textures,
    sample_traits,
)
from ferturb.data.faces import SPLITS, Faces

_CHUNK = 64


@dataclass(frozen=True)
class SyntheticFaces:
    """Drawn faces and all that is known about them.

    - ``images``: uint8 (n, size, size).
    - ``labels``: int64 (n,), the emotion, or −1 where the caller chose the action units.
    - ``landmarks``: float32 (n, 68, 2), x and y in pixels in the iBUG order; (0, 0) is the
      centre of the top left pixel. Points may lie outside the image.
    - ``regions``: name -> bool (n, size, size): face, left_eye, right_eye, eyes, brows, nose,
      mouth, jaw, cheeks, forehead, upper_face, lower_face, left_half, right_half; left and right
      are the image's.
    - ``action_units``: float32 (n, units), intensity 0 … 1 in the order of `ACTION_UNITS`.
    """

    images: UInt8[Tensor, "n h w"]
    labels: Int64[Tensor, " n"]
    landmarks: Float32[Tensor, "n 68 2"]
    regions: Mapping[str, Bool[Tensor, "n h w"]]
    action_units: Float32[Tensor, "n u"]

    def __len__(self) -> int:
        return int(self.images.shape[0])


def draw(n: int, seed: int = 0, size: int = 48) -> SyntheticFaces:
    """Draw n faces; face i shows emotion i mod 7.

    Face i depends on the seed and on i alone: `draw(10, seed)` are the first ten of
    `draw(1000, seed)`. Raises `FerturbError` for n < 1, a negative seed or a size below 24.

    >>> draw(2, seed=1).images.shape
    torch.Size([2, 48, 48])
    """
    _check(n, seed, size)
    labels = torch.arange(n) % len(EMOTIONS)
    return _draw(sample_units(labels, seed), labels, seed, size, with_camera=True)


def draw_with(
    action_units: Float[Tensor, "n u"], seed: int = 0, size: int = 48, with_camera: bool = True
) -> SyntheticFaces:
    """Draw the people of `draw(n, seed)` with chosen action units, intensities 0 … 1.

    Hair, pose, light and noise stay as they are, so that two calls differ by the units alone.
    `with_camera=False` leaves out blur and noise: then a unit changes no pixel outside the
    regions of its features; the camera's blur carries it at most one pixel further.
    """
    n = action_units.shape[0]
    _check(n, seed, size)
    if action_units.ndim != 2 or action_units.shape[1] != len(ACTION_UNITS):
        raise FerturbError(
            f"action_units must be (faces, {len(ACTION_UNITS)}), one column for each of "
            f"ACTION_UNITS, got {tuple(action_units.shape)}"
        )
    if not bool(((action_units >= 0) & (action_units <= 1)).all()):
        raise FerturbError("action_units must be intensities from 0 to 1")
    labels = torch.full((n,), -1, dtype=torch.int64)
    return _draw(action_units.float(), labels, seed, size, with_camera)


def synthetic_faces(n: int, seed: int = 0, size: int = 48) -> Faces:
    """n drawn faces as a dataset: seven equal classes, 80/10/10 into train, validation, test.

    Each emotion is divided in the same shares, at random by the seed. Names look like
    ``synthetic/train/happy_000123``, the number being the face's place in `draw(n, seed)`.
    """
    _check(n, seed, size)
    labels = torch.arange(n) % len(EMOTIONS)
    rows = sample_units(labels, seed)
    drawn = _draw(rows, labels, seed, size, with_camera=True, with_regions=False)
    splits = _splits(drawn.labels, seed)
    names = tuple(
        f"synthetic/{SPLITS[split]}/{EMOTIONS[label]}_{i:06d}"
        for i, (split, label) in enumerate(zip(splits.tolist(), drawn.labels.tolist(), strict=True))
    )
    return Faces(
        images=drawn.images,
        labels=drawn.labels,
        splits=splits,
        names=names,
        source=f"synthetic faces (n={n}, seed={seed})",
        kind="synthetic",
        notes=("drawn from action units; split 80/10/10 by ferturb, stratified, seeded",),
    )


def _splits(labels: Int64[Tensor, " n"], seed: int) -> UInt8[Tensor, " n"]:
    splits = torch.zeros(len(labels), dtype=torch.uint8)
    rng = random_stream(seed, 0, SPLITTING)
    for label in range(len(EMOTIONS)):
        mine = torch.nonzero(labels == label).flatten()
        mine = mine[torch.from_numpy(rng.permutation(len(mine)))]
        tenth = round(0.1 * len(mine))
        splits[mine[:tenth]] = 1
        splits[mine[tenth : 2 * tenth]] = 2
    return splits


def _draw(
    action_units: Tensor,
    labels: Tensor,
    seed: int,
    size: int,
    with_camera: bool,
    with_regions: bool = True,
) -> SyntheticFaces:
    images, points, areas = [], [], []
    for block, rows in enumerate(torch.split(action_units, BLOCK)):
        traits = sample_traits(random_stream(seed, block, TRAITS), BLOCK)
        textures = sample_textures(random_stream(seed, block, TEXTURES), len(rows), size)
        rng = random_stream(seed, block, GRAIN)
        grain = torch.from_numpy(rng.standard_normal((len(rows), size, size), dtype=np.float32))
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(rows)))
            columns = rows[part].T.unsqueeze(2).unsqueeze(3)
            subject = Subject(
                {name: value[part] for name, value in traits.items()},
                dict(zip(NUMBERS, columns, strict=True)),
            )
            board = canvas(subject, size, {k: value[part] for k, value in textures.items()})
            image, skin = paint(board)
            noise = grain[part] if with_camera else torch.zeros_like(grain[part])
            image = camera(image, subject, noise, blur=with_camera)
            images.append((image * 255).round().to(torch.uint8))
            points.append((landmarks(subject) + 0.5) * (size / 48) - 0.5)
            if with_regions:
                areas.append(regions(subject, board.u, board.v, skin))
    return SyntheticFaces(
        images=torch.cat(images),
        labels=labels,
        landmarks=torch.cat(points),
        regions={name: torch.cat([area[name] for area in areas]) for name in areas[0]}
        if areas
        else {},
        action_units=action_units,
    )


def _check(n: int, seed: int, size: int) -> None:
    if n < 1:
        raise FerturbError(f"the number of synthetic faces must be at least 1, got {n}")
    if seed < 0:
        raise FerturbError(f"the seed must be 0 or more, got {seed}")
    if size < 24:
        raise FerturbError(f"the size of a synthetic face must be at least 24 pixels, got {size}")
