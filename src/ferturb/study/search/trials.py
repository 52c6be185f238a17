"""Trials: one process takes the next values, trains, tells how it went, until the budget is used.

Any number of processes may do so on one folder. What a process that was killed had begun is taken
up again, from its run's last epoch, by the next that looks.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from ferturb.base.config import RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.locks import alone, held
from ferturb.data.faces import Faces
from ferturb.runs.execute import execute_run, prepared, require_same_faces
from ferturb.runs.provenance import describe_data
from ferturb.runs.run import Run, find_runs, run_folder_name
from ferturb.runs.tracking import Tracking
from ferturb.study.search.plan import RUNS, SearchFolder
from ferturb.training.checkpoint import Epoch
from ferturb.training.files import CHECKPOINT, CLUSTERS, MODEL
from ferturb.training.loop import Step

OnStep = Callable[[Step], None]
OnTrial = Callable[[str], contextlib.AbstractContextManager[OnStep]]
"""Called with a trial's title; what it gives is shown the steps."""


@dataclass
class Worker:
    """One process that takes trials from a search."""

    place: SearchFolder
    faces: Faces = field(repr=False)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    track: tuple[str, ...] = ()
    """Where the trials' histories are shown (`ferturb.runs.tracking`)."""

    def work(self, on_trial: OnTrial = lambda _: contextlib.nullcontext(lambda _: None)) -> None:
        """Run trials until the budget is used; it may be by others."""
        require_earlier_faces(self.place, self.faces)
        study = self.place.study()
        with present(self.place.folder) as name:
            while (trial := next_trial(self.place, study, name)) is not None:
                with on_trial(f"trial {len(counted(study))}/{self.place.search.trials}") as on_step:
                    self._run(study, trial, on_step)

    def _run(self, study: optuna.Study, trial: optuna.Trial, on_step: OnStep) -> None:
        """Train a trial's run and tell the study its accuracy, or that it ended early."""
        config, error, tracking = config_of(self.place, trial), "", None
        run = Run(self.place.folder / RUNS / run_folder_name(config))
        try:
            with prepared(self.place.folder / RUNS, config):
                tracking = Tracking(run, self.track)
                report = _Reporting(trial, on_step, tracking)
                execute_run(run, self.faces, self.device, report)
        except optuna.TrialPruned:
            run.write_history(report.history)
        except FerturbError as problem:  # most often a loss that is not finite
            error = str(problem)
        told(study, trial, run, error)
        if tracking is not None:
            tracking.end(early=True)


class _Reporting:
    """Passes steps on, and each new epoch's accuracy to the study, which may end the trial."""

    def __init__(self, trial: optuna.Trial, on_step: OnStep, tracking: Tracking) -> None:
        self.trial, self.on_step, self.tracking = trial, on_step, tracking
        self.history: tuple[Epoch, ...] = ()

    def __call__(self, step: Step) -> None:
        self.on_step(step)
        self.tracking.step(step)
        known, self.history = len(self.history), step.history
        if is_behind(self.trial, [vars(epoch) for epoch in step.history[known:]]):
            raise optuna.TrialPruned


def require_earlier_faces(place: SearchFolder, faces: Faces) -> None:
    """Raise `FerturbError` where the trials that are done were trained on other faces."""
    for run in find_runs(place.folder / RUNS):
        if run.done:
            require_same_faces(run, run.record(), describe_data(faces))
            break


def next_trial(place: SearchFolder, study: optuna.Study, name: str) -> optuna.Trial | None:
    """The next trial with its values, for the process of this name and nobody else; None when the
    budget is used."""
    search = place.search
    with place.alone():
        _take_up_again(study, place.folder)
        number = len(counted(study))
        if number >= search.trials:
            return None
        if number == 0 and not study.trials and (first := search.first_values()) is not None:
            study.enqueue_trial(first)
        study.sampler = search.sampler_of(number)
        trial = study.ask()
        trial.set_user_attr("worker", name)
        trial.set_user_attr("run", run_folder_name(config_of(place, trial)))
        return trial


def config_of(place: SearchFolder, trial: optuna.Trial) -> RunConfig:
    """The run of a trial."""
    return place.search.config({d.field: d.suggest(trial) for d in place.search.dimensions})


def is_behind(trial: optuna.Trial, history: Sequence[Mapping[str, Any]]) -> bool:
    """Tell the study these epochs' accuracies; whether one of them is to be the trial's last."""
    for row in history:
        trial.report(row["validation_accuracy"], int(row["epoch"]))
        if trial.should_prune():
            return True
    return False


def told(study: optuna.Study, trial: optuna.Trial, run: Run, error: str = "") -> None:
    """Tell the study how a trial ended: well, early, or by an error.

    Of one that ended early only its config, record and history stay, and what a process printed.
    """
    if run.done and not error:
        known = study.get_trials(deepcopy=False)[trial.number].intermediate_values
        for row in (row for row in run.history() if row["epoch"] not in known):
            trial.report(row["validation_accuracy"], int(row["epoch"]))
        study.tell(trial, run.best_epoch().validation_accuracy)
        return
    if error:
        trial.set_user_attr("error", error)
    study.tell(trial, state=TrialState.PRUNED)
    for name in () if error else (CHECKPOINT, MODEL, CLUSTERS, "progress.json"):
        (run.folder / name).unlink(missing_ok=True)


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that the budget counts: all but those that a killed process left behind, whose
    values come again."""
    return [t for t in study.get_trials(deepcopy=False) if t.state not in _NOT_COUNTED]


_NOT_COUNTED = (TrialState.FAIL, TrialState.WAITING)


def _take_up_again(study: optuna.Study, folder: Path) -> None:
    """Queue the values of trials whose process is gone; their run folders go on."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        name = trial.user_attrs.get("worker")
        if name is None or not held(_presence(folder, name)):
            study.tell(trial.number, state=TrialState.FAIL)
            if trial.params:
                study.enqueue_trial(trial.params)


def _presence(folder: Path, name: str) -> Path:
    return folder / "workers" / name


@contextlib.contextmanager
def present(search: Path) -> Iterator[str]:
    """A name for this process, and a folder held that says that it is at work in the search."""
    name = uuid.uuid4().hex[:12]
    folder = _presence(search, name)
    try:
        with alone(folder, "searching in"):
            yield name
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()
