"""What many captions and tables share."""

from __future__ import annotations

from ferturb.data.faces import Faces
from ferturb.report import published
from ferturb.report.form.tables import Column
from ferturb.report.model_results import ModelResult

INTERVALS = (
    "Brackets: 95 % bootstrap interval over test faces (and over training seeds where there are "
    "several). ± is the standard deviation over seeds."
)
SCORES = (
    Column("accuracy", "Accuracy, %", scale=100),
    Column("macro_recall", "Macro recall, %", scale=100),
    Column("macro_f1", "Macro-F1", digits=3),
)


def family_of(result: ModelResult) -> str | None:
    """The paper's column for a model, or None.

    Its ensemble is of five networks; only one of the same five stands beside it.
    """
    if not result.is_ensemble:
        return published.family(result.model)
    families = {published.ENSEMBLE, *map(published.family, result.members)}
    return published.ENSEMBLE if families == set(published.FAMILIES) else None


PRIVATE = "contains dataset images: do not publish"
"""Stands on every picture of faces that were not drawn, and in its caption."""


def mark_of(faces: Faces | None) -> str:
    """What stands on a picture that shows these faces; empty for drawn ones."""
    return "" if faces is None or faces.kind == "synthetic" else PRIVATE


def marked(caption: str, mark: str) -> str:
    """A caption that ends with the mark, where there is one."""
    return f"{caption} ({mark[0].upper()}{mark[1:]}.)" if mark else caption
