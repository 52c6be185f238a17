"""Stored logits as numbers: one row for a run or an ensemble, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ferturb.base.arrays import Floats, Integers
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.tabular import Rows, Tabular
from ferturb.evaluation.metrics import accuracy_of, count_columns, macro_f1_of, summary
from ferturb.evaluation.other_data import Pair
from ferturb.evaluation.significance import Interval, bootstrap


@dataclass(frozen=True)
class ScoreRow(Tabular):
    """One run, or an ensemble of them, on one split."""

    name: str
    n: int
    accuracy: Interval
    macro_f1: Interval
    balanced_accuracy: float
    ece: float
    nll: float
    per_emotion: dict[str, float]
    members: tuple[str, ...] = ()
    """The runs an ensemble sums."""

    def cells(self) -> list[str]:
        """The row of a table: name, accuracy, macro-F1, balanced accuracy, ECE, n."""
        return [
            self.name,
            _with_interval(self.accuracy, 100, 1),
            _with_interval(self.macro_f1, 1, 3),
            f"{100 * self.balanced_accuracy:.1f}",
            f"{100 * self.ece:.1f}",
            f"{self.n:,}",
        ]


def score(
    name: str,
    labels: Int[Integers, " n"],
    logits: Float[Floats, "n 7"],
    members: tuple[str, ...] = (),
) -> ScoreRow:
    """All numbers of one set of logits; intervals by bootstrap over the faces."""
    labels, logits = np.asarray(labels), np.asarray(logits)
    if labels.dtype.kind not in "iu" or logits.dtype.kind != "f":
        raise FerturbError(
            f"score takes whole numbers as labels and floats as logits, got {labels.dtype} and "
            f"{logits.dtype}"
        )
    columns, metrics = count_columns(labels, logits), summary(labels, logits)
    return ScoreRow(
        name=name,
        n=len(labels),
        accuracy=bootstrap(columns, accuracy_of),
        macro_f1=bootstrap(columns, macro_f1_of),
        balanced_accuracy=metrics.balanced_accuracy,
        ece=metrics.ece,
        nll=metrics.nll,
        per_emotion=dict(zip(EMOTIONS, map(float, metrics.per_emotion), strict=True)),
        members=members,
    )


def score_runs(
    names: Sequence[str],
    tested: Sequence[Pair],
    ensemble: bool = False,
    validation: Sequence[Pair] | None = None,
) -> Rows[ScoreRow]:
    """One row for each run's labels and logits, then those of ensembles of them.

    `ensemble` adds the sum of all logits. `validation`, the runs' logits on validation faces, adds
    the sum of those that `choose_members` takes by them. Raises `FerturbError` for an ensemble of
    runs that were tested on different faces.
    """
    rows = Rows(score(name, *pair) for name, pair in zip(names, tested, strict=True))
    wanted = {f"ensemble of {len(names)}": list(range(len(names)))} if ensemble else {}
    if validation is not None:
        chosen = choose_members(_common_labels(validation), [logits for _, logits in validation])
        wanted[f"ensemble of the chosen {len(chosen)}"] = chosen
    for title, members in wanted.items():
        total = np.stack([tested[i][1] for i in members]).sum(0)
        who = tuple(names[i] for i in members)
        rows.append(score(title, _common_labels(tested), total, who))
    return rows


def choose_members(
    labels: Int[Integers, " n"], logits: Sequence[Float[Floats, "n 7"]]
) -> list[int]:
    """The indices of the networks whose summed logits are right most often, in the order found.

    Greedy forward selection without replacement (Caruana et al. 2004, "Ensemble selection from
    libraries of models"): the best network first, then whichever adds most correct faces, until
    none adds any; the earlier of equal ones. Give it the logits of the validation split: what is
    chosen on the test split says nothing about new faces.

    >>> labels = np.array([0, 1, 2])
    >>> right = np.eye(3, 7, dtype=np.float32)
    >>> sure = np.float32([[0.5], [0.5], [2.0]])
    >>> choose_members(labels, [right[[0, 0, 0]], right[[0, 1, 0]], sure * right[[1, 0, 2]]])
    [1, 2]
    """
    if not logits:
        raise FerturbError("an ensemble needs the logits of at least one member, got none")
    total = np.zeros_like(logits[0], dtype=np.float64)
    chosen: list[int] = []
    best = -1
    while len(chosen) < len(logits):
        right = [
            -1 if i in chosen else int(((total + member).argmax(1) == labels).sum())
            for i, member in enumerate(logits)
        ]
        if max(right) <= best:
            break
        best = max(right)
        chosen.append(right.index(best))
        total += logits[chosen[-1]]
    return chosen


def _common_labels(tested: Sequence[Pair]) -> Int[Integers, " n"]:
    first, *others = (labels for labels, _ in tested)
    if any(not np.array_equal(first, other) for other in others):
        raise FerturbError(
            "an ensemble needs runs that were tested on the same faces, and these were not; "
            "leave some out, or test all on the same faces with --data"
        )
    return first


def _with_interval(value: Interval, scale: float, digits: int) -> str:
    low, high = scale * value.low, scale * value.high
    return f"{scale * value.estimate:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
