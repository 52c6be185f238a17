"""`StudyResults`: everything that a study's report shows, read once from its folder.

Only the networks that a figure of saliency or attention needs are loaded later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from ferturb.base.config import DatasetConfig
from ferturb.base.config.fields import require_form
from ferturb.base.errors import FerturbError
from ferturb.base.reading import is_there
from ferturb.base.storage import read_object
from ferturb.base.tabular import Tabular
from ferturb.data.faces import Faces
from ferturb.evaluation.ablation.measure import Ablation
from ferturb.evaluation.ablation.retrained import find_retrained, retrained
from ferturb.report.groups import Group, group_runs
from ferturb.report.masks.pairs import MaskGroup, mask_groups
from ferturb.report.run_results import RunResult, read_run
from ferturb.runs.run import find_runs


@dataclass(frozen=True, eq=False)
class Planned(Tabular):
    """One run that a study has or should have."""

    name: str
    state: str
    """"done", "unfinished (epoch 3 of 12)", "not started" or "unreadable: …"."""
    result: RunResult | None = None
    """None for a run that is not started or that can't be read."""

    def records(self) -> list[Mapping[str, Any]]:
        """The rows of its run (`RunResult`), and how it stands."""
        found = [{"run": self.name}] if self.result is None else self.result.records()
        return [{**row, "state": self.state} for row in found]


@dataclass(frozen=True, eq=False)
class StudyResults(Tabular):
    """Everything that the tables, figures and sentences of a report are made from."""

    preset: str
    planned: tuple[Planned, ...]
    """In the study's order, then those that were found but not planned."""
    groups: tuple[Group, ...]
    """By what is done to the faces, whole faces first."""
    retrained: tuple[tuple[RunResult, Ablation], ...] = ()
    """A run on whole faces, and what it lost where it was trained without each facial feature."""
    faces: Faces | None = None
    """For pictures of faces; without them these are left out or drawn."""
    notes: tuple[str, ...] = ()
    """What could not be read, and what the runs themselves note."""

    def records(self) -> list[Mapping[str, Any]]:
        """A row a run that is planned or found, and test-time augmentation."""
        return [row for plan in self.planned for row in plan.records()]

    @property
    def runs(self) -> tuple[RunResult, ...]:
        """Every run that can be read, finished or not."""
        return tuple(plan.result for plan in self.planned if plan.result is not None)

    @property
    def done(self) -> tuple[RunResult, ...]:
        """Every finished run, whatever its faces."""
        return tuple(run for run in self.runs if run.done)

    @cached_property
    def main(self) -> Group:
        """The first group with a finished run: that on whole faces, where there is one."""
        finished = [group for group in self.groups if group.done]
        return next(iter([*finished, *self.groups]), Group(DatasetConfig(), "none", ()))

    @property
    def data(self) -> dict[str, Any]:
        """What the first finished run of the main group records of its data; {} without one."""
        return dict(self.main.done[0].record.get("data", {})) if self.main.done else {}

    @property
    def datasets(self) -> tuple[dict[str, Any], ...]:
        """What the finished runs record of their faces, each set once, the main group's first."""
        found: dict[tuple[Any, Any], dict[str, Any]] = {}
        for run in (*self.main.done, *self.done):
            data = dict(run.record.get("data", {}))
            if data:
                found.setdefault((data.get("hash"), data.get("source")), data)
        return tuple(found.values())

    @property
    def fer2013(self) -> bool:
        """Whether the paper's numbers stand beside these: FER2013 with its own labels."""
        relabelled = any(run.config.dataset.fer_plus for run in self.runs)
        return self.data.get("kind") == "fer2013" and not relabelled

    @cached_property
    def masks(self) -> tuple[MaskGroup, ...]:
        """The networks that were trained on whole faces and with face masks, by kind of masks."""
        return mask_groups(self.groups, self.fer2013)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which finished runs are left out and why, over all groups, and what else to know."""
        left_out = [text for group in self.groups for text in group.warnings]
        return tuple(dict.fromkeys([*left_out, *self.notes]))


class StudyFile(TypedDict, total=False):
    """study.json."""

    preset: str
    runs: list[str]
    started: str


def read_study_file(path: Path) -> dict[str, Any]:
    """study.json, {} where there is none; a damaged one raises `FerturbError`."""
    if not path.exists():
        return {}
    data = read_object(path)
    require_form(StudyFile, data, str(path))
    return data


def read_study(folder: Path, faces: Faces | None = None) -> StudyResults:
    """Read a study's folder (study.json, runs/*), each file once.

    Runs that can't be read are listed as such. Raises `FerturbError` when the folder holds no
    study.
    """
    path = folder / "study.json"
    if not is_there(path) and not is_there(folder / "runs"):
        raise FerturbError(
            f"{folder} is not a study folder (expected study.json or runs/ in it); "
            "give the folder that `ferturb study --out` wrote"
        )
    notes = []
    try:
        study = read_study_file(path)
    except FerturbError as error:
        study = {}
        notes.append(f"the study's plan is left out: {error}")
    found = {run.name: run for run in find_runs(folder / "runs")}
    planned = []
    for name in dict.fromkeys([*study.get("runs", ()), *found]):
        try:
            run = read_run(found[name]) if name in found else None
            planned.append(Planned(name, _state(run), run))
        except FerturbError as error:
            planned.append(Planned(name, f"unreadable: {error}"))
    runs = [plan.result for plan in planned if plan.result is not None]
    notes += [f"{run.name}: {note}" for run in runs for note in run.notes]
    return StudyResults(
        str(study.get("preset", "study")),
        tuple(planned),
        group_runs(runs),
        _retrained(runs),
        faces,
        tuple(notes),
    )


def _state(run: RunResult | None) -> str:
    if run is None:
        return "not started"
    if run.done:
        return "done"
    return f"unfinished (epoch {len(run.history)} of {run.config.recipe.epochs})"


def _retrained(runs: Sequence[RunResult]) -> tuple[tuple[RunResult, Ablation], ...]:
    """Every matrix by retraining; of runs that can't be compared (other faces), none."""
    by_name = {run.name: run for run in runs}
    found = []
    for group in find_retrained([run.run for run in runs if run.done]):
        try:
            found.append((by_name[group.baseline.name], retrained(group)))
        except FerturbError:
            continue
    return tuple(found)
