from __future__ import annotations

import numpy as np
import pytest

from ferturb.base.errors import FerturbError
from ferturb.predict.detection import DETECTORS, Detector, make_detector
from made_photos import matched, portrait


@pytest.fixture(scope="module")
def detector() -> Detector:
    return make_detector("centerface", 1)


def test_faces_are_found_where_they_are(detector: Detector) -> None:
    photo, boxes = portrait(2)
    found = detector(photo)
    assert matched(found.boxes, boxes) == (2, 0)
    assert (np.diff(found.scores) <= 0).all()
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    order = np.argsort(middles[:, 0])
    assert np.abs(middles[order] - (boxes[:, :2] + boxes[:, 2:]) / 2).max() < 15


def test_boxes_are_in_the_photos_pixels_whatever_its_size(detector: Detector) -> None:
    photo, boxes = portrait(2)
    large = photo.repeat(3, axis=0).repeat(3, axis=1)
    assert matched(detector(large).boxes, 3 * boxes) == (2, 0)


def test_a_face_that_fills_its_photo_is_found(detector: Detector) -> None:
    photo, boxes = portrait(1, side=120)
    left, top, right, bottom = (int(v) for v in boxes[0])
    close = photo[top + 8 : bottom - 8, left + 8 : right - 8]
    found = detector(close)
    assert matched(found.boxes, np.array([[0.0, 0, *close.shape[1::-1]]])) == (1, 0)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 900, 3), (64, 64, 3)])
def test_photos_without_faces_and_of_strange_shapes(
    detector: Detector, shape: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, shape, dtype=np.uint8)
    found = detector(photo)
    assert found.boxes.shape == (len(found.scores), 4)
    assert len(found) == 0


def test_whole_takes_the_central_square() -> None:
    found = DETECTORS["whole"](None)(np.zeros((40, 100, 3), np.uint8))
    np.testing.assert_array_equal(found.boxes, [[30, 0, 70, 40]])


def test_unknown_detectors() -> None:
    with pytest.raises(FerturbError, match="unknown detector 'x'; known: centerface"):
        make_detector("x")
