"""The ablation matrix: facial feature × emotion, how much leaving the feature out changes.

For a face i, x_i is what is measured of it (1 if the model names its emotion, else 0; or the
probability of its emotion), whole, without the feature, or without a random region of the same
area (the mean over its draws). Over the faces of an emotion, or all:

    change  = mean(x without the feature − x whole)
    control = mean(x without random regions − x whole)
    excess  = change − control = mean(x without the feature − x without random regions)

Every difference is paired: the same faces on both sides. Intervals are bootstrap percentiles over
the faces of the emotion. The p-value is that of Student's t-test that the mean excess is zero,
two-sided (a resampled one could not go below one over the resamples, too coarse for so many
cells); `p_holm` is corrected over all cells of the matrix (Holm 1979). A feature is *named* for an
emotion when its excess is below zero and p_holm below 0.05: the model needs it more than it needs
as many pixels elsewhere in the face.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from ferturb.base.config import choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.tabular import Rows, Tabular
from ferturb.evaluation.ablation.measure import Ablation, Outcomes
from ferturb.evaluation.significance import (
    RESAMPLES,
    Interval,
    holm,
    percentile_interval,
    resampled_means,
    student,
)

Array = np.ndarray

ALL = "all"
"""The name of the column over the faces of all emotions."""

COLUMNS: tuple[str, ...] = (*EMOTIONS, ALL)

FEW = 20
"""With fewer faces a cell has no p-value and is marked."""

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Cell(Tabular):
    """One cell of the matrix. Changes are shares, −1 … 1; below zero the model gets worse."""

    feature: str
    emotion: str
    """One of the seven, or "all"."""
    measure: str
    n: int
    """Faces of this emotion."""
    pixels: float
    """Mean area of the feature in these faces."""
    whole: float
    """The mean over whole faces, from which the changes count."""
    change: Interval
    control: Interval
    excess: Interval
    p: float
    """That the excess is zero; nan with too few faces or without a control."""
    p_holm: float
    """Corrected for the number of cells of the matrix."""

    @property
    def few(self) -> bool:
        """Whether there are too few faces to say anything."""
        return self.n < FEW

    @property
    def needed(self) -> bool:
        """Whether leaving the feature out hurts significantly more than its control."""
        return self.p_holm < SIGNIFICANT and self.excess.estimate < 0

    @property
    def spared(self) -> bool:
        """Whether leaving the feature out hurts significantly less than its control."""
        return self.p_holm < SIGNIFICANT and self.excess.estimate > 0


MEASURES: dict[str, Callable[[Outcomes, Array], Float[Array, "*v n"]]] = {
    "accuracy": lambda found, labels: np.where(
        found.predicted < 0, np.nan, (found.predicted == labels).astype(np.float64)
    ),
    "probability": lambda found, labels: found.probability.astype(np.float64),
}
"""What is measured of each face: whether its emotion is named, or how probable it is held."""


def matrix(
    ablation: Ablation, measure: str = "accuracy", *, seed: int = 0, resamples: int = RESAMPLES
) -> Rows[Cell]:
    """All cells: for each feature the seven emotions, then "all". Raises for unknown measures."""
    value = choose("measure", measure, MEASURES)
    whole = value(ablation.whole, ablation.labels)
    without = value(ablation.without, ablation.labels)
    draws = value(ablation.controls, ablation.labels)
    control = draws.mean(1) if draws.shape[1] else np.full_like(without, np.nan)
    differences = np.stack([without - whole, control - whole, without - control])
    columns = [
        _column(ablation, measure, emotion, whole, differences, seed, resamples)
        for emotion in COLUMNS
    ]
    cells = [column[i] for i in range(len(ablation.features)) for column in columns]
    tested = [i for i, cell in enumerate(cells) if not math.isnan(cell.p)]
    for i, p in zip(tested, holm([cells[i].p for i in tested]), strict=True):
        cells[i] = replace(cells[i], p_holm=p)
    return Rows(cells)


def named(cells: Iterable[Cell]) -> dict[str, frozenset[str]]:
    """Emotion (or "all") -> the features that the matrix names for it."""
    needed = [cell for cell in cells if cell.needed]
    return {e: frozenset(cell.feature for cell in needed if cell.emotion == e) for e in COLUMNS}


def paired_p(differences: Float[Array, " n"]) -> float:
    """Student's t-test that paired differences have mean zero, two-sided.

    1 where no face differs; nan with fewer than two faces, or without a value for every face.

    >>> round(paired_p(np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0])), 4)
    0.0331
    """
    if len(differences) < 2 or bool(np.isnan(differences).any()):
        return math.nan
    if np.ptp(differences) == 0:
        return 1.0 if differences[0] == 0 else 0.0
    return student(differences).apart()


def to_dict(cell: Cell) -> dict[str, Any]:
    """A cell as JSON has it: numbers that do not exist are None."""

    def ready(value: Any) -> Any:
        if isinstance(value, Interval):
            return [ready(v) for v in (value.estimate, value.low, value.high)]
        return None if isinstance(value, float) and math.isnan(value) else value

    return {name: ready(value) for name, value in vars(cell).items()} | {"few": cell.few}


def _column(
    ablation: Ablation,
    measure: str,
    emotion: str,
    whole: Float[Array, " n"],
    differences: Float[Array, "3 f n"],
    seed: int,
    resamples: int,
) -> list[Cell]:
    """The cells of one emotion, one for each feature."""
    own = (
        np.full(len(whole), True) if emotion == ALL else ablation.labels == EMOTIONS.index(emotion)
    )
    whole, differences = whole[own], differences[..., own]
    count, m = len(ablation.features), len(whole)
    estimates = np.full((3, count), np.nan)
    draws = np.full((resamples, 3, count), np.nan)
    area = np.full(count, np.nan)
    if m:
        estimates = differences.mean(2)
        flat = differences.reshape(3 * count, m).T
        draws = resampled_means(flat, seed=seed, resamples=resamples).reshape(-1, 3, count)
        area = ablation.area[:, own].mean(1)
    cells = []
    for i, feature in enumerate(ablation.features):
        change, control, excess = (
            percentile_interval(float(estimates[k, i]), draws[:, k, i]) for k in range(3)
        )
        p = math.nan if m < FEW else paired_p(differences[2, i])
        base = float(whole.mean()) if m else math.nan
        about = (feature, emotion, measure, m, float(area[i]), base)
        cells.append(Cell(*about, change, control, excess, p, math.nan))
    return cells
