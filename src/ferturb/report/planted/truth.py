"""The ablation matrices of a study on drawn faces, each judged by what was planted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ferturb.base.emotions import EMOTIONS
from ferturb.base.tabular import Rows
from ferturb.evaluation.ablation.matrix import MEASURES, Cell
from ferturb.evaluation.ablation.measure import Ablation
from ferturb.evaluation.ablation.planted import Verdict, judged, tally
from ferturb.report.ablation.section import Shown, matrices, shown_ablations
from ferturb.report.results import StudyResults

SAW_HOLES = "features-left-out"
"""The method whose networks have seen faces without each feature."""


@dataclass(frozen=True, eq=False)
class JudgedMatrix:
    """One matrix of one network, and what each of its cells is worth."""

    shown: Shown
    measure: str
    cells: Rows[Cell]
    verdicts: dict[tuple[str, str], Verdict]

    @property
    def counts(self) -> Counter[str]:
        """How many cells are hits, misses, false alarms."""
        return tally(self.verdicts)


def judged_matrices(results: StudyResults) -> list[JudgedMatrix]:
    """Every matrix of the study by every measure, networks that have seen holes first.

    None where the faces were not drawn, or something is done to them.
    """
    if results.data.get("kind") != "synthetic" or results.main.alteration.altered:
        return []
    names = {run.name for run in results.main.done}
    every = [s for s in shown_ablations(results) if not s.by_retraining and s.run in names]
    every.sort(key=lambda shown: SAW_HOLES not in shown.title)
    return [
        JudgedMatrix(shown, measure, cells, judged(cells))
        for shown in every
        for measure in MEASURES
        if judged(cells := matrices(shown.ablation)[measure])
    ]


def taken_for(ablation: Ablation, feature: str, emotion: str) -> str:
    """What more faces of an emotion are taken for without a feature than with it, most of all."""
    label, row = EMOTIONS.index(emotion), ablation.features.index(feature)
    own = ablation.labels == label
    before, after = (
        np.bincount(predicted[own], minlength=len(EMOTIONS))
        for predicted in (ablation.whole.predicted, ablation.without.predicted[row])
    )
    more = np.delete(after - before, label)
    return tuple(e for e in EMOTIONS if e != emotion)[int(more.argmax())]
