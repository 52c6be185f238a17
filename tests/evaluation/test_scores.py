"""Rows of numbers against scikit-learn, and ensembles against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.evaluation.other_data import Pair
from ferturb.evaluation.scores import choose_members, score, score_runs

LABELS = np.arange(140) % 7


def pair(seed: int, help_: float, labels: np.ndarray = LABELS) -> Pair:
    logits = np.random.default_rng(seed).normal(size=(len(labels), 7))
    logits[np.arange(len(labels)), labels] += help_
    return labels, logits.astype(np.float32)


def test_a_row_has_the_metrics_of_its_logits() -> None:
    labels, logits = pair(0, 1.5)
    row, said = score("some", labels, logits), logits.argmax(1)
    assert (row.name, row.n) == ("some", 140)
    assert row.accuracy.estimate == pytest.approx((said == labels).mean())
    assert row.accuracy.low < row.accuracy.estimate < row.accuracy.high
    assert row.macro_f1.estimate == pytest.approx(f1_score(labels, said, average="macro"))
    recalls = recall_score(labels, said, average=None)
    assert list(row.per_emotion.values()) == pytest.approx(recalls)
    assert list(row.per_emotion) == list(EMOTIONS)
    low, high = 100 * row.accuracy.low, 100 * row.accuracy.high
    expected = f"{100 * row.accuracy.estimate:.1f} [{low:.1f}, {high:.1f}]"
    assert row.cells()[:2] == ["some", expected]


def test_ensembles_sum_the_logits_of_all_or_of_those_chosen_on_validation() -> None:
    tested = [pair(seed, 1.0) for seed in range(3)]
    validation = [pair(10, 0.2), pair(11, 2.0), pair(12, 1.9)]
    names = ["a", "b", "b"]  # runs of one name in different folders
    rows = score_runs(names, tested, ensemble=True, validation=validation)
    assert [row.name for row in rows[:4]] == ["a", "b", "b", "ensemble of 3"]
    total = sum(logits for _, logits in tested)
    assert rows[3] == score("ensemble of 3", LABELS, total, ("a", "b", "b"))
    chosen = choose_members(LABELS, [logits for _, logits in validation])
    assert chosen[0] == 1
    assert rows[4].members == tuple(names[i] for i in chosen)
    together = sum(tested[i][1] for i in chosen)
    assert rows[4].accuracy.estimate == pytest.approx((together.argmax(1) == LABELS).mean())
    assert score_runs(names, tested) == rows[:3]


def test_an_ensemble_needs_the_same_faces() -> None:
    tested = [pair(0, 1.0), pair(1, 1.0, np.roll(LABELS, 1))]
    assert len(score_runs(["a", "b"], tested)) == 2
    with pytest.raises(FerturbError, match="tested on the same faces"):
        score_runs(["a", "b"], tested, ensemble=True)
    with pytest.raises(FerturbError, match="tested on the same faces"):
        score_runs(["a", "b"], [tested[0]] * 2, validation=tested)
