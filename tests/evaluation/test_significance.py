"""Intervals and tests against scipy, closed forms, simulation and hand computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ferturb.base.errors import FerturbError
from ferturb.evaluation import metrics
from ferturb.evaluation import significance as sig


def logits_case(seed: int, n: int = 300, help_: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 7
    logits = generator.normal(size=(n, 7))
    logits[np.arange(n), labels] += help_
    return labels, logits


def test_resampled_means_are_means_of_the_resampled_faces() -> None:
    labels, logits = logits_case(0)
    columns = metrics.count_columns(labels, logits)
    means = sig.resampled_means(columns, seed=3, resamples=5)
    generator = np.random.default_rng(3)
    for row in means:
        drawn = generator.integers(0, len(labels), size=len(labels))
        np.testing.assert_allclose(row, columns[drawn].mean(0), atol=1e-6)
        again = metrics.macro_f1(labels[drawn], logits[drawn])
        assert metrics.macro_f1_of(row) == pytest.approx(again, abs=1e-6)


def test_accuracy_interval_is_the_binomial_one() -> None:
    correct = np.arange(3589) < 2600
    share = correct.mean()
    half = 1.96 * math.sqrt(share * (1 - share) / len(correct))
    got = sig.bootstrap(correct)
    assert got.estimate == share
    assert got.low == pytest.approx(share - half, abs=0.0015)
    assert got.high == pytest.approx(share + half, abs=0.0015)


def test_agrees_with_scipy_bootstrap() -> None:
    values = np.random.default_rng(1).exponential(size=60)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    got = sig.bootstrap(values, resamples=20000)
    assert got.low == pytest.approx(expected.low, abs=0.02)
    assert got.high == pytest.approx(expected.high, abs=0.02)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    covered = 0
    for trial in range(200):
        correct = generator.random(200) < 0.7
        interval = sig.bootstrap(correct, seed=trial, resamples=400)
        covered += interval.low <= 0.7 <= interval.high
    assert 0.90 <= covered / 200 <= 0.99


def test_same_seed_same_bits() -> None:
    labels, logits = logits_case(1)
    columns = metrics.count_columns(labels, logits)
    assert sig.bootstrap(columns, metrics.macro_f1_of) == sig.bootstrap(
        columns, metrics.macro_f1_of
    )
    assert sig.bootstrap(columns, metrics.macro_f1_of, seed=1) != sig.bootstrap(
        columns, metrics.macro_f1_of
    )


def test_a_run_does_not_differ_from_itself() -> None:
    columns = metrics.count_columns(*logits_case(2))
    assert sig.paired_bootstrap(columns, columns, metrics.accuracy_of) == sig.Interval(0, 0, 0)


def test_pairing_narrows_the_interval_of_similar_runs() -> None:
    generator = np.random.default_rng(4)
    first = generator.random(2000) < 0.7
    second = first.copy()
    second[:40] = True
    paired = sig.paired_bootstrap(first[:, None], second[:, None])
    assert paired.estimate == pytest.approx(second.mean() - first.mean())
    per_face = second.astype(float) - first
    half = 1.96 * per_face.std() / math.sqrt(2000)
    assert paired.high - paired.low == pytest.approx(2 * half, rel=0.1)
    assert paired.verdict == "above"


def test_seeds_enter_the_difference_and_widen_it() -> None:
    generator = np.random.default_rng(6)
    first = (generator.random((3, 500, 1)) < 0.6).astype(float)
    second = (generator.random((3, 500, 1)) < 0.6).astype(float)
    second[0, :100] = 1  # one lucky training
    both = sig.paired_bootstrap(first, second)
    assert both.estimate == pytest.approx(second.mean() - first.mean())
    faces_only = sig.paired_bootstrap(first.mean(0), second.mean(0))
    assert both.high - both.low > 1.3 * (faces_only.high - faces_only.low)


@pytest.mark.usefixtures("no_shape_checks")
def test_different_faces_are_refused() -> None:
    with pytest.raises(FerturbError, match="same faces"):
        sig.paired_bootstrap(np.zeros((5, 1)), np.zeros((6, 1)))
    with pytest.raises(FerturbError, match="same faces"):
        sig.mcnemar(np.zeros(5, bool), np.zeros(6, bool))


def faces_right(only_first: int, only_second: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.array([True] * only_first + [False] * only_second + [True] * 30 + [False] * 9)
    second = np.array([False] * only_first + [True] * only_second + [True] * 30 + [False] * 9)
    return first, second


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (3, 9), (12, 12), (0, 24)])
def test_mcnemar_exact_is_the_binomial_test(b: int, c: int) -> None:
    got = sig.mcnemar(*faces_right(b, c))
    expected = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert (got.only_first, got.only_second, got.exact) == (b, c, True)
    assert got.p == pytest.approx(min(1.0, expected))


@pytest.mark.parametrize(("b", "c"), [(5, 20), (121, 59), (100, 100), (101, 100)])
def test_mcnemar_chi_squared(b: int, c: int) -> None:
    got = sig.mcnemar(*faces_right(b, c))
    statistic = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    assert not got.exact
    assert got.p == pytest.approx(stats.chi2.sf(statistic, 1))


def test_mcnemar_by_hand() -> None:
    # Agresti's approval ratings: 150 and 86 changed their minds; corrected chi-squared 16.82.
    got = sig.mcnemar(*faces_right(150, 86))
    assert got.p == pytest.approx(4.1e-5, rel=0.02)


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, made non-decreasing.
    assert sig.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert sig.holm([0.9, 0.8]) == [1.0, 1.0]
    assert sig.holm([]) == []


@pytest.mark.parametrize("p", [[math.nan, 0.01], [0.01, math.nan], [math.nan]])
def test_holm_takes_no_missing_test(p: list[float]) -> None:
    with pytest.raises(FerturbError, match="a p-value for each test, got nan"):
        sig.holm(p)


def test_an_emotion_without_faces_has_no_interval() -> None:
    labels, logits = logits_case(3)
    labels = np.where(labels == 1, 0, labels)
    columns = metrics.count_columns(labels, logits)
    got = sig.bootstrap(columns, lambda means: metrics.per_emotion_of(means)[..., 1])
    assert math.isnan(got.estimate)
    assert math.isnan(got.low)
    assert got.verdict == "unclear"


def test_students_t_is_scipys() -> None:
    generator = np.random.default_rng(4)
    for n in (2, 3, 10, 400):
        values = generator.normal(generator.uniform(-1, 1), 1, n)
        t, theirs = sig.student(values), stats.ttest_1samp(values, 0.0)
        assert t.apart() == pytest.approx(theirs.pvalue, rel=1e-9)
        low, high = theirs.confidence_interval(0.9)
        found = t.interval(0.9)
        assert (found.estimate, found.low, found.high) == pytest.approx((values.mean(), low, high))
        above = stats.ttest_1samp(values, 0.3, alternative="greater").pvalue
        below = stats.ttest_1samp(values, 0.3, alternative="less").pvalue
        assert (t.above(0.3), t.below(0.3)) == pytest.approx((above, below), rel=1e-9)


def test_students_t_without_spread_is_certain() -> None:
    t = sig.student(np.ones(5))
    assert (t.apart(0.5), t.above(0.5), t.below(0.5)) == (0.0, 0.0, 1.0)
    assert (t.apart(1.0), t.above(1.0), t.below(1.0)) == (1.0, 1.0, 1.0)
    assert math.isnan(sig.Student(0.0, math.nan, 3).apart())
    assert (t.interval().low, t.interval().high) == (1.0, 1.0)
