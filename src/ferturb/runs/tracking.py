"""A run's history where a laboratory looks at such: TensorBoard, MLflow, by their own libraries.

Nothing is shown but what history.csv and run.json hold, so that a run may be at any time: while
it trains, when it goes on after a stop, or long after its end.

    RUN/tensorboard/    event files, written anew by each process that trains
    mlflow.db           beside the run folders: an SQLite store of MLflow's, one run a run folder;
                        where MLFLOW_TRACKING_URI is set, what it names is used instead

Runs that train side by side, those of a study or a search, share that store: one at a time writes.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

from filelock import FileLock

from ferturb.base.config import choose
from ferturb.runs.run import Run
from ferturb.training.loop import Step

MEASURED = (
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "seconds",
)
"""What is shown of an epoch."""


class Tracker(Protocol):
    """Takes a run's epochs, each once and in order, and its record at the end."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """One row of the history."""

    def end(self, record: Mapping[str, Any] | None) -> None:
        """run.json of a finished run; None for one that was ended before its last epoch."""


class TensorBoard:
    """Event files in the run's folder."""

    def __init__(self, run: Run) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.folder / "tensorboard"
        shutil.rmtree(folder, ignore_errors=True)
        self.writer = SummaryWriter(str(folder))
        lines = (f"- {name}: {value}" for name, value in flat(run.config).items())
        self.writer.add_text("config", "\n".join(lines))

    def epoch(self, row: Mapping[str, float]) -> None:
        """Its values as scalars at the epoch's number."""
        for name in MEASURED:
            self.writer.add_scalar(name, row[name], int(row["epoch"]))
        self.writer.flush()

    def end(self, record: Mapping[str, Any] | None) -> None:
        """Close the file."""
        self.writer.close()


class MLflow:
    """A run of MLflow's in the experiment `ferturb`, found again by the run folder's path."""

    def __init__(self, run: Run) -> None:
        beside = run.folder.resolve().parent
        self.lock = FileLock(beside / ".mlflow")
        with self.lock:
            self._open(run, f"sqlite:///{beside / 'mlflow.db'}")

    def _open(self, run: Run, store: str) -> None:
        """Find the run in the store, or put it there."""
        from mlflow import MlflowClient

        self.client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or store)
        found = self.client.get_experiment_by_name("ferturb")
        own = found.experiment_id if found else self.client.create_experiment("ferturb")
        place = str(run.folder.resolve())
        quoted = place.replace("'", "")
        earlier = self.client.search_runs([own], f"tags.`ferturb.run` = '{quoted}'", max_results=1)
        if earlier:
            self.id = earlier[0].info.run_id
            self.client.update_run(self.id, "RUNNING")
        else:
            tags = {"ferturb.run": quoted}
            self.id = self.client.create_run(own, run_name=run.name, tags=tags).info.run_id
            for name, value in flat(run.config).items():
                self.client.log_param(self.id, name, value)
        known = self.client.get_metric_history(self.id, MEASURED[-1])
        self.known = max((metric.step for metric in known), default=0)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Its values as metrics, unless an earlier process has logged them."""
        if row["epoch"] > self.known:
            with self.lock:
                for name in MEASURED:
                    self.client.log_metric(self.id, name, row[name], step=int(row["epoch"]))

    def end(self, record: Mapping[str, Any] | None) -> None:
        """The kept epoch, and the commit, as tags; the status FINISHED, or KILLED."""
        with self.lock:
            for name in ("best_epoch", "validation_accuracy", "commit") if record else ():
                self.client.set_tag(self.id, f"ferturb.{name}", str((record or {}).get(name)))
            self.client.set_terminated(self.id, "FINISHED" if record else "KILLED")


TRACKERS: dict[str, Callable[[Run], Tracker]] = {"tensorboard": TensorBoard, "mlflow": MLflow}
"""Name -> what shows a run there."""


def require_trackers(names: tuple[str, ...]) -> None:
    """Raise ModuleNotFoundError now, and not in every training, where a package is missing."""
    for name in names:
        importlib.import_module(name)  # a tracker has its package's name


class Tracking:
    """Shows a run's history in several places as it grows."""

    def __init__(self, run: Run, names: tuple[str, ...]) -> None:
        """`FerturbError` for an unknown name; a package that is missing raises
        ModuleNotFoundError."""
        self.run, self.shown = run, 0
        self.trackers = [choose("tracker", name, TRACKERS)(run) for name in names]

    def step(self, step: Step) -> None:
        """Show the epochs that a training has added."""
        self._show([vars(epoch) for epoch in step.history])

    def end(self, early: bool = False) -> None:
        """Show what is left of the history, and the end: of a finished run, or an early one."""
        if not self.trackers:
            return
        self._show(self.run.history())
        for tracker in self.trackers:
            if self.run.done or early:
                tracker.end(self.run.record() if self.run.done else None)

    def _show(self, history: list[dict[str, Any]]) -> None:
        for row in history[self.shown :]:
            self.shown = int(row["epoch"])
            for tracker in self.trackers:
                tracker.epoch(row)


def flat(config: Any, prefix: str = "") -> dict[str, str]:
    """Every field of a config by its dotted name.

    >>> from ferturb.base.config import RunConfig
    >>> flat(RunConfig())["recipe.augment.flip"]
    '0.5'
    """
    found: dict[str, str] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        name = f"{prefix}{f.name}"
        found |= flat(value, f"{name}.") if is_dataclass(value) else {name: str(value)}
    return found
