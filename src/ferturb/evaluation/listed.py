"""A run on listed faces (really occluded, turned away), by type, against the others of its split.

As in FER+ and in the lists' paper, contempt counts as an error: a network of seven emotions can't
name it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer

from ferturb.base.arrays import Floats
from ferturb.base.tabular import Rows, Tabular
from ferturb.data.face_lists import FaceList
from ferturb.data.faces import Faces
from ferturb.data.votes import fer_plus_labels
from ferturb.evaluation.significance import Interval, bootstrap

WHOLE = "not listed"


@dataclass(frozen=True)
class ListedRow(Tabular):
    """How often one run is right on one kind of faces."""

    name: str
    faces: str
    """"listed", one type of these, or "not listed": the split's others with a majority in FER+."""
    n: int
    accuracy: Interval

    def cells(self) -> list[str]:
        """The row of a table: name, faces, accuracy in %, n."""
        low, value, high = (
            f"{100 * v:.1f}"
            for v in (self.accuracy.low, self.accuracy.estimate, self.accuracy.high)
        )
        return [self.name, self.faces, f"{value} [{low}, {high}]", f"{self.n:,}"]


def score_listed(
    name: str,
    faces: Faces,
    logits: Float[Floats, "n 7"],
    wanted: FaceList,
    votes: Integer[np.ndarray, "n 10"] | None = None,
) -> Rows[ListedRow]:
    """One row for all listed faces, one for each type, and with votes one for those not listed, if
    any of them has a majority.

    `faces` (n) are those of the logits.
    """
    places, here = wanted.places(faces)
    named = logits.argmax(1)
    right = named[here] == wanted.labels[places]
    types = np.array([wanted.types[i] for i in places])
    rows = Rows([_row(name, "listed", right)])
    if any(types):
        rows += [_row(name, f"type {t}", right[types == t]) for t in sorted(set(types.tolist()))]
    if votes is not None:
        labels = fer_plus_labels(votes)
        others = labels >= 0
        others[here] = False
        if others.any():
            rows.append(_row(name, WHOLE, (named == labels)[others]))
    return rows


def _row(name: str, faces: str, right: Bool[np.ndarray, " k"]) -> ListedRow:
    return ListedRow(name, faces, len(right), bootstrap(right.astype(np.float64)))
