"""What is done to a face, as torch modules that ONNX can hold: features left out, masks worn.

They do what `ferturb.features.regions`, `removal` and `masks.wear` do, and call nothing else.
`tools/ship_altering.py` writes them as left_out.onnx and worn_KIND.onnx, which
`ferturb.predict.altering` runs without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from ferturb.base.pixels import as_bytes
from ferturb.features.masks import wear
from ferturb.features.masks.keyed_random import (
    Draws,
    KeyedRandom,
    draw_noise,
    draw_uniform,
    index_keys,
)
from ferturb.features.regions import FEATURES, Geometry
from ferturb.features.removal import remove

LEAVABLE: tuple[str, ...] = tuple(name for name in FEATURES if name != "face")
"""The facial features that can be left out of a face."""
FILLS: tuple[str, ...] = ("mean", "blur", "black")
"""What can stand in their place: the fills that need no random numbers and no loop."""
WORN: tuple[str, ...] = wear.FACE_MASKS
"""What a face can wear."""
SEEDS: dict[str, int] = {"surgical": 3, "cloth": 0, "n95": 0}
"""The seed of each kind's one mask."""


class LeftOut(nn.Module):
    """One face, and which of `LEAVABLE` to leave out -> copies of it, one stack a fill."""

    def forward(
        self,
        face: Shaped[Tensor, "1 h w"],
        points: Float[Tensor, "1 p 2"],
        left_out: Bool[Tensor, "m f"],
    ) -> tuple[Tensor, ...]:
        """uint8 (m, h, w) for each of `FILLS`; copy i lacks the features that row i names."""
        geometry = Geometry(points, (48, 48))
        regions = torch.cat([FEATURES[name](geometry) for name in LEAVABLE])
        covered = left_out.float() @ regions.flatten(1).float()
        keep = (covered < 0.5).view(-1, 48, 48)
        copies = torch.ones_like(covered).view(-1, 1, 48, 48) * (face.float() / 255)
        filled = (remove(copies, keep, fill)[:, 0] for fill in FILLS)
        return tuple(torch.where(keep, face, as_bytes(grey)) for grey in filled)


@dataclass(frozen=True)
class RememberedRandom(KeyedRandom):
    """Random numbers that are drawn once and then kept.

    A module that was called before it is traced holds them as constants: ONNX has no 64-bit hash
    to draw them with.
    """

    kept: dict[tuple[str, int], Any] = field(default_factory=dict)
    """(what kind, purpose) -> what was drawn."""

    def uniform(self, ranges: Mapping[str, tuple[float, float]], purpose: int) -> Draws:
        """As first drawn for this purpose."""
        if ("uniform", purpose) not in self.kept:
            self.kept["uniform", purpose] = draw_uniform(self.keys, ranges, purpose)
        draws: Draws = self.kept["uniform", purpose]
        return draws

    def noise(self, height: int, width: int, purpose: int) -> Float[Tensor, "n height width"]:
        """As first drawn for this purpose."""
        if ("noise", purpose) not in self.kept:
            self.kept["noise", purpose] = draw_noise(self.keys, height, width, purpose)
        drawn: Tensor = self.kept["noise", purpose]
        return drawn


class Wearing(nn.Module):
    """One face -> the face wearing a mask of one kind."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.random = RememberedRandom(index_keys(1, SEEDS[kind]))

    def forward(
        self, face: Shaped[Tensor, "1 h w"], points: Float[Tensor, "1 p 2"]
    ) -> Shaped[Tensor, "1 h w"]:
        """uint8 (1, h, w)."""
        drawer = wear.KINDS[self.kind]
        assert drawer is not None
        return wear.put_on(face, points, drawer, self.random)[0]
