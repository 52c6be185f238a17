from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ferturb.data.drawn.synthetic import draw
from ferturb.features.masks.frame import face_frame
from ferturb.features.masks.geometry import EYES, LIPS, NOSE_TIP, Cut, arc_sine, place, seat
from ferturb.features.points import FLIP, IBUG


def cut(n: int, **changes: float) -> Cut:
    sizes = {"bridge": 0.4, "corner": 1.4, "reach": 0.9, "drop": 0.05, "pad": 0.02}
    sizes |= {"under_eye": 0.06} | changes
    return Cut(**{k: torch.full((n, 1, 1), v) for k, v in sizes.items()}, rounding=1)


def at(plane: Tensor, points: Tensor) -> Tensor:
    """The plane's value at the pixel nearest to each point."""
    x, y = points.round().long().unbind(2)
    return plane[torch.arange(len(plane))[:, None], y, x]


def test_the_frame_stands_on_bridge_and_chin() -> None:
    points = draw(7, seed=1).landmarks
    frame = face_frame(points)
    for index, height in ((27, 0.0), (8, 1.0)):
        p = points[:, index]
        x, y = frame.to_frame(p[:, None, :1], p[:, None, 1:])
        assert torch.allclose(x, torch.zeros_like(x), atol=1e-5)
        assert torch.allclose(y, torch.full_like(y, height), atol=1e-5)
    outer = points[:, [36, 45]]
    x, _ = frame.to_frame(outer[:, None, :, 0], outer[:, None, :, 1])
    assert (x[:, 0, 0] < 0).all()
    assert (x[:, 0, 1] > 0).all()


def test_the_frame_of_points_all_in_one_place_is_finite() -> None:
    face = place(torch.full((1, 68, 2), 20.0), 48, 48)
    assert face.frame.length == 4
    for plane in (face.X, face.across, face.u, face.outline):
        assert torch.isfinite(plane).all()


def test_arc_sine() -> None:
    x = torch.linspace(-1, 1, 401)
    expected = torch.tensor([math.asin(v) * 2 / math.pi for v in x.double().tolist()])
    assert (arc_sine(x) - expected).abs().max() < 2e-5


def test_the_grid_runs_from_edge_to_edge() -> None:
    """u is 0 on the ridge of the nose; v is 0 where the top edge crosses it and grows downwards."""
    points = draw(14, seed=2, size=192).landmarks + 24
    face = place(points, 272, 272)
    placed = seat(face, cut(14))
    ridge = points[:, 27:31]
    top = ridge[:, :1] + 0.4 * (ridge[:, 3:] - ridge[:, :1])
    assert at(placed.v, top).abs().max() < 0.04
    assert at(face.u, torch.cat([top, points[:, [33, 51, 62, 57]]], 1)).abs().max() < 0.12
    chin = points[:, 8:9]
    assert (at(placed.v, chin) - 1 / 1.05).abs().max() < 0.08
    corners = points[:, [48, 54]]
    sides = at(face.u, corners)
    assert (sides[:, 0] < -0.15).all()
    assert (sides[:, 1] > 0.15).all()
    lips = at(placed.v, points[:, [33, 51, 57, 8]])
    assert (lips.diff(dim=1) > 0).all()
    assert face.u.min() >= -1
    assert face.u.max() <= 1


def test_the_outline_lies_on_the_bridge_and_below_the_chin() -> None:
    points = draw(14, seed=3, size=192).landmarks + 24
    unit = (points[:, 8] - points[:, 27]).norm(dim=1)
    placed = seat(place(points, 272, 272), cut(14))
    down = (points[:, 8] - points[:, 27]) / unit[:, None]
    for place_, share in ((8, 0.12), (27, -0.05)):
        outside = points[:, place_] + down * unit[:, None] * share
        inside = points[:, 8] if place_ == 8 else (points[:, 29] + points[:, 30]) / 2
        assert (at(placed.distance, outside[:, None]) > 0).all()
        assert (at(placed.distance, inside[:, None]) < 0).all()
    cheeks = (points[:, [40, 41]] + points[:, [49, 48]]) / 2
    assert (at(placed.distance, cheeks) < 0).all()


def test_a_mirrored_face_has_the_mirrored_mask() -> None:
    points = draw(14, seed=4).landmarks
    mirrored = points[:, list(FLIP[:IBUG])]
    mirrored = torch.stack([47 - mirrored[..., 0], mirrored[..., 1]], 2)
    face, other = place(points, 48, 48), place(mirrored, 48, 48)
    placed, reflected = seat(face, cut(14)), seat(other, cut(14))
    assert torch.allclose(placed.distance, reflected.distance.flip(2), atol=1e-3)
    inside = placed.distance < 0
    assert torch.allclose(face.u[inside], -other.u.flip(2)[inside], atol=1e-3)
    assert torch.allclose(placed.v[inside], reflected.v.flip(2)[inside], atol=1e-3)
    assert torch.allclose(placed.corners[:, 0, :, 0], -reflected.corners[:, 1, :, 0], atol=1e-4)


def test_a_rotated_face_has_the_rotated_mask() -> None:
    """A quarter turn moves pixels onto pixels, so the mask must turn with it exactly."""
    points = draw(7, seed=5).landmarks
    turned = torch.stack([47 - points[..., 1], points[..., 0]], 2)
    face, other = place(points, 48, 48), place(turned, 48, 48)
    for one, two in ((face.u, other.u), *zip(seated(face), seated(other), strict=True)):
        assert torch.allclose(one.rot90(-1, (1, 2)), two, atol=2e-3)


def seated(face) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
    placed = seat(face, cut(face.X.shape[0]))
    return placed.distance, placed.v.clamp(-0.5, 1.5)


@pytest.mark.parametrize("under_eye", [0.05, 0.5])
def test_nose_and_lips_come_before_the_space_of_the_eyes(under_eye: float) -> None:
    points = draw(14, seed=6, size=96).landmarks
    placed = seat(place(points, 96, 96), cut(14, under_eye=under_eye))
    for group in (NOSE_TIP, LIPS):
        assert (at(placed.distance, points[:, list(group)]) < 0).all()
    if under_eye < 0.1:
        for eye in EYES:
            assert (at(placed.distance, points[:, list(eye)]) > 0).all()
