from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ferturb.data.drawn.synthetic import draw
from ferturb.predict.alignment import align, cut, square
from ferturb.predict.geometry import applied
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.predict.photos import grey
from made_photos import portrait


@pytest.fixture(scope="module")
def finder() -> LandmarkFinder:
    return LandmarkFinder()


def test_a_cut_at_the_same_size_copies_the_pixels() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (90, 100), dtype=np.uint8)
    place = np.array([[1.0, 0, 20], [0, 1, 30]])
    np.testing.assert_array_equal(cut(photo, place), photo[30:78, 20:68])
    quarter = np.array([[0.0, -1, 70], [1, 0, 20]])  # x of the face runs down the photo
    np.testing.assert_array_equal(cut(photo, quarter), np.rot90(photo[20:68, 23:71], 1)[:, :])


@pytest.mark.parametrize("factor", [2, 3, 4, 8, 13])
def test_a_cut_of_a_large_face_is_a_good_reduction(factor: int) -> None:
    small = draw(1, seed=3).images.numpy()[0]
    side = 48 * factor
    large = np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))
    photo = np.pad(large, 40, mode="edge")
    found = cut(photo, square(np.array([40.0, 40, 40 + side, 40 + side]), margin=1.0))
    reduced = np.asarray(Image.fromarray(large).resize((48, 48), Image.Resampling.BICUBIC))
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(found[inner].astype(int) - reduced[inner]).mean() < 1.5


def test_what_lies_outside_repeats_the_edge() -> None:
    photo = np.full((60, 60), 200, np.uint8)
    photo[:, 0] = 10
    face = cut(photo, np.array([[1.0, 0, -24], [0, 1, 0]]))
    assert (face[:, :24] == 10).all()
    assert (face[:, 26:] == 200).all()


def test_tilted_faces_are_turned_upright(finder: LandmarkFinder) -> None:
    upright, boxes = portrait(1, side=120)
    expected = align(grey(upright), boxes, finder)
    for angle in (-25, 20):
        tilted, boxes = portrait(1, side=120, angle=angle)
        found = align(grey(tilted), boxes, finder)
        place = found.places[0]
        turned = np.degrees(np.arctan2(place[1, 0], place[0, 0]))
        before = expected.places[0]
        already = np.degrees(np.arctan2(before[1, 0], before[0, 0]))
        assert abs(turned - already + angle) < 6  # Pillow turns the other way round
        a, b = found.faces[0].astype(float).ravel(), expected.faces[0].astype(float).ravel()
        assert np.corrcoef(a, b)[0, 1] > 0.85


def test_eyes_lie_where_the_mean_shape_has_them(finder: LandmarkFinder) -> None:
    photo, boxes = portrait(3, side=110)
    aligned = align(grey(photo), boxes, finder)
    assert (aligned.confidence > 0.3).all()
    points = finder(aligned.faces).points
    eyes = points[:, 36:48].mean(1)
    assert np.abs(eyes - finder.mean_shape[36:48].mean(0)).max() < 2.5


def test_a_blank_box_keeps_its_square(finder: LandmarkFinder) -> None:
    photo = np.full((80, 80), 90, np.uint8)
    box = np.array([10.0, 10, 50, 60])
    aligned = align(photo, box[None], finder)
    np.testing.assert_array_equal(aligned.places[0], square(box))
    assert aligned.confidence[0] == 0
    corners = applied(square(box, 1.0), np.array([[-0.5, -0.5], [47.5, 47.5]]))
    np.testing.assert_allclose(corners, [[4.5, 9.5], [54.5, 59.5]])
    assert align(photo, box[None][:0], finder).faces.shape == (0, 48, 48)
