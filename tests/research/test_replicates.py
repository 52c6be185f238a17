"""Paired differences against hand-computed t and against statsmodels' definitions."""

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from ferturb.base.errors import FerturbError
from research.replicates import paired_difference, slope_over


def test_a_hand_computed_case() -> None:
    """Differences 1, 2, 3: mean 2, standard error 1/sqrt(3), t(0.975, 2) = 4.3027."""
    found = paired_difference([1.0, 2.0, 3.0])
    half = 4.302653 / np.sqrt(3)
    assert found.estimate == pytest.approx(2.0)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), rel=1e-5)
    t = 2 * np.sqrt(3)
    assert found.p == pytest.approx(2 * stdtr(2, -t))
    assert found.replicates == 3


def test_equivalence_is_the_larger_of_two_one_sided_tests() -> None:
    values = np.array([0.1, -0.2, 0.15, 0.0, -0.05])
    found = paired_difference(values.tolist(), margin=0.5)
    error = values.std(ddof=1) / np.sqrt(5)
    upper = stdtr(4, (values.mean() - 0.5) / error)
    lower = stdtr(4, -(values.mean() + 0.5) / error)
    assert found.p_equivalence == pytest.approx(max(upper, lower))
    assert found.p_equivalence < 0.05


def test_equivalence_at_five_percent_is_the_ninety_percent_interval_within_the_margin() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        values = generator.normal(generator.uniform(-1, 1), 0.6, 6)
        found = paired_difference(values.tolist(), level=0.9)
        inside = found.low > -1 and found.high < 1
        assert inside == (found.p_equivalence < 0.05)


def test_replicates_that_all_say_the_same() -> None:
    found = paired_difference([0.0, 0.0, 0.0])
    assert (found.p, found.p_equivalence, found.low, found.high) == (1.0, 0.0, 0.0, 0.0)
    found = paired_difference([1.0, 1.0, 1.0])  # at the margin itself
    assert (found.p, found.p_equivalence) == (0.0, 1.0)


def test_the_interval_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        found = paired_difference((0.7 + generator.normal(0, 1, 5)).tolist())
        hits += found.low <= 0.7 <= found.high
    assert 0.935 < hits / 2000 < 0.965


def test_the_slope_is_that_of_the_regression() -> None:
    found = slope_over([0.0, 1.0, 2.0], [[0.0, 0.2], [1.1, 0.9], [2.0, 2.2]])
    assert found.estimate == pytest.approx(1.0)
    assert found.low < 1.0 < found.high
    x, y = np.repeat([0.0, 1.0, 2.0], 2), np.array([0.0, 0.2, 1.1, 0.9, 2.0, 2.2])
    residual = y - (y.mean() + 1.0 * (x - 1))
    error = np.sqrt((residual**2).sum() / 4 / ((x - 1) ** 2).sum())
    assert found.high - found.estimate == pytest.approx(stdtrit(4, 0.975) * error)


@pytest.mark.parametrize("bad", [[], [1.0], [1.0, float("nan")]])
def test_too_little_is_an_error(bad: list[float]) -> None:
    with pytest.raises(FerturbError, match="at least two replicates"):
        paired_difference(bad)


def test_a_margin_must_be_above_zero() -> None:
    with pytest.raises(FerturbError, match="above 0, got 0"):
        paired_difference([1.0, 2.0], margin=0)
