"""Trials that an executor trains, as it does a study's runs: each is a process of its own.

This process alone draws the values, reads the histories that the trainings write, and uses the
storage; other machines need no more of the search than its run folders.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna

from ferturb.base.locks import held
from ferturb.data.faces import Faces
from ferturb.runs.execute import prepare
from ferturb.runs.tracking import Tracking
from ferturb.study.jobs import Executor, Job, Started, ended_by_signals
from ferturb.study.search.plan import RUNS, SearchFolder
from ferturb.study.search.trials import (
    config_of,
    is_behind,
    next_trial,
    present,
    require_earlier_faces,
    told,
)


@dataclass
class _Trial:
    """A trial that the executor has taken."""

    trial: optuna.Trial
    job: Job
    started: Started
    reported: int = 0
    """Epochs."""
    behind: bool = False

    def look(self, study: optuna.Study) -> bool:
        """Report its new epochs, and stop it where it is behind; whether it has ended."""
        run, said = self.job.run, self.started.ended()
        self.job.state = "running" if self.started.running() else "queued"
        if said is not None and not held(run.folder):
            self.job.error = self._error(said)
            self.job.state = "failed" if self.job.error else "done"
            told(study, self.trial, run, self.job.error)
            return True
        if said is None and not self.behind and (run.folder / "history.csv").exists():
            new = run.history()[self.reported :]
            self.reported += len(new)
            if is_behind(self.trial, new):
                self.behind = True
                self.started.stop()
        return False

    def _error(self, said: str) -> str:
        """What went wrong; one that was stopped is done, or ended early."""
        if self.behind or self.job.run.done:
            return ""
        return said or f"{self.job.run.folder} was not trained to its end"


def by_executor(
    place: SearchFolder,
    faces: Faces,
    executor: Executor,
    at_once: int,
    on_change: Callable[[Sequence[Job]], None] = lambda _: None,
    track: tuple[str, ...] = (),
) -> None:
    """Have an executor train trials, so many at a time, until the budget is used.

    What it has taken when this is ended is stopped, and goes on when the search does.
    """
    require_earlier_faces(place, faces)
    study, jobs, taken = place.study(), list[Job](), list[_Trial]()
    with present(place.folder) as name, ended_by_signals():
        try:
            while True:
                for one in [one for one in taken if one.look(study)]:
                    taken.remove(one)
                    Tracking(one.job.run, track).end(early=True)
                while len(taken) < at_once and executor.room(len(taken)):
                    if (trial := next_trial(place, study, name)) is None:
                        break
                    run = prepare(place.folder / RUNS, config_of(place, trial))
                    (started,) = executor.start([run], {})
                    state = "queued" if executor.queues else "running"
                    jobs.append(Job(run, state, started=started))
                    taken.append(_Trial(trial, jobs[-1], started))
                if not taken:
                    break
                on_change(jobs)
                time.sleep(executor.poll_seconds)
        finally:
            executor.leave([one.started for one in taken])
    on_change(jobs)
