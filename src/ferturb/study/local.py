"""The local executor: a study's runs as processes of this machine, a few at a time.

Runs share nothing but their folders, so another executor (a cluster's) has only to start
`ferturb train --resume FOLDER` for each. On a CPU two runs of one thread each train more faces a
second than one run of two threads, since no thread waits for another.

No training outlives its study: a study that is asked to end (Ctrl-C, SIGTERM, SIGHUP) stops its
processes, and each of them ends when its standard input does, which only the study holds open, so
that `kill -9` of the study is the end of them too. A run that some other process trains is waited
for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from ferturb.base.errors import FerturbError
from ferturb.base.locks import held
from ferturb.base.threads import usable_cores
from ferturb.runs.run import Run

POLL_SECONDS = 0.5
GRACE_SECONDS = 10
"""How long a process that is asked to end may take before it is killed."""
_BOUND = "FERTURB_ENDS_WITH_STDIN"


@dataclass
class Job:
    """One run of a study and how it stands: waiting, running, done, failed or blocked."""

    run: Run
    state: str = "waiting"
    error: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    """None while another study's process trains it."""


@dataclass(frozen=True)
class Processes:
    """How many processes train at a time, on what, and what they are told besides."""

    workers: int
    device: str = "cpu"
    options: tuple[str, ...] = ()
    """Of `ferturb train`."""

    @property
    def threads(self) -> int:
        """Of each process: one on a CPU, where every core has a process of its own."""
        return max(1, usable_cores() // self.workers) if self.device.startswith("cuda") else 1


def default_workers(device: str) -> int:
    """Processes at a time: one on a GPU, on a CPU one for every core."""
    return 1 if device.startswith("cuda") else usable_cores()


def execute_all(
    runs: Sequence[Run],
    processes: Processes,
    on_change: Callable[[Sequence[Job]], None] = lambda _: None,
    refused: Mapping[str, str] = {},
) -> list[Job]:
    """Run everything that is not done yet, a few at a time: what others wait for first.

    A run waits for those it builds on. A run that fails leaves its words in `Job.error`, the runs
    that needed it are blocked, and the others go on; those in `refused` (name -> why) have failed
    at once. On Ctrl-C (KeyboardInterrupt), SIGTERM and SIGHUP (SystemExit) the processes are
    stopped; each run goes on from its last epoch when it is executed again.
    """
    jobs = [Job(run, "done" if run.done else "waiting") for run in runs]
    for job in jobs:
        if job.run.name in refused:
            job.state, job.error = "failed", refused[job.run.name]
    needed = {name for job in jobs if job.state != "done" for name in job.run.config.needs}
    order = sorted(jobs, key=lambda job: job.run.name not in needed)  # those waited for come first
    with _ended_by_signals():
        try:
            while any(job.state in ("waiting", "running") for job in jobs):
                for job in jobs:
                    _collect(job)
                for job in order:
                    _start_if_ready(job, jobs, processes)
                on_change(jobs)
                time.sleep(POLL_SECONDS)
        finally:
            _stop([job.process for job in jobs if job.process is not None])
    on_change(jobs)
    return jobs


def end_with_study() -> None:
    """In a process that a study started: end, from now on, as soon as the study does."""
    if os.environ.pop(_BOUND, None) is None:
        return

    def wait() -> None:
        while os.read(0, 1024):  # nothing is written: it ends when the study does
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
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


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes, those first that are asked to."""
    alive = [process for process in processes if process.poll() is None]
    for process in alive:
        process.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for process in alive:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _collect(job: Job) -> None:
    """Look how a running job stands."""
    if job.state != "running":
        return
    if job.process is None:
        if not held(job.run.folder):
            job.state = "done" if job.run.done else "waiting"
        return
    if job.process.poll() is None:
        return
    try:
        job.run.require_done()
        job.state = "done"
    except FerturbError as error:
        job.state, job.error = "failed", str(error)
    if job.process.returncode != 0:
        said = job.run.log.read_text(errors="replace").strip() if job.run.log.is_file() else ""
        ended = f"its process ended with code {job.process.returncode}"
        job.state, job.error = "failed", said.splitlines()[-1] if said else ended


def _start_if_ready(job: Job, jobs: Sequence[Job], processes: Processes) -> None:
    if job.state != "waiting":
        return
    states = {other.run.name: other.state for other in jobs}
    failed = [n for n in job.run.config.needs if states.get(n, "done") in ("failed", "blocked")]
    if failed:
        job.state, job.error = "blocked", f"the run it builds on, {failed[0]}, failed"
        return
    ready = all(states.get(name, "done") == "done" for name in job.run.config.needs)
    running = sum(other.state == "running" for other in jobs)
    if not ready or running >= processes.workers:
        return
    job.state, job.process = "running", None
    if not held(job.run.folder):
        job.process = _started(job.run, processes)


def _started(run: Run, processes: Processes) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ferturb", "train", "--resume", str(run.folder)]
    command += ["--threads", str(processes.threads), "--device", processes.device, "--quiet"]
    with run.log.open("wb") as log:
        return subprocess.Popen(
            [*command, *processes.options],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(processes.threads), _BOUND: "1"},
            start_new_session=True,
        )
