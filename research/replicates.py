"""Claims about methods: paired differences over replicates.

A replicate is a training subset and a seed that every method shares. Its difference between two
methods is one number, whatever it was measured on; the interval over replicates covers training
subsets, seeds and, through them, what the test faces happen to be, where intervals over faces alone
cover only the last.

Sources: Student 1908 (paired t); Schuirmann 1987 (two one-sided tests, TOST).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferturb.base.errors import FerturbError
from ferturb.evaluation.significance import Student, student

LEVEL = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference of two methods over replicates, in the unit of the differences."""

    estimate: float
    low: float
    high: float
    """Of the t interval."""
    p: float
    """Two-sided, of no difference."""
    p_equivalence: float
    """Of a difference of `margin` or more, either way: small says that there is no effect."""
    margin: float
    replicates: int


def paired_difference(
    differences: Sequence[float], margin: float = 1.0, level: float = LEVEL
) -> PairedDifference:
    """Paired t test and TOST of the differences, one a replicate; at least two.

    Raises `FerturbError` for fewer, for numbers that aren't finite, or a margin that isn't above 0.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise FerturbError(
            "a paired difference needs a finite number from each of at least two replicates, "
            f"got {list(differences)}"
        )
    if margin <= 0:
        raise FerturbError(f"the margin of equivalence must be above 0, got {margin}")
    t = student(values)
    interval = t.interval(level)
    equivalence = max(t.above(-margin), t.below(margin))
    return PairedDifference(
        t.mean, interval.low, interval.high, t.apart(), equivalence, margin, len(values)
    )


def slope_over(
    positions: Sequence[float], differences: Sequence[Sequence[float]], level: float = LEVEL
) -> PairedDifference:
    """The least-squares slope of the differences on a position of their cell.

    `differences[i]` are the replicates of the cell at `positions[i]`. The interval is the ordinary
    one of the regression over all replicates (n - 2 degrees of freedom). The margin of
    equivalence is 1 a unit of position.
    """
    x = np.concatenate([np.full(len(d), p) for p, d in zip(positions, differences, strict=True)])
    y = np.concatenate([np.asarray(d, dtype=np.float64) for d in differences])
    if len(x) < 3 or len(set(x.tolist())) < 2:
        raise FerturbError("a slope needs at least three replicates in at least two cells")
    from scipy import stats

    fit = stats.linregress(x, y)
    t = Student(float(fit.slope), float(fit.stderr), len(x) - 2)
    interval, towards = t.interval(level), max(t.below(1.0), t.above(-1.0))
    return PairedDifference(
        t.mean, interval.low, interval.high, float(fit.pvalue), towards, 1.0, len(x)
    )
