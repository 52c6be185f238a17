from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import SyntheticFaces, draw
from ferturb.features.landmarks import complete, mirror
from ferturb.features.points import COUNT
from ferturb.features.regions import FEATURES, Geometry, region, regions

HALVES = ("upper_face", "lower_face", "left_half", "right_half")


@pytest.fixture(scope="module")
def drawn() -> SyntheticFaces:
    return draw(56, seed=4)


@pytest.fixture(scope="module")
def found(drawn: SyntheticFaces) -> dict[str, Tensor]:
    return regions(drawn.landmarks)


def overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union, averaged over faces."""
    both, either = (a & b).flatten(1).sum(1), (a | b).flatten(1).sum(1)
    return float((both / either.clamp_min(1)).mean())


def test_halves_tile_the_image(found: dict[str, Tensor]) -> None:
    for one, other in (HALVES[:2], HALVES[2:]):
        assert torch.equal(found[one], ~found[other])


def test_parts_and_zones_tile_the_face(found: dict[str, Tensor]) -> None:
    zones = [found[name].int() for name in ("jaw", "cheeks", "forehead")]
    parts = found["eyes"] | found["brows"] | found["nose"] | found["mouth"]
    assert torch.equal(sum(zones) + parts.int(), found["face"].int())


def test_two_eyes_are_the_eyes_and_share_nothing(found: dict[str, Tensor]) -> None:
    assert torch.equal(found["left_eye"] | found["right_eye"], found["eyes"])
    assert not bool((found["left_eye"] & found["right_eye"]).any())


def test_every_feature_has_pixels_in_every_drawn_face(found: dict[str, Tensor]) -> None:
    for name, pixels in found.items():
        assert int(pixels.flatten(1).sum(1).min()) > 10, name


@pytest.mark.parametrize(
    ("feature", "least"),
    [
        ("eyes", 0.6),  # the drawn regions have wider margins: all that action units may change
        ("brows", 0.38),
        ("nose", 0.6),
        ("mouth", 0.85),
        ("jaw", 0.65),
        ("cheeks", 0.6),
        ("forehead", 0.4),
        ("face", 0.85),
        ("upper_face", 0.95),
        ("lower_face", 0.95),
        ("left_half", 0.95),
        ("right_half", 0.95),
    ],
)
def test_regions_are_those_of_the_drawing(
    drawn: SyntheticFaces, found: dict[str, Tensor], feature: str, least: float
) -> None:
    mine = found[feature] & drawn.regions["face"] if feature in HALVES else found[feature]
    assert overlap(mine, drawn.regions[feature]) > least
    rivals = ("eyes", "brows", "nose", "mouth", "jaw", "cheeks", "forehead")
    if feature in rivals:
        others = [overlap(mine, drawn.regions[name]) for name in rivals if name != feature]
        assert max(others) < overlap(mine, drawn.regions[feature]) / 3


def test_a_hull_is_scipys_to_a_fortieth_of_its_edges() -> None:
    generator = torch.Generator().manual_seed(0)
    points = 12 + 24 * torch.rand(8, COUNT, 2, generator=generator)
    geometry = Geometry(points, (48, 48))
    index, margin = (3, 17, 36, 45, 54, 60, 80), 0.1
    mine = geometry.hull(index, margin).numpy()
    rows, columns = np.mgrid[:48, :48]
    pixels = np.stack([columns.ravel(), rows.ravel()], 1).astype(float)
    for k in range(8):
        corners = points[k, list(index)].numpy().astype(float)
        hull = ConvexHull(corners)
        distance = distance_to_polygon(pixels, corners[hull.vertices])
        inside = (pixels @ hull.equations[:, :2].T + hull.equations[:, 2] <= 0).all(1)
        signed = np.where(inside, -distance, distance) - margin * float(geometry.unit[k])
        edges = np.diff(corners[[*hull.vertices, hull.vertices[0]]], axis=0)
        longest = np.linalg.norm(edges, axis=1).max()
        assert mine[k].ravel()[signed <= -1e-3].all()
        assert not mine[k].ravel()[signed > longest / 40].any()


def distance_to_polygon(pixels: np.ndarray, corners: np.ndarray) -> np.ndarray:
    nearest = np.full(len(pixels), np.inf)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        t = np.clip((pixels - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(pixels - a - t[:, None] * (b - a), axis=1))
    return nearest


def test_the_unit_is_the_eyes_distance_and_on_profiles_no_less_than_the_height_says(
    drawn: SyntheticFaces,
) -> None:
    points = complete(drawn.landmarks[:1]).repeat(2, 1, 1)
    points[1, :, 0] = points[1, :1, 0]  # seen from the side: all at one x
    eyes = [drawn.landmarks[0, i : i + 6].mean(0) for i in (36, 42)]
    unit = Geometry(points, (48, 48)).unit
    assert float(unit[0]) == pytest.approx(float((eyes[1] - eyes[0]).norm()), rel=0.05)
    height = points[1, 8, 1] - (eyes[0] + eyes[1])[1] / 2
    assert float(unit[1]) == pytest.approx(0.45 * float(height), rel=0.05)


def test_a_mirrored_face_has_mirrored_regions(drawn: SyntheticFaces) -> None:
    points = complete(drawn.landmarks)
    here, there = regions(points), regions(mirror(points, 48))
    partner = {"left_eye": "right_eye", "left_half": "right_half"}
    partner |= {b: a for a, b in partner.items()}
    for name in FEATURES:
        differing = here[name] != there[partner.get(name, name)].flip(2)
        assert float(differing.float().mean()) < 5e-4, name


def test_a_face_on_its_side_has_its_regions_on_their_side(drawn: SyntheticFaces) -> None:
    points = complete(drawn.landmarks)
    turned = torch.stack([47 - points[..., 1], points[..., 0]], 2)  # a quarter clockwise
    here, there = regions(points), regions(turned)
    for name in FEATURES:
        differing = here[name].rot90(-1, (1, 2)) != there[name]
        assert float(differing.float().mean()) < 5e-4, name


def test_halves_follow_the_axes_of_a_tilted_face(drawn: SyntheticFaces) -> None:
    """Eyes are in the upper half and the mouth in the lower one at any roll."""
    points = complete(drawn.landmarks)
    for angle in (-1.0, 0.6, 1.5):
        cos, sin = np.cos(angle), np.sin(angle)
        turn = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float32)
        tilted = regions((points - 23.5) @ turn + 23.5)
        for part, half in (("eyes", "upper_face"), ("mouth", "lower_face")):
            pixels = tilted[part]
            assert float((pixels & tilted[half]).sum() / pixels.sum()) > 0.97


def test_size_moves_nothing_but_the_resolution(drawn: SyntheticFaces) -> None:
    points = complete(drawn.landmarks[:8])
    small, large = regions(points), regions((points + 0.5) * 3 - 0.5, (144, 144))
    for name in FEATURES:
        middles = large[name][:, 1::3, 1::3]  # the centre of each 3×3 block
        assert float((middles != small[name]).float().mean()) < 5e-4, name


def test_one_region_is_that_of_all(drawn: SyntheticFaces, found: dict[str, Tensor]) -> None:
    assert torch.equal(region(drawn.landmarks, "mouth"), found["mouth"])
    assert list(regions(drawn.landmarks[:0], features=("jaw", "nose"))) == ["jaw", "nose"]
    assert region(drawn.landmarks[:0], "jaw").shape == (0, 48, 48)


def test_a_feature_named_twice_is_found_once(
    drawn: SyntheticFaces, found: dict[str, Tensor]
) -> None:
    twice = regions(drawn.landmarks, features=("jaw", "nose", "jaw"))
    assert list(twice) == ["jaw", "nose"]
    assert torch.equal(twice["jaw"], found["jaw"])


def test_bad_input_says_what_is_wrong(drawn: SyntheticFaces) -> None:
    with pytest.raises(FerturbError, match="unknown facial feature 'ear'; known: left_eye"):
        region(drawn.landmarks, "ear")
    with pytest.raises(FerturbError, match=r"got \(56, 5, 2\)"):
        region(drawn.landmarks[:, :5], "eyes")
    lost = complete(drawn.landmarks)
    lost[3, 40] = torch.nan
    with pytest.raises(FerturbError, match="finite"):
        region(lost, "eyes")
