"""The face's own frame, in which everything worn is measured.

Its origin is the top of the nose bridge (point 27), Y goes down to the chin (point 8) at Y = 1, X
to the image's right in the same unit. The frame turns with the head, so a tilted face is no
special case.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Plane = Float[Tensor, "n h w"]
Scalar = Float[Tensor, "n 1 1"]

BRIDGE, CHIN = 27, 8
SHORTEST = 4.0
"""The least length of a face in pixels; where landmarks say less, the frame stands upright."""


@dataclass(frozen=True)
class Frame:
    """The face's own frame, one per face, each number (n, 1, 1)."""

    x: Scalar
    y: Scalar
    down_x: Scalar
    down_y: Scalar
    length: Scalar
    """Pixels from the top of the nose bridge to the chin: the unit of X and Y."""

    def to_frame(
        self, x: Float[Tensor, "#n #h #w"], y: Float[Tensor, "#n #h #w"]
    ) -> tuple[Plane, Plane]:
        """Pixels -> (X, Y)."""
        dx, dy = (x - self.x) / self.length, (y - self.y) / self.length
        return dx * self.down_y - dy * self.down_x, dx * self.down_x + dy * self.down_y


def face_frame(points: Float[Tensor, "n p 2"]) -> Frame:
    """The frame of each face from its first 68 points."""
    start = points[:, BRIDGE]
    axis = points[:, CHIN] - start
    length = (axis[:, 0] * axis[:, 0] + axis[:, 1] * axis[:, 1]).sqrt()
    short = length < SHORTEST
    length = length.clamp_min(SHORTEST)
    zero, one = torch.zeros_like(length), torch.ones_like(length)
    down_x = torch.where(short, zero, axis[:, 0] / length)
    down_y = torch.where(short, one, axis[:, 1] / length)
    return Frame(*(value.view(-1, 1, 1) for value in (*start.T, down_x, down_y, length)))
