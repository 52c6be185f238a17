from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from ferturb.features.hulls import (
    DIRECTIONS,
    ROW_BOTTOM,
    ROW_TOP,
    ROWS,
    hull_distance,
    hull_sides,
    rounded,
    support,
)


def grid(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    axis = torch.linspace(-1.5, 1.5, 61)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x.expand(n, -1, -1), y.expand(n, -1, -1)


def test_distance_against_scipy() -> None:
    """Inside, the distance to a hull is that to the nearest of its edges."""
    generator = torch.Generator().manual_seed(2)
    points = torch.rand(4, 12, 2, generator=generator) * 2 - 1
    x, y = grid(4)
    distance = hull_distance(support(points), x, y)
    for i in range(4):
        hull = ConvexHull(points[i].double().numpy())
        pixels = torch.stack([x[i], y[i]], 2).double().numpy()
        exact = (pixels @ hull.equations[:, :2].T + hull.equations[:, 2]).max(-1)
        ours = distance[i].numpy()
        inside = exact < 0
        longest = np.linalg.norm(np.ptp(points[i].numpy(), axis=0))
        assert inside.sum() > 200
        assert np.all(ours[inside] <= 1e-5)
        assert np.abs(ours - exact)[inside].max() < longest / 40
        assert np.all(ours[exact > longest / 40] > 0)


def test_sides_are_where_the_distance_is_zero() -> None:
    points = torch.tensor([[[-1.0, 0.0], [1.0, 0.2], [0.1, 1.2], [0.0, -0.5]]])
    reach = support(points)
    rows = torch.linspace(ROW_TOP, ROW_BOTTOM, ROWS)
    inside = (rows > -0.4) & (rows < 1.1)
    for side in (-1, 1):
        x = hull_sides(reach, side)
        distance = hull_distance(reach, x[:, :, None], rows.view(1, -1, 1))
        assert distance[0, inside].abs().max() < 1e-5
    assert (hull_sides(reach, 1) > hull_sides(reach, -1))[0, inside].all()


def test_rounding_a_disc_changes_nothing_and_a_square_loses_its_corners() -> None:
    center = torch.tensor([[0.3, -0.2]])
    angle = torch.arange(720) * (math.tau / 720)
    disc = torch.stack([angle.cos(), angle.sin()], 1)[None] * 0.5 + center
    assert (rounded(support(disc), center, 5) - support(disc)).abs().max() < 1e-3
    square = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]])
    round_ = rounded(support(square), torch.zeros(1, 2), 5)
    assert torch.equal(rounded(support(square), torch.zeros(1, 2), 0), support(square))
    corner = hull_distance(round_, torch.full((1, 1, 1), 0.97), torch.full((1, 1, 1), 0.97))
    assert corner > 0
    assert round_.mean() == pytest.approx(support(square).mean().item())
    assert round_.shape == (1, DIRECTIONS)
