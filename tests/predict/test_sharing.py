from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from ferturb.predict.detection import whole
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.predict.predictor import Predictor
from ferturb.predict.sharing import shared_out
from ferturb.predict.shipped import load_pretrained
from made_photos import encoded, portrait

NOISE = np.random.default_rng(0).integers(0, 255, (75, 48, 48), np.uint8)


def test_parts_are_done_at_the_same_time_and_come_in_order() -> None:
    met = threading.Barrier(3, timeout=60)
    places = shared_out(lambda part: (met.wait(), part)[1], [5, 6, 7], 3)
    assert places == [5, 6, 7]


def test_the_first_error_in_order_is_raised() -> None:
    def fail(part: int) -> None:
        raise ValueError(part)

    with pytest.raises(ValueError, match=r"^1$"):
        shared_out(fail, [1, 2, 3], 3)


def test_threads_change_no_bit() -> None:
    one, three = (load_pretrained("tiny", threads) for threads in (1, 3))
    assert three.with_prior("balanced")._threads == 3
    np.testing.assert_array_equal(one.predict_proba(NOISE), three.predict_proba(NOISE))
    marks = [LandmarkFinder(threads)(NOISE) for threads in (1, 3)]
    np.testing.assert_array_equal(marks[0].points, marks[1].points)


def test_photos_are_looked_at_by_several_threads(tmp_path: Path) -> None:
    for i, faces in enumerate((1, 2, 1), 1):
        (tmp_path / f"{i}.png").write_bytes(encoded(portrait(faces)[0]))
    (tmp_path / "4.png").write_bytes(b"none")
    files = [[p.to_dict() for p in Predictor(threads=n).predict_files(tmp_path)] for n in (1, 2)]
    assert files[0] == files[1]
    assert [len(photo.get("faces", ())) for photo in files[0]] == [1, 2, 1, 0]


def test_a_detector_from_elsewhere_is_asked_by_one_thread() -> None:
    asked = set()

    def detector(pixels: np.ndarray):  # type: ignore[no-untyped-def]
        asked.add(threading.get_ident())
        return whole(pixels)

    photos = [np.zeros((60, 60, 3), np.uint8)] * 8
    Predictor("tiny", detector, threads=4).predict(photos)
    assert asked == {threading.get_ident()}
