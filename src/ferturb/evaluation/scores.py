"""Finished runs by their stored logits: one row of numbers each, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.evaluation.ensembles import choose_members
from ferturb.evaluation.metrics import accuracy_of, count_columns, macro_f1_of, summary
from ferturb.evaluation.other_data import logits_on
from ferturb.evaluation.significance import Interval, bootstrap
from ferturb.runs.run import Run


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


def judge(
    name: str,
    labels: Int[NDArray[np.int64], " n"],
    logits: Float[NDArray[np.float32], "n 7"],
    members: tuple[str, ...] = (),
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
        members=members,
    )


def judge_runs(
    folders: Sequence[Path],
    split: str,
    augmentation: str,
    ensemble: bool = False,
    on: str | None = None,
    kept: Bool[NDArray[np.bool_], " n"] | None = None,
    choose: bool = False,
) -> list[Judged]:
    """One row a finished run and, if wanted, one for the sum of their logits.

    `choose` adds one for the sum of those that `choose_members` takes by their own validation
    faces, whatever the split and faces that are judged.
    `on` is the name under which `ferturb.evaluation.other_data` kept results on other faces; None
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
    everyone = list(range(len(loaded)))
    wanted = {f"ensemble of {len(loaded)}": everyone} if ensemble else {}
    if choose:
        opened = [_logits(Run.open(folder), "validation", augmentation, None) for folder in folders]
        chosen = choose_members(_common_labels(opened), [logits for _, logits in opened])
        wanted[f"ensemble of the chosen {len(chosen)}"] = chosen
    for name, members in wanted.items():
        total = np.stack([loaded[i][1] for i in members]).sum(0)
        names = tuple(rows[i].name for i in members)
        rows.append(judge(name, _common_labels(loaded), total, names))
    return rows


def _common_labels(
    loaded: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> NDArray[np.int64]:
    labels = loaded[0][0]
    if any(not np.array_equal(labels, other) for other, _ in loaded):
        raise FerturbError("these runs were tested on different faces: no ensemble of them")
    return labels


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
