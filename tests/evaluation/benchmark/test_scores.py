"""Cells of an entry recomputed from the logits by plain loops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.errors import FerturbError
from ferturb.evaluation.benchmark.entries import entry_to_dict, read_entry, write_entry
from ferturb.evaluation.benchmark.measure import Answers
from ferturb.evaluation.benchmark.protocol import CONDITIONS
from ferturb.evaluation.benchmark.scores import Entry, entry_of
from made_up_answers import made_up_answers

KEYS = [c.key for c in CONDITIONS]


@pytest.fixture(scope="module")
def answers() -> Answers:
    return made_up_answers()


@pytest.fixture(scope="module")
def entry(answers: Answers) -> Entry:
    return entry_of(answers)


def hits(answers: Answers, key: str) -> list[bool]:
    rows = answers.logits[KEYS.index(key)].tolist()
    pairs = zip(rows, answers.labels.tolist(), strict=True)
    return [row.index(max(row)) == label for row, label in pairs]


@pytest.mark.parametrize("key", ["whole", "mouth 2", "random as hand"])
def test_three_cells_from_the_logits(answers: Answers, entry: Entry, key: str) -> None:
    score, right = entry.conditions[key], hits(answers, key)
    n = len(right)
    assert score.accuracy.estimate == pytest.approx(sum(right) / n)
    recalls = [
        sum(r for r, label in zip(right, answers.labels, strict=True) if label == emotion) / 30
        for emotion in range(7)
    ]
    assert score.macro_recall.estimate == pytest.approx(sum(recalls) / 7)
    assert [v.estimate for v in score.emotions.values()] == pytest.approx(recalls)

    exponents = [np.exp(row - row.max()) for row in answers.logits[KEYS.index(key)].astype(float)]
    sure = [float(max(e) / sum(e)) for e in exponents]
    bins: dict[int, list[float]] = {}
    for confidence, hit in zip(sure, right, strict=True):
        bins.setdefault(int(np.ceil(confidence * 15)), []).append(confidence - hit)
    assert score.ece.estimate == pytest.approx(sum(abs(sum(b)) for b in bins.values()) / n)
    given = [hit for confidence, hit in zip(sure, right, strict=True) if confidence >= 0.5]
    assert score.answered.estimate == pytest.approx(len(given) / n)
    assert score.right.estimate == pytest.approx(sum(given) / len(given))


def test_the_summaries_from_the_accuracies(answers: Answers, entry: Entry) -> None:
    accuracy = {key: np.mean(hits(answers, key)) for key in KEYS}
    hard = [c.key for c in CONDITIONS if c.family in ("left out", "worn", "corrupted")]
    relative = [accuracy[key] / accuracy["whole"] for key in hard]
    assert entry.relative_accuracy.estimate == pytest.approx(np.mean(relative))
    excess = []
    for condition in CONDITIONS:
        if condition.family == "left out":
            excess.append(accuracy[condition.key] - accuracy[f"random {condition.severity}"])
        if condition.family == "worn":
            excess.append(accuracy[condition.key] - accuracy[f"random as {condition.what}"])
    assert entry.excess.estimate == pytest.approx(np.mean(excess))
    assert entry.conditions["nose 1"].excess.estimate == pytest.approx(
        accuracy["nose 1"] - accuracy["random 1"]
    )
    assert entry.conditions["nose 1"].change.estimate == pytest.approx(
        accuracy["nose 1"] - accuracy["whole"]
    )


def test_intervals_are_those_of_the_resampled_faces(answers: Answers, entry: Entry) -> None:
    right = np.array(hits(answers, "mask"), float)
    error = np.sqrt(right.mean() * (1 - right.mean()) / len(right))
    found = entry.conditions["mask"].accuracy
    assert found.low == pytest.approx(right.mean() - 1.96 * error, abs=0.012)
    assert found.high == pytest.approx(right.mean() + 1.96 * error, abs=0.012)
    assert entry.excess.low < entry.excess.estimate < entry.excess.high


def test_what_is_compared_is_compared_on_the_same_faces(answers: Answers) -> None:
    """Whoever answers alike under all conditions loses nothing, for certain."""
    alike = replace(answers, logits=np.repeat(answers.logits[:1], len(CONDITIONS), 0))
    entry = entry_of(alike)
    for interval, value in [
        (entry.relative_accuracy, 1),
        (entry.excess, 0),
        *((score.change, 0) for score in entry.conditions.values()),
    ]:
        assert (interval.low, interval.estimate, interval.high) == pytest.approx((value,) * 3)
    assert entry.whole.accuracy.high - entry.whole.accuracy.low > 0.05


def test_an_entry_comes_back_from_its_file(entry: Entry, tmp_path: Path) -> None:
    write_entry(entry, tmp_path / "a.json")
    again = read_entry(tmp_path / "a.json")
    assert entry_to_dict(again) == entry_to_dict(entry)
    assert np.isnan(again.conditions["blur"].excess.estimate)


def test_what_is_no_entry_of_this_version_is_refused(entry: Entry, tmp_path: Path) -> None:
    kept = entry_to_dict(entry)
    cases = {
        "is no entry of FER-Behind": {"name": "x"},
        "is of FER-Behind 2, and this is FER-Behind 1": kept
        | {"protocol": {"name": "FER-Behind", "version": 2}},
        "is not an entry of the benchmark": kept | {"conditions": {}},
    }
    for reason, data in cases.items():
        (tmp_path / "b.json").write_text(json.dumps(data))
        with pytest.raises(FerturbError, match=reason):
            read_entry(tmp_path / "b.json")
