"""The page that a verb writes with --out: the same for a run and for any other model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferturb.evaluation.scores import ScoreRow
from ferturb.models.wrapped import Wrapped
from ferturb.report.form.models_page import Page
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Cell, Column, Table
from ferturb.report.section import Section
from ferturb.runs.run import Run

_HOW = ("fill", "method", "methods", "augmentation", "controls", "seed", "faces_per_emotion")
"""What of a record says how it was measured."""


def page_of(
    title: str,
    models: Sequence[Run | Wrapped],
    record: Mapping[str, Any],
    items: Sequence[Table | Picture],
) -> Page:
    """What was found of some models, as their record says: of which faces, how."""
    names = ", ".join(one.name for one in models)
    data, split = record.get("data", {}), record.get("split", "test")
    settings = {key: record[key] for key in _HOW if record.get(key) not in (None, (), [])}
    how = ", ".join(f"{key.replace('_', ' ')} {_shown(v)}" for key, v in settings.items())
    notes = [f"{one.name}: {n}" for one in models if isinstance(one, Wrapped) for n in one.notes]
    said = [f"Settings: {how}."] if how else []
    if data.get("hash"):
        said.append(f"SHA-256 of the faces' pixels, labels and splits: {data['hash']}.")
    return Page(
        title=f"{title}: {names}" if len(models) < 4 else title,
        about=f"{names}; {split} faces of {data.get('source', 'their own data')}. Made by ferturb.",
        sections=(Section("found", "What was found", tuple(items)),),
        notes=(*notes, *map(str, data.get("notes", ()))),
        how=tuple(said),
    )


def score_items(rows: Sequence[ScoreRow]) -> tuple[Table, ...]:
    """Scores as tables: one row a model, and accuracy by emotion."""
    columns = (
        Column("model", "Model"),
        Column("n", "n", in_print=False),
        Column("accuracy", "Accuracy, %", scale=100),
        Column("macro_f1", "Macro-F1", digits=3),
        Column("balanced_accuracy", "Macro recall, %", scale=100),
        Column("ece", "Calibration error, %", scale=100),
    )
    body: list[tuple[Cell, ...]] = [
        (r.name, r.n, r.accuracy, r.macro_f1, r.balanced_accuracy, r.ece) for r in rows
    ]
    emotions = tuple(rows[0].per_emotion)
    by_emotion = (Column("model", "Model"), *(Column(e, e, scale=100) for e in emotions))
    cells: list[tuple[Cell, ...]] = [(r.name, *r.per_emotion.values()) for r in rows]
    return (
        Table("scores", "Scores", columns, tuple(body)),
        Table("scores_emotions", "Accuracy per emotion, %", by_emotion, tuple(cells)),
    )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
