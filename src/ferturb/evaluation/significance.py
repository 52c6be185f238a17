"""How sure is a number: bootstrap intervals, Student's t, McNemar, Holm.

The bootstrap resamples *faces*. A metric enters as a function of the mean over faces of some
columns per face (see `ferturb.evaluation.metrics`), so a resample is one row of a matrix product:

    means (resamples, m) = counts (resamples, n) @ columns (n, m) / n

where a row of counts says how often each face was drawn. The counts depend on (n, resamples,
seed) alone: two sets of logits compared under one seed see the same draws, which makes the
comparison paired. With several seeds of training, faces and training seeds are resampled both.

Sources: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993 (percentiles); Student 1908;
McNemar 1947, Edwards 1948 (continuity correction); Holm 1979.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt16
from scipy import special

from ferturb.base.errors import FerturbError

Array = np.ndarray
Statistic = Callable[[Float[Array, "*r m"]], Float[Array, "..."]]
"""From means of columns, one set per resample, to the metric, one value per resample."""

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK = 250  # resamples turned into float at a time: 250 × 3,589 faces are 3.6 MB


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval around it, in the estimate's own unit."""

    estimate: float
    low: float
    high: float
    std: float | None = None
    """Standard deviation over training seeds (n − 1), where there are several."""

    @property
    def verdict(self) -> Literal["above", "below", "unclear"]:
        """Where the whole interval lies: above zero, below zero, or neither."""
        if self.low > 0:
            return "above"
        return "below" if self.high < 0 else "unclear"


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two classifiers on the same faces."""

    only_first: int
    """Faces that the first alone got right."""
    only_second: int
    p: float
    """Two-sided: how likely a split at least this uneven is if neither is better."""
    exact: bool
    """Exact binomial, or chi-squared with continuity correction."""


def bootstrap(
    columns: Shaped[Array, "n ..."],
    statistic: Statistic | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """The interval of a metric over resampled faces.

    `columns` may also be (n,): then, without a `statistic`, the metric is its mean.
    """
    table = _table(columns)
    metric = statistic or _first
    estimate = float(metric(table.mean(0)))
    draws = metric(resampled_means(table, seed=seed, resamples=resamples))
    return percentile_interval(estimate, draws, level)


def paired_bootstrap(
    first: Shaped[Array, "*s n m"],
    second: Shaped[Array, "*t n m"],
    statistic: Statistic | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """The interval of metric(second) − metric(first) on the same faces.

    Each side is (n, m), or (seeds, n, m) for several trainings: then the metric of a side is its
    mean over trainings, and trainings are resampled too, so that the interval covers both the
    choice of the faces and the luck of the training. (With two or three trainings the second
    part is a rough, somewhat small guess.)
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (first, second)]
    sides = [side[None] if side.ndim == 2 else side for side in sides]
    if sides[0].shape[1:] != sides[1].shape[1:]:
        raise FerturbError(
            "a paired comparison needs the same faces and columns on both sides, got "
            f"{sides[0].shape} and {sides[1].shape}; compare runs on the same data only"
        )
    metric = statistic or _first
    (one, one_draws), (other, other_draws) = (
        seed_draws(side, metric, seed=seed, resamples=resamples, arm=arm)
        for arm, side in enumerate(sides)
    )
    estimate = float(np.mean(other) - np.mean(one))
    return percentile_interval(estimate, other_draws - one_draws, level)


def seed_draws(
    columns: Float[Array, "s n m"],
    statistic: Statistic,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    arm: int = 0,
) -> tuple[Float[Array, "s ..."], Float[Array, "resamples ..."]]:
    """A metric per training, and its mean over resampled trainings on resampled faces.

    The statistic may give several metrics at once (a last axis q). `arm` tells apart the sides of
    a comparison: they share the draw of the faces, not of the trainings.
    """
    estimates = np.stack([statistic(part.mean(0)) for part in columns])
    per_training = np.stack(
        [statistic(resampled_means(part, seed=seed, resamples=resamples)) for part in columns], 1
    )
    s = len(columns)
    if s == 1:
        return estimates, per_training[:, 0]
    generator = np.random.default_rng([seed, arm, s])
    weights = generator.multinomial(s, np.full(s, 1 / s), size=resamples) / s
    return estimates, np.einsum("rs,rs...->r...", weights, per_training)


def resampled_means(
    columns: Float[Array, "n m"], *, seed: int = 0, resamples: int = RESAMPLES
) -> Float[Array, "resamples m"]:
    """Means of the columns over resamples of the faces, drawn with replacement."""
    table = _table(columns).astype(np.float32)
    counts = _counts(len(table), resamples, seed)
    parts = [
        counts[start : start + _CHUNK].astype(np.float32) @ table
        for start in range(0, resamples, _CHUNK)
    ]
    return np.concatenate(parts).astype(np.float64) / len(table)


def percentile_interval(
    estimate: float, draws: Float[Array, " resamples"], level: float = LEVEL
) -> Interval:
    """The central `level` of the draws; draws that are nan (an absent emotion) are left out."""
    kept = draws[~np.isnan(draws)]
    if len(kept) == 0 or np.isnan(estimate):
        return Interval(estimate, float("nan"), float("nan"))
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high))


class Student(NamedTuple):
    """What Student's t says of a mean. With no spread p is 0 or 1, and 1 at the mean itself."""

    mean: float
    error: float
    """Its standard error."""
    freedom: int

    def interval(self, level: float = LEVEL) -> Interval:
        """Which means would not be rejected, two-sided."""
        half = float(special.stdtrit(self.freedom, 0.5 + level / 2)) * self.error
        return Interval(self.mean, self.mean - half, self.mean + half)

    def below(self, bound: float) -> float:
        """The p-value of a mean that is `bound` or more."""
        if self.error == 0 and self.mean == bound:
            return 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.float64(self.mean - bound) / self.error
        return float(special.stdtr(self.freedom, t))

    def above(self, bound: float) -> float:
        """The p-value of a mean that is `bound` or less."""
        return Student(-self.mean, self.error, self.freedom).below(-bound)

    def apart(self, value: float = 0.0) -> float:
        """The p-value of the mean `value`, two-sided."""
        p = 2 * min(self.below(value), self.above(value))
        return 1.0 if p > 1 else p


def student(values: Float[Array, " n"]) -> Student:
    """Student's t of the mean of at least two values.

    scipy's `ttest_1samp` says the same, from a module that takes a second to import.

    >>> round(student(np.array([1.0, 2.0, 3.0])).apart(), 4)
    0.0742
    """
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Student(float(np.mean(values)), error, len(values) - 1)


def mcnemar(first: Bool[Array, " n"], second: Bool[Array, " n"], exact_below: int = 25) -> McNemar:
    """McNemar's test from which faces each classifier got right.

    Exact (binomial) when fewer than `exact_below` faces tell the two apart, chi-squared with
    Edwards' continuity correction otherwise.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise FerturbError(f"McNemar needs the same faces twice, got {a.shape} and {b.shape}")
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    n = only_first + only_second
    if n < exact_below:
        p = min(1.0, 2 * float(special.bdtr(min(only_first, only_second), n, 0.5))) if n else 1.0
        return McNemar(only_first, only_second, p, exact=True)
    distance = max(abs(only_first - only_second) - 1, 0)
    p = float(special.chdtrc(1, distance**2 / n))
    return McNemar(only_first, only_second, p, exact=False)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the given order: valid for any dependence between the tests.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]

    A missing one raises `FerturbError`: leave out what is not tested.
    """
    if any(math.isnan(p) for p in p_values):
        raise FerturbError("Holm's correction needs a p-value for each test, got nan; leave it out")
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


@lru_cache(maxsize=2)
def _counts(n: int, resamples: int, seed: int) -> UInt16[Array, "resamples n"]:
    """How often each face occurs in each resample; rows add up to n."""
    generator = np.random.default_rng(seed)
    counts = np.empty((resamples, n), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(generator.integers(0, n, size=n), minlength=n)
    counts.flags.writeable = False
    return counts


def _table(columns: Shaped[Array, "n ..."]) -> Float[Array, "n m"]:
    table = np.asarray(columns, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) == 0:
        raise FerturbError(f"a bootstrap needs columns (n, m) with n > 0, got {table.shape}")
    return table


def _first(means: Float[Array, "*r m"]) -> Float[Array, "*r"]:
    return np.asarray(means[..., 0])
