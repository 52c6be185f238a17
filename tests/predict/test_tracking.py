from __future__ import annotations

import numpy as np
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.predict.results import FacePrediction
from ferturb.predict.tracking import Tracker


def face(x: float, emotion: str = "happy", p: float = 0.88) -> FacePrediction:
    rest = (1 - p) / 6
    return FacePrediction(
        box=(x, 0.0, x + 50, 50.0),
        score=0.9,
        landmarks=np.zeros((108, 2), np.float32),
        landmark_confidence=0.9,
        probabilities={e: p if e == emotion else rest for e in EMOTIONS},
        emotion=emotion,
        hidden=None,
        face=np.zeros((48, 48), np.uint8),
    )


def tracks(faces: tuple[FacePrediction, ...]) -> list[int | None]:
    return [f.track for f in faces]


def test_faces_keep_their_numbers_as_they_move_and_change_places_in_the_list() -> None:
    tracker = Tracker()
    assert tracks(tracker.update((face(0), face(200)), 0.0)) == [1, 2]
    assert tracks(tracker.update((face(210), face(10)), 0.1)) == [2, 1]
    assert tracks(tracker.update((face(20), face(500), face(220)), 0.2)) == [1, 3, 2]


def test_a_track_lives_through_a_gap_and_ends_after_its_patience() -> None:
    tracker = Tracker(patience=1.0)
    tracker.update((face(0),), 0.0)
    assert tracker.update((), 0.5) == ()
    assert tracks(tracker.update((face(5),), 0.9)) == [1]
    assert tracks(tracker.update((face(5),), 2.0)) == [2]


def test_the_nearer_of_two_faces_gets_the_track() -> None:
    tracker = Tracker()
    tracker.update((face(0),), 0.0)
    assert tracks(tracker.update((face(30), face(4)), 0.1)) == [2, 1]


def test_probabilities_are_averaged_with_the_time_constant() -> None:
    tracker = Tracker(smoothing=0.5)
    tracker.update((face(0, "happy"),), 0.0)
    found = tracker.update((face(0, "sad"),), 0.5)[0]
    keep = np.exp(-1)
    assert found.probabilities["sad"] == pytest.approx((0.88 + keep * 0.02) / (1 + keep))
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert found.emotion == "sad"


def test_smoothing_does_not_depend_on_the_frame_rate() -> None:
    ends = []
    for step in (0.1, 0.02):
        tracker = Tracker(smoothing=0.5)
        for k in range(round(1 / step)):
            tracker.update((face(0, "happy"),), k * step)
        for k in range(round(1 / step)):
            found = tracker.update((face(0, "sad"),), 1 + k * step)
        ends.append(found[0].probabilities["sad"])
    assert ends[0] == pytest.approx(ends[1], abs=0.02)


def test_without_smoothing_a_frame_is_itself_and_doubt_abstains() -> None:
    tracker = Tracker(smoothing=0.0, abstain_below=0.5)
    tracker.update((face(0, "happy"),), 0.0)
    found = tracker.update((face(0, "sad", 0.4),), 0.1)[0]
    assert found.probabilities == pytest.approx(face(0, "sad", 0.4).probabilities)
    assert found.emotion is None
    with pytest.raises(FerturbError, match="smoothing and patience"):
        Tracker(smoothing=-1)
