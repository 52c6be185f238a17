"""What is done to a face, as torch modules that ONNX can hold: features left out, masks worn.

They do what `ferturb.features.regions`, `removal` and `masks.wear` do, and call nothing else.
`tools/ship_altering.py` writes them as left_out.onnx and worn_KIND.onnx, which
`ferturb.predict.altering` runs without torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from ferturb.features.masks import light, wear
from ferturb.features.masks.keyed_random import index_keys
from ferturb.features.regions import FEATURES, Geometry
from ferturb.features.removal import remove

LEAVABLE: tuple[str, ...] = tuple(name for name in FEATURES if name != "face")
"""The facial features that can be left out of a face."""
FILLS: tuple[str, ...] = ("mean", "blur", "black")
"""What can stand in their place: the fills that need no lots and no loop."""
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
        return tuple(
            torch.where(keep, face, (grey * 255).round().to(torch.uint8)) for grey in filled
        )


class Wearing(nn.Module):
    """One face -> the face wearing a mask of one kind."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(
        self, face: Shaped[Tensor, "1 h w"], points: Float[Tensor, "1 p 2"]
    ) -> Shaped[Tensor, "1 h w"]:
        """uint8 (1, h, w)."""
        drawer = wear.KINDS[self.kind]
        assert drawer is not None
        return wear._wear(face, points, drawer, index_keys(1, SEEDS[self.kind]))[0]


@contextmanager
def fixed_lots(module: Wearing, *example: Tensor) -> Iterator[None]:
    """Inside, the module's lots are constants: ONNX has no 64-bit hash to draw them with."""
    drawn: list[Any] = []
    names = [(wear, "draw_lots"), (wear, "draw_noise"), (light, "draw_noise")]

    def recording(draw: Any) -> Any:
        def keep(*arguments: Any, **options: Any) -> Any:
            drawn.append(draw(*arguments, **options))
            return drawn[-1]

        return keep

    with _patched(names, recording):
        module(*example)
    again = iter(drawn * 2)
    with _patched(names, lambda draw: lambda *arguments, **options: next(again)):
        yield


@contextmanager
def _patched(names: list[tuple[Any, str]], wrap: Any) -> Iterator[None]:
    patches = [patch.object(place, name, wrap(getattr(place, name))) for place, name in names]
    for started in patches:
        started.start()
    try:
        yield
    finally:
        for started in patches:
            started.stop()
