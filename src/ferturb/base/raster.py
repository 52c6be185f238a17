"""The grid that faces are read on: how many pixels a side, grey or in colour."""

from __future__ import annotations

from typing import NamedTuple

from ferturb.base.errors import FerturbError

FACE_SIZE = 48
"""Side of a face in pixels, unless said otherwise."""
FACE_SIDES = (FACE_SIZE, 224)
"""The least and the most pixels a side that faces are read at."""


class Raster(NamedTuple):
    """A grid of square faces.

    >>> str(Raster(100, 3)), Raster().shape, Raster(100, 3).shape
    ('100×100 RGB', (48, 48), (3, 100, 100))
    """

    side: int = FACE_SIZE
    channels: int = 1
    """1 grey, 3 RGB."""

    @property
    def shape(self) -> tuple[int, ...]:
        """What one face's pixels have: (side, side) in grey, (3, side, side) in colour."""
        sides = (self.side, self.side)
        return sides if self.channels == 1 else (self.channels, *sides)

    def checked(self) -> Raster:
        """This grid; `FerturbError` unless faces can be read on it."""
        low, high = FACE_SIDES
        if not low <= self.side <= high:
            raise FerturbError(f"side must be from {low} to {high} pixels, got {self.side!r:.40}")
        if self.channels not in (1, 3):
            raise FerturbError(f"channels must be 1 (grey) or 3 (RGB), got {self.channels!r:.40}")
        return self

    def __str__(self) -> str:
        return f"{self.side}×{self.side} {'grey' if self.channels == 1 else 'RGB'}"


PLAIN = Raster()
"""48×48 in grey: FER2013's."""
