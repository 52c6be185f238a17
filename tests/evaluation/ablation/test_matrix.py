"""The matrix against hand computation, scipy, and the bootstrap of the same differences."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from ferturb.base.errors import FerturbError
from ferturb.evaluation.ablation.matrix import (
    ALL,
    COLUMNS,
    FEW,
    Cell,
    matrix,
    named,
    paired_p,
    to_dict,
)
from ferturb.evaluation.ablation.measure import Ablation, Outcomes
from ferturb.evaluation.significance import bootstrap, holm


def made_up(counts: tuple[int, ...] = (60, 12, 40, 80, 50, 45, 0), controls: int = 4) -> Ablation:
    """Feature 0 hurts angry faces much, feature 1 nothing, feature 2 everything as its control."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(7), counts)
    n = len(labels)
    whole = np.where(generator.random(n) < 0.8, labels, (labels + 1) % 7)
    without = np.stack([whole] * 3)
    without[0, labels == 0] = 2
    without[2] = np.where(generator.random(n) < 0.5, whole, (labels + 3) % 7)
    control = np.repeat(whole[None, None], 3, 0).repeat(controls, 1)
    flipped = generator.random((controls, n)) < 0.5
    control[2] = np.where(flipped, whole, (labels + 3) % 7)

    def said(predicted: np.ndarray) -> Outcomes:
        right = predicted == labels
        noise = generator.random(predicted.shape) * 0.2
        return Outcomes((0.1 + 0.6 * right + noise).astype(np.float32), predicted.astype(np.int8))

    area = np.full((3, n), 40, np.int32)
    area[1] = labels
    names = ("mouth", "nose", "upper_face")
    return Ablation(names, labels, said(whole), said(without), said(control), area)


def by_place(cells: tuple[Cell, ...]) -> dict[tuple[str, str], Cell]:
    return {(cell.feature, cell.emotion): cell for cell in cells}


def test_changes_are_means_over_the_faces_of_an_emotion() -> None:
    a = made_up()
    cells = matrix(a)
    assert [c.emotion for c in cells[: len(COLUMNS)]] == list(COLUMNS)
    assert [c.feature for c in cells[:: len(COLUMNS)]] == ["mouth", "nose", "upper_face"]
    found = by_place(cells)
    right = a.whole.predicted == a.labels
    angry, everyone = found["mouth", "angry"], found["upper_face", ALL]
    assert angry.whole == pytest.approx(right[:60].mean())
    assert angry.change.estimate == pytest.approx(-right[:60].mean())
    assert angry.control.estimate == 0
    assert angry.excess.estimate == pytest.approx(angry.change.estimate)
    assert (angry.n, angry.pixels) == (60, 40)
    expected = [(p == a.labels).mean() - right.mean() for p in a.controls.predicted[2]]
    assert everyone.control.estimate == pytest.approx(np.mean(expected))
    assert everyone.excess.estimate == pytest.approx(
        everyone.change.estimate - everyone.control.estimate
    )
    assert found["nose", "happy"].pixels == 3
    assert found["nose", ALL].pixels == pytest.approx(a.labels.mean())


@pytest.mark.parametrize("measure", ["accuracy", "probability"])
def test_intervals_are_the_bootstrap_of_the_paired_differences(measure: str) -> None:
    a = made_up()
    cell = by_place(matrix(a, measure, seed=7))["upper_face", "sad"]
    who = a.labels == 4

    def value(said: Outcomes) -> np.ndarray:
        if measure == "probability":
            return said.probability.astype(float)
        return (said.predicted == a.labels).astype(float)

    whole, without, control = (value(said) for said in (a.whole, a.without, a.controls))
    pairs = {
        "change": without[2] - whole,
        "control": control[2].mean(0) - whole,
        "excess": without[2] - control[2].mean(0),
    }
    for name, difference in pairs.items():
        got, expected = getattr(cell, name), bootstrap(difference[who], seed=7)
        assert got.estimate == pytest.approx(expected.estimate)
        assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert cell.p == pytest.approx(stats.ttest_1samp(pairs["excess"][who], 0).pvalue)


def test_p_values_are_corrected_over_all_cells() -> None:
    cells = matrix(made_up())
    tested = [cell for cell in cells if not math.isnan(cell.p)]
    assert len(tested) == 3 * 6  # disgust has too few faces, neutral none
    assert [cell.p_holm for cell in tested] == holm([cell.p for cell in tested])
    assert named(cells)["angry"] == {"mouth"}
    assert named(cells)[ALL] == {"mouth"}  # 60 of 287 faces
    assert all(not named(cells)[e] for e in COLUMNS[1:-1])


def test_a_feature_less_harmful_than_its_control_is_spared_not_needed() -> None:
    a = made_up()
    turned = Ablation(
        a.features, a.labels, a.whole, Outcomes(a.controls.probability[:, 0],
        a.controls.predicted[:, 0]), Outcomes(a.without.probability[:, None],
        a.without.predicted[:, None]), a.area,
    )  # fmt: skip
    cell = by_place(matrix(turned))["mouth", "angry"]
    assert cell.spared
    assert not cell.needed
    assert cell.excess.estimate > 0


def test_cells_with_too_few_faces_say_so() -> None:
    found = by_place(matrix(made_up()))
    few, none = found["mouth", "disgust"], found["mouth", "neutral"]
    assert (few.n, none.n) == (12, 0)
    assert few.few
    assert none.few
    assert math.isnan(few.p)
    assert math.isnan(few.p_holm)
    assert few.change.estimate == 0  # what was measured is still told
    assert math.isnan(none.change.estimate)
    assert not few.needed
    assert not by_place(matrix(made_up((FEW,) * 7)))["mouth", "disgust"].few
    told = json.loads(json.dumps(to_dict(none), allow_nan=False))
    assert told["change"] == [None, None, None]
    assert told["few"]


def test_without_controls_there_is_no_excess() -> None:
    cells = matrix(made_up(controls=0))
    angry = by_place(cells)["mouth", "angry"]
    assert angry.change.estimate < -0.5
    assert math.isnan(angry.control.estimate)
    assert math.isnan(angry.excess.low)
    assert not any(cell.needed or cell.spared for cell in cells)


def test_what_was_not_measured_is_not_counted() -> None:
    a = made_up()
    probability, predicted = a.controls.probability.copy(), a.controls.predicted.copy()
    probability[1], predicted[1] = np.nan, -1
    missing = Ablation(
        a.features, a.labels, a.whole, a.without, Outcomes(probability, predicted), a.area
    )
    found, complete = by_place(matrix(missing)), by_place(matrix(a))
    for emotion in COLUMNS[:6]:
        assert found["mouth", emotion].excess == complete["mouth", emotion].excess
    assert math.isnan(found["nose", "angry"].control.estimate)
    assert found["nose", "angry"].change.estimate == 0


def test_the_p_value_is_students() -> None:
    values = np.random.default_rng(1).normal(0.1, 1, size=37)
    t = abs(values.mean()) / values.std(ddof=1) * 37**0.5
    assert paired_p(values) == pytest.approx(2 * stats.t.sf(t, 36), rel=1e-12)
    assert paired_p(np.zeros(9)) == 1
    assert paired_p(np.full(9, -1.0)) == 0
    assert math.isnan(paired_p(np.array([1.0])))


def test_a_false_alarm_is_as_rare_as_it_should_be() -> None:
    """Differences of −1, 0 and 1 without a mean, mostly zero, as accuracy has them."""
    generator = np.random.default_rng(2)
    drawn = generator.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=(2000, 55))
    share = np.mean([paired_p(row) < 0.05 for row in drawn])
    assert 0.03 < share < 0.07


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(FerturbError, match="unknown measure 'acuracy': did you mean 'accuracy'"):
        matrix(made_up(), "acuracy")
