"""Trials: one process takes the next values, trains, tells how it went, until the budget is used.

Any number of processes may do so on one folder. What a process that was killed had begun is taken
up again, from its run's last epoch, by the next that looks.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from ferturb.base.errors import FerturbError
from ferturb.base.locks import alone, held
from ferturb.data.faces import Faces
from ferturb.runs.execute import execute_run, prepared, require_same_faces
from ferturb.runs.provenance import describe_data
from ferturb.runs.run import Run, find_runs, run_folder_name
from ferturb.study.search.plan import RUNS, SearchFolder
from ferturb.training.checkpoint import Epoch
from ferturb.training.files import CHECKPOINT, MODEL
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

    def work(self, on_trial: OnTrial = lambda _: contextlib.nullcontext(lambda _: None)) -> None:
        """Run trials until the budget is used; it may be by others."""
        for run in find_runs(self.place.folder / RUNS):
            if run.done:
                require_same_faces(run, run.record(), describe_data(self.faces))
                break
        study = self.place.study()
        name = uuid.uuid4().hex[:12]
        with _present(_presence(self.place.folder, name)):
            while (trial := self._next(study, name)) is not None:
                with on_trial(f"trial {len(counted(study))}/{self.place.search.trials}") as on_step:
                    self._run(study, trial, on_step)

    def _next(self, study: optuna.Study, name: str) -> optuna.Trial | None:
        """The next trial with its values, and nobody else's; None when the budget is used."""
        search = self.place.search
        with self.place.alone():
            _take_up_again(study, self.place.folder)
            number = len(counted(study))
            if number >= search.trials:
                return None
            if number == 0 and not study.trials and (first := search.first_values()) is not None:
                study.enqueue_trial(first)
            study.sampler = search.sampler_of(number)
            trial = study.ask()
            trial.set_user_attr("worker", name)
            values = {d.field: d.suggest(trial) for d in search.dimensions}
            trial.set_user_attr("run", run_folder_name(search.config(values)))
            return trial

    def _run(self, study: optuna.Study, trial: optuna.Trial, on_step: OnStep) -> None:
        """Train a trial's run and tell the study its accuracy, or that it ended early."""
        search = self.place.search
        config = search.config({d.field: d.suggest(trial) for d in search.dimensions})
        report = _Reporting(trial, on_step)
        try:
            with prepared(self.place.folder / RUNS, config) as run:
                execute_run(run, self.faces, self.device, report)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
            _lighten(run, report.history)
        except FerturbError as error:  # most often a loss that is not finite
            trial.set_user_attr("error", str(error))
            study.tell(trial, state=TrialState.PRUNED)
        else:
            report.epochs(run)
            study.tell(trial, run.best_epoch().validation_accuracy)


class _Reporting:
    """Passes steps on, and each new epoch's accuracy to the study, which may end the trial."""

    def __init__(self, trial: optuna.Trial, on_step: OnStep) -> None:
        self.trial, self.on_step = trial, on_step
        self.history: tuple[Epoch, ...] = ()

    def __call__(self, step: Step) -> None:
        self.on_step(step)
        new, self.history = step.history[len(self.history) :], step.history
        for epoch in new:
            self.trial.report(epoch.validation_accuracy, epoch.epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def epochs(self, run: Run) -> None:
        """Report what is left of a finished run."""
        for row in run.history()[len(self.history) :]:
            self.trial.report(row["validation_accuracy"], int(row["epoch"]))


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
def _present(folder: Path) -> Iterator[None]:
    """Hold a folder that says that this process is at work."""
    try:
        with alone(folder, "searching in"):
            yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _lighten(run: Run, history: Sequence[Epoch]) -> None:
    """Of a trial that ended early only its config, record and history stay."""
    run.write_history(history)
    for name in (CHECKPOINT, MODEL):
        (run.folder / name).unlink(missing_ok=True)
