"""Hits, misses and false alarms of made-up matrices."""

from __future__ import annotations

import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import FEATURES_OF_EMOTION
from ferturb.evaluation.ablation.matrix import Cell
from ferturb.evaluation.ablation.planted import CARRIED, JUDGED, judged, tally
from ferturb.evaluation.significance import Interval


def cell(feature: str, emotion: str, needed: bool) -> Cell:
    change = Interval(-0.2, -0.3, -0.1)
    p = 0.001 if needed else 0.5
    return Cell(feature, emotion, "accuracy", 50, 90.0, 0.8, change, change, change, p, p)


def every(needed: set[tuple[str, str]]) -> list[Cell]:
    features = (*JUDGED, "left_eye", "upper_face")
    emotions = (*EMOTIONS, "all")
    return [cell(f, e, (f, e) in needed) for f in features for e in emotions]


def test_a_matrix_that_says_what_was_drawn_has_hits_alone() -> None:
    truth = {(f, e) for e in CARRIED for f in FEATURES_OF_EMOTION[e]}
    found = tally(judged(every(truth)))
    assert found == {"hit": len(truth), "right": len(JUDGED) * 6 - len(truth)}


@pytest.mark.parametrize(
    ("feature", "emotion", "named", "verdict"),
    [
        ("mouth", "happy", True, "hit"),
        ("mouth", "happy", False, "miss"),
        ("nose", "happy", True, "false alarm"),
        ("nose", "happy", False, "right"),
        ("forehead", "angry", True, "hit"),  # the lowered brows bare it, and frown lines reach it
    ],
)
def test_a_cell_is_worth(feature: str, emotion: str, named: bool, verdict: str) -> None:
    assert judged([cell(feature, emotion, named)]) == {(feature, emotion): verdict}


def test_neutral_and_all_and_parts_of_features_are_not_judged() -> None:
    cells = [cell(f, e, True) for f, e in (("mouth", "neutral"), ("mouth", "all"))]
    assert judged([*cells, cell("upper_face", "angry", True), cell("left_eye", "fear", True)]) == {}
    assert len(judged(every(set()))) == len(JUDGED) * len(CARRIED)
