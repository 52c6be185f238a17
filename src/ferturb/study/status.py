"""How the runs of a study stand, by what lies in its folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ferturb.base.errors import FerturbError
from ferturb.base.locks import held
from ferturb.base.reading import is_there
from ferturb.base.tabular import Rows, Tabular
from ferturb.report.results import read_study_file
from ferturb.runs.run import Run

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
"""What a terminal takes for a colour, and FORCE_COLOR puts into a file."""


@dataclass(frozen=True)
class Standing(Tabular):
    """One run."""

    run: str
    state: str
    """done, training, failed, stopped or waiting."""
    epoch: int
    """Finished ones."""
    epochs: int
    faces_per_second: float | None
    """While it trains."""
    validation_accuracy: float | None
    """The best so far."""
    error: str = ""


def standings(folder: Path) -> Rows[Standing]:
    """Every run that is planned in a study's folder, in its order.

    Raises `FerturbError` for a folder without a study.
    """
    if not is_there(folder / "study.json"):
        raise FerturbError(
            f"{folder} is not the folder of a study (it has no study.json); "
            "give what `ferturb study --out` named"
        )
    names = read_study_file(folder / "study.json").get("runs", [])
    return Rows(_standing(folder / "runs" / name) for name in names)


def error_in(log: str) -> str:
    """What a run's process said last of what went wrong, "" for nothing: a line that begins with
    `error`, or a traceback's last one.

    >>> error_in("a warning\\nerror no space\\nanother warning")
    'error no space'
    """
    found, inside = "", False
    for line in _COLOUR.sub("", log).splitlines():
        if line.startswith("Traceback "):
            inside = True
        elif line.startswith("error") or (inside and line and not line.startswith(" ")):
            found, inside = line, False
    return found


def _standing(folder: Path) -> Standing:
    run = Run(folder)
    try:
        epochs, progress, error = run.config.recipe.epochs, run.progress(), ""
        history = list(run.history())
    except FerturbError as problem:
        history, progress, epochs, error = [], {}, 0, str(problem)
    accuracies = [row["validation_accuracy"] for row in history]
    known = [a for a in accuracies if a == a]
    state = "stopped" if history else "waiting"
    if error:
        state = "failed"
    elif run.done:
        state = "done"
    elif held(folder):
        state = "training"
    elif run.log.is_file() and (said := error_in(run.log.read_text(errors="replace"))):
        state, error = "failed", said
    speed = progress.get("faces_per_second") if state == "training" else None
    best = max(known, default=None)
    return Standing(folder.name, state, len(history), epochs, speed, best, error)
