"""The canvas a synthetic face is drawn on: its pixels in the face's own frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ferturb.data.drawn.geometry import Plane, Subject, closed_jaw, head_distance, hump, to_face

Scalar = Float[Tensor, "b 1 1"]


@dataclass(frozen=True)
class Canvas:
    """The pixels of a batch in the face's frame, and what all layers share."""

    s: Subject
    u: Plane
    v: Plane
    jaw: Plane
    """v with the jaw closed."""
    head: Plane
    """Signed distance to the head's outline."""
    soft: Scalar
    """Width of a drawn edge in the face's frame."""
    noise: Mapping[str, Plane]

    def cover(self, distance: Plane) -> Plane:
        """Share of each pixel inside a shape, from its signed distance (negative inside)."""
        return (0.5 - distance / self.soft).clamp(0.0, 1.0)

    def stroke(self, distance: Plane, width: float | Tensor) -> Plane:
        """A line of this half-width around distance 0, with compact support."""
        return hump(distance / (width + 0.5 * self.soft))


def canvas(s: Subject, size: int, noise: Mapping[str, Plane]) -> Canvas:
    """The pixel grid of a size×size image of these people."""
    step = 48.0 / size
    axis = (torch.arange(size, dtype=torch.float32) + 0.5) * step - 0.5
    u, v = to_face(s, axis.view(1, 1, -1), axis.view(1, -1, 1))
    jaw = closed_jaw(s, v)
    soft = s.traits["softness"] * step / s.traits["scale"]
    return Canvas(s, u, v, jaw, head_distance(s, u, jaw), soft, noise)
