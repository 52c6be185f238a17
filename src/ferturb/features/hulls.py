"""Convex hulls of point sets as support functions, batched.

A hull is kept as how far its points reach in each of `DIRECTIONS` directions. Hulls so kept are
joined by the maximum and rounded by averaging, the signed distance to one is a maximum over
directions, and no points need sorting: one program for all faces, whatever their pose. What is
kept is the polygon those directions cut out, which bulges over an edge of the hull by at most
1/40 of the edge.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

DIRECTIONS = 64
"""Directions of a hull, evenly spaced; the set is its own mirror image."""
_ANGLES = [(k + 0.5) * 2 * math.pi / DIRECTIONS for k in range(DIRECTIONS)]
NORMALS: tuple[tuple[float, float], ...] = tuple((math.cos(a), math.sin(a)) for a in _ANGLES)
"""The directions as unit vectors."""
ROWS = 64
ROW_TOP, ROW_BOTTOM = -0.6, 1.5
"""The heights that `hull_sides` gives an outline's places at: `ROWS` from top to bottom."""


def support(points: Float[Tensor, "n p 2"]) -> Float[Tensor, "n k"]:
    """Support function of the convex hull: the furthest the points reach in each direction."""
    normals = points.new_tensor(NORMALS)
    reach = points[:, :, :1] * normals[:, 0] + points[:, :, 1:] * normals[:, 1]
    return reach.amax(dim=1)


def rounded(
    reach: Float[Tensor, "n k"], center: Float[Tensor, "n 2"], width: int
) -> Float[Tensor, "n k"]:
    """A hull with its corners rounded: the mean of itself turned a little either way.

    Support functions add up to those of convex shapes, so the mean over 2·width + 1 neighbouring
    directions, about `center`, is the outline of one.
    """
    normals = reach.new_tensor(NORMALS)
    offset = center[:, :1] * normals[:, 0] + center[:, 1:] * normals[:, 1]
    around = reach - offset
    total = around.clone()
    for k in range(1, width + 1):
        total = total + (around.roll(k, dims=1) + around.roll(-k, dims=1))
    return total / (2 * width + 1) + offset


def hull_distance(
    reach: Float[Tensor, "n k"], x: Float[Tensor, "n h w"], y: Float[Tensor, "n h w"]
) -> Float[Tensor, "n h w"]:
    """Signed distance to a hull from its support function, negative inside."""
    distance = torch.full_like(x, -math.inf)
    for k, (nx, ny) in enumerate(NORMALS):
        plane = (x * nx).add_(y * ny).sub_(reach[:, k].view(-1, 1, 1))
        torch.maximum(distance, plane, out=distance)
    return distance


def hull_sides(reach: Float[Tensor, "n k"], side: int) -> Float[Tensor, "n r"]:
    """X of a hull's outline at the grid's rows: side −1 is the image's left, 1 its right."""
    chosen = [k for k, (nx, _) in enumerate(NORMALS) if nx * side > 0]
    normals = reach.new_tensor([NORMALS[k] for k in chosen])
    rows = torch.linspace(ROW_TOP, ROW_BOTTOM, ROWS, device=reach.device)
    x = (reach[:, chosen, None] - normals[:, 1, None] * rows) / normals[:, 0, None]
    return x.amin(dim=1) if side > 0 else x.amax(dim=1)
