"""The runs of a study as jobs, and the loop that hands them to an executor.

Runs share nothing but their folders, so whatever starts `ferturb train --resume FOLDER` for each
can train them: processes of this machine (`ferturb.study.local`), Ray (`ferturb.study.on_ray`) or
SLURM (`ferturb.study.on_slurm`). A run that some other process trains is waited for.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol, runtime_checkable

from ferturb.base.errors import FerturbError
from ferturb.base.locks import held
from ferturb.runs.run import Run


@runtime_checkable
class Started(Protocol):
    """A training that an executor has taken."""

    def running(self) -> bool:
        """Whether it trains now; before its end, False means that it waits for its turn."""

    def ended(self) -> str | None:
        """None before its end; then what went wrong, "" for nothing."""

    def stop(self) -> None:
        """Ask it to end; what it has reached is kept."""


@runtime_checkable
class Executor(Protocol):
    """Trains runs somewhere, each in a process of its own."""

    @property
    def poll_seconds(self) -> float:
        """Between two looks at its trainings."""

    @property
    def queues(self) -> bool:
        """Whether it takes a run before those it builds on are done, and starts it after them."""

    def room(self, taken: int) -> bool:
        """Whether it takes another run beside those that it has taken and that haven't ended."""

    def start(
        self, runs: Sequence[Run], needs: Mapping[str, Sequence[Started]]
    ) -> Sequence[Started]:
        """Take these runs; `needs` are, by a run's name, the trainings it starts after."""

    def leave(self, left: Sequence[Started]) -> None:
        """The study ends, or is ended, while these have not: stop them, or let them go on."""


@dataclass
class Job:
    """One run of a study and how it stands: waiting, queued (by the executor), running, done,
    failed or blocked."""

    run: Run
    state: str = "waiting"
    error: str = ""
    started: Started | None = field(default=None, repr=False)
    """None while another study's process trains it."""


TAKEN = ("queued", "running")


def execute_all(
    runs: Sequence[Run],
    executor: Executor,
    on_change: Callable[[Sequence[Job]], None] = lambda _: None,
    refused: Mapping[str, str] = {},
) -> list[Job]:
    """Run everything that is not done yet: what others wait for first.

    A run waits for those it builds on. A run that fails leaves its words in `Job.error`, the runs
    that needed it are blocked, and the others go on; those in `refused` (name -> why) have failed
    at once. On Ctrl-C (KeyboardInterrupt), SIGTERM and SIGHUP (SystemExit) the executor is told;
    each run goes on from its last epoch when it is executed again.
    """
    jobs = [Job(run, "done" if run.done else "waiting") for run in runs]
    for job in jobs:
        if job.run.name in refused:
            job.state, job.error = "failed", refused[job.run.name]
    needed = {name for job in jobs if job.state != "done" for name in job.run.config.needs}
    order = sorted(jobs, key=lambda job: job.run.name not in needed)  # those waited for come first
    with ended_by_signals():
        try:
            while True:
                for job in jobs:
                    _collect(job)
                _start_ready(order, executor)
                if not any(job.state in ("waiting", *TAKEN) for job in jobs):
                    break
                on_change(jobs)
                time.sleep(executor.poll_seconds)
        finally:
            executor.leave([j.started for j in jobs if j.started is not None and j.state in TAKEN])
    on_change(jobs)
    return jobs


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Leave by SystemExit on SIGTERM and SIGHUP, unless they are ignored (nohup).

    Without effect outside of the main thread, where signals can't be handled.
    """

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, n) for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)]
        heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, leave) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _collect(job: Job) -> None:
    """Look how a job stands that was started."""
    if job.state not in TAKEN:
        return
    if job.started is None:
        if not held(job.run.folder):
            job.state = "done" if job.run.done else "waiting"
        return
    said = job.started.ended()
    if said is None:
        job.state = "running" if job.started.running() else "queued"
        return
    try:
        job.run.require_done()
        job.state = "done"
    except FerturbError as error:
        job.state, job.error = "failed", str(error)
    if said:
        job.state, job.error = "failed", said


def _start_ready(order: Sequence[Job], executor: Executor) -> None:
    """Start every job that has all it needs, as long as the executor has room."""
    jobs = {job.run.name: job for job in order}
    taken, ready = sum(job.state in TAKEN for job in order), list[Job]()
    for job in (job for job in order if job.state in ("waiting", "queued")):
        needs = [jobs[name] for name in job.run.config.needs if name in jobs]
        failed = [need.run.name for need in needs if need.state in ("failed", "blocked")]
        if failed:
            job.state, job.error = "blocked", f"the run it builds on, {failed[0]}, failed"
            if job.started is not None:
                job.started.stop()
            continue
        settled = all(n.state == "done" or (executor.queues and n.started) for n in needs)
        if job.state == "waiting" and settled and executor.room(taken + len(ready)):
            ready.append(job)
    for job in [job for job in ready if held(job.run.folder)]:
        job.state, job.started = "running", None
        ready.remove(job)
    before = {name: job.started for name, job in jobs.items() if job.state in TAKEN}
    needs_of = {
        job.run.name: [s for name in job.run.config.needs if (s := before.get(name)) is not None]
        for job in ready
    }
    if not ready:
        return
    for job, started in zip(ready, executor.start([j.run for j in ready], needs_of), strict=True):
        job.state, job.started = "queued" if executor.queues else "running", started
