"""Each arm of an experiment against one of them, by training size and dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ferturb.base.config import MethodConfig
from ferturb.perturb.grids import HIDDEN, PEAK, SQUARE
from ferturb.study.experiments import Experiment
from research.claims import Values, differences
from research.readings import Key
from research.replicates import PairedDifference, paired_difference

GRID_MASK = PEAK / 2 * SQUARE**2
"""The mean over a training whose probability climbs from 0 to its peak."""
HIDE_AND_SEEK = 4 / 5 * HIDDEN


@dataclass(frozen=True)
class Change:
    """What an arm changes against the baseline: points, by replicate, measure by measure."""

    key: Key
    dose: float
    """Expected share of the face that is hidden in a training input, 0 … 1."""
    found: Mapping[str, tuple[float, ...]]

    def mean(self, measure: str) -> float:
        """Over replicates."""
        return float(np.mean(self.found[measure]))

    def test(self, measure: str) -> PairedDifference | None:
        """With its interval; none for one replicate."""
        found = self.found[measure]
        return paired_difference(found) if len(found) > 1 else None

    def row(self) -> dict[str, object]:
        """As a row of a table: hidden in percent, changes in points with their 95 % t interval."""
        cell, arm, reading = self.key
        row: dict[str, object] = {"cell": cell, "arm": arm, "reading": reading}
        row["hidden"] = f"{100 * self.dose:.1f}"
        row["replicates"] = len(next(iter(self.found.values())))
        for measure in self.found:
            test = self.test(measure)
            row[measure] = f"{self.mean(measure):.4f}"
            for end in ("low", "high"):
                row[f"{measure}_{end}"] = "" if test is None else f"{getattr(test, end):.4f}"
        return row


def changes(
    experiment: Experiment, values: Mapping[str, Values], cell: str, baseline: str
) -> list[Change]:
    """The readings of a cell that share a replicate with the baseline, by dose, then by views."""

    def place(change: Change) -> tuple[float, int, Key]:
        arm = experiment.arms[change.key[1]]
        return change.dose, arm.factor * arm.method.views_per_face, change.key

    against, there = (cell, baseline, "whole"), []
    for key in next(iter(values.values())):
        found = {m: tuple(differences(of, key, against)) for m, of in values.items()}
        if key[0] == cell and key[1] != baseline and all(found.values()):
            there.append(Change(key, dose(experiment.arms[key[1]].method), found))
    return sorted(there, key=place)


def dose(method: MethodConfig) -> float:
    """The expected share of the face that is hidden in a training input, 0 … 1."""
    k, area = method.clusters, sum(method.erased) / 2
    seen = {"hide-and-seek": HIDE_AND_SEEK, "grid-mask": GRID_MASK}
    seen["eac"] = area * method.hidden_probability
    seen["random-erasing"] = area * k / (k + 1)
    views = ("uniform-clusters", "random-regions", "landmark-regions")
    seen |= dict.fromkeys(views, method.view_probability / (k + 1))
    return seen.get(method.name, 0.0)
