"""The local executor: a study's runs as processes of this machine, a few at a time.

Runs share nothing but their folders, so another executor (a cluster's) has only to start
`ferturb train --resume FOLDER` for each. On a CPU two runs of one thread each train more faces a
second than one run of two threads, since no thread waits for another.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ferturb.runs.run import Run

POLL_SECONDS = 0.5


@dataclass
class Job:
    """One run of a study and how it stands: waiting, running, done, failed or blocked."""

    run: Run
    state: str = "waiting"
    error: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)


def default_workers(device: str) -> int:
    """Processes at a time: one on a GPU; on a CPU one for every core, at most four."""
    return 1 if device.startswith("cuda") else max(1, min(4, os.cpu_count() or 1))


def execute_all(
    runs: Sequence[Run],
    workers: int,
    device: str,
    on_change: Callable[[Sequence[Job]], None] = lambda _: None,
) -> list[Job]:
    """Run everything that is not done yet, `workers` at a time: what others wait for first.

    A run waits for those it builds on. A run that fails leaves its words in `Job.error`, the runs
    that needed it are blocked, and the others go on. On Ctrl-C (KeyboardInterrupt) the processes
    are stopped; each run goes on from its last epoch when it is executed again.
    """
    jobs = [Job(run, "done" if run.done else "waiting") for run in runs]
    needed = {name for run in runs if not run.done for name in run.config.needs}
    order = sorted(jobs, key=lambda job: job.run.name not in needed)  # those waited for come first
    threads = max(1, (os.cpu_count() or 1) // workers)
    try:
        while any(job.state in ("waiting", "running") for job in jobs):
            for job in jobs:
                _collect(job)
            for job in order:
                _start_if_ready(job, jobs, workers, threads, device)
            on_change(jobs)
            time.sleep(POLL_SECONDS)
    finally:
        for job in jobs:
            if job.process is not None and job.process.poll() is None:
                job.process.terminate()
                job.process.wait()
    on_change(jobs)
    return jobs


def _collect(job: Job) -> None:
    if job.state != "running" or job.process is None or job.process.poll() is None:
        return
    if job.process.returncode == 0 and job.run.done:
        job.state = "done"
        return
    job.state = "failed"
    log = job.run.log.read_text(errors="replace").strip().splitlines()
    job.error = log[-1] if log else f"its process ended with code {job.process.returncode}"


def _start_if_ready(job: Job, jobs: Sequence[Job], workers: int, threads: int, device: str) -> None:
    if job.state != "waiting":
        return
    states = {other.run.name: other.state for other in jobs}
    failed = [n for n in job.run.config.needs if states.get(n, "done") in ("failed", "blocked")]
    if failed:
        job.state, job.error = "blocked", f"the run it builds on, {failed[0]}, failed"
        return
    ready = all(states.get(name, "done") == "done" for name in job.run.config.needs)
    if not ready or sum(other.state == "running" for other in jobs) >= workers:
        return
    command = [sys.executable, "-m", "ferturb", "train", "--resume", str(job.run.folder)]
    command += ["--threads", str(threads), "--device", device, "--quiet"]
    with job.run.log.open("wb") as log:
        job.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            start_new_session=True,
        )
    job.state = "running"
