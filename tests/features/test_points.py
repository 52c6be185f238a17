from __future__ import annotations

import pytest

from ferturb.data.drawn.synthetic import draw
from ferturb.features.landmarks import shipped_model
from ferturb.features.points import (
    COUNT,
    FLIP,
    GROUPS,
    IBUG,
    INNER,
    MESH,
    OUTLINE,
)


def test_the_first_68_are_ibugs_groups_where_ibug_has_them() -> None:
    starts = {
        "jaw": (0, 17),
        "left_brow": (17, 22),
        "right_brow": (22, 27),
        "nose_ridge": (27, 31),
        "nose_base": (31, 36),
        "left_eye": (36, 42),
        "right_eye": (42, 48),
        "outer_lips": (48, 60),
        "inner_lips": (60, 68),
    }
    for name, (start, stop) in starts.items():
        assert GROUPS[name] == tuple(range(start, stop))
    assert tuple(range(17, 68)) == INNER


def test_every_point_is_a_mesh_vertex_of_its_own() -> None:
    assert len(MESH) == len(set(MESH)) == COUNT
    assert all(0 <= vertex < 468 for vertex in MESH)
    assert sorted(i for group in GROUPS.values() for i in group) == list(range(COUNT))
    assert MESH[36] == 33  # the outer corner of the eye at the image's left


@pytest.mark.parametrize(
    ("a", "b"),
    [
        *[(0, 16), (7, 9), (17, 26), (21, 22), (31, 35), (36, 45), (37, 44), (39, 42), (40, 47)],
        *[(41, 46), (48, 54), (49, 53), (55, 59), (60, 64), (61, 63), (65, 67)],
    ],
)
def test_partners_in_the_mirror(a: int, b: int) -> None:
    assert FLIP[a] == b
    assert FLIP[b] == a


def test_mirroring_twice_is_nothing_and_the_midline_stays() -> None:
    assert [FLIP[i] for i in FLIP] == list(range(COUNT))
    assert all(FLIP[i] == i for i in (8, 27, 28, 29, 30, 33, 51, 57, 62, 66))
    assert {FLIP[i] for i in OUTLINE} == set(OUTLINE)


def test_partners_are_each_others_mirror_image_on_the_mean_face() -> None:
    mean = shipped_model().mean_shape
    axis = mean[[i for i, j in enumerate(FLIP) if i == j], 0].mean()
    mirrored = mean[list(FLIP)].clone()
    mirrored[:, 0] = 2 * axis - mirrored[:, 0]
    # To the pixel: FER2013's faces are lit and turned to either side about as often.
    assert float((mirrored - mean).norm(dim=1).max()) < 1.0


def test_partners_stand_on_opposite_sides_of_drawn_faces() -> None:
    points = draw(14, seed=2).landmarks
    across = (points[:, 45] - points[:, 36]).unsqueeze(1)
    lower_lips = {55, 56, 65}  # counted from the right
    pairs = [(i, j) for i, j in enumerate(FLIP[:IBUG]) if i < j]
    left = [j if i in lower_lips else i for i, j in pairs]
    right = [i if i in lower_lips else j for i, j in pairs]
    assert bool((((points[:, right] - points[:, left]) * across).sum(2) > 0).all())
