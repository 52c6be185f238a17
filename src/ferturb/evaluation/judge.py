"""Finished runs by their stored logits: one row of numbers each, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from ferturb.emotions import EMOTIONS
from ferturb.errors import FerturbError
from ferturb.evaluation.metrics import accuracy_of, count_columns, macro_f1_of, summary
from ferturb.evaluation.significance import Interval, bootstrap
from ferturb.evaluation.transfer import logits_on
from ferturb.runs import Run


@dataclass(frozen=True)
class Judged:
    """One run, or an ensemble of them, on one split."""

    name: str
    n: int
    accuracy: Interval
    macro_f1: Interval
    balanced_accuracy: float
    ece: float
    nll: float
    per_emotion: dict[str, float]

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


def judge(
    name: str, labels: Int[NDArray[np.int64], " n"], logits: Float[NDArray[np.float32], "n 7"]
) -> Judged:
    """All numbers of one set of logits; intervals by bootstrap over the faces."""
    columns, scores = count_columns(labels, logits), summary(labels, logits)
    return Judged(
        name=name,
        n=len(labels),
        accuracy=bootstrap(columns, accuracy_of),
        macro_f1=bootstrap(columns, macro_f1_of),
        balanced_accuracy=scores.balanced_accuracy,
        ece=scores.ece,
        nll=scores.nll,
        per_emotion=dict(zip(EMOTIONS, map(float, scores.per_emotion), strict=True)),
    )


def judge_runs(
    folders: Sequence[Path],
    split: str,
    augmentation: str,
    ensemble: bool = False,
    on: str | None = None,
    kept: Bool[NDArray[np.bool_], " n"] | None = None,
) -> list[Judged]:
    """One row a finished run and, if wanted, one for the sum of their logits.

    `on` is the name under which `ferturb.evaluation.transfer` kept results on other faces; None
    takes the run's own. `kept` judges some of the split's faces only. A run that is not finished,
    that did not store this augmentation, or whose faces are not the others' (for an ensemble)
    raises `FerturbError`.
    """
    if not folders:
        raise FerturbError(
            "give at least one run folder, e.g. runs/compact-baseline-fast-s0-1a2b3c"
        )
    loaded = [_logits(Run.open(folder), split, augmentation, on) for folder in folders]
    if kept is not None:
        for folder, (labels, _) in zip(folders, loaded, strict=True):
            if len(labels) != len(kept):
                raise FerturbError(
                    f"{folder} was judged on {len(labels)} faces of {split}, and {len(kept)} were "
                    "to choose from; judge runs on the same data only"
                )
        loaded = [(labels[kept], logits[kept]) for labels, logits in loaded]
    rows = [
        judge(folder.resolve().name, labels, logits)
        for folder, (labels, logits) in zip(folders, loaded, strict=True)
    ]
    if ensemble:
        labels = loaded[0][0]
        if any(not np.array_equal(labels, other) for other, _ in loaded):
            raise FerturbError("these runs were tested on different faces: no ensemble of them")
        total = np.stack([logits for _, logits in loaded]).sum(0)
        rows.append(judge(f"ensemble of {len(loaded)}", labels, total))
    return rows


def _logits(
    run: Run, split: str, augmentation: str, on: str | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    if not run.done:
        raise FerturbError(f"{run.folder} is not finished; go on with `ferturb train --resume`")
    try:
        return logits_on(run, on, split, augmentation)
    except KeyError as error:
        stored = ", ".join(run.augmentations())
        raise FerturbError(
            f"{run.folder} stored no logits for {split} with augmentation {augmentation!r}; "
            f"stored: {stored}"
        ) from error


def _with_interval(value: Interval, scale: float, digits: int) -> str:
    low, high = scale * value.low, scale * value.high
    return f"{scale * value.estimate:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
