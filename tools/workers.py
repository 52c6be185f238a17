"""Several processes that work through one queue of trainings."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ferturb.base.config import RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.locks import held
from ferturb.cli import streams
from ferturb.runs.run import run_folder_name

POLL = 5.0
"""Seconds until a process that finds nothing to train looks again."""
GRACE = 2.0
"""Seconds that workers have to end by a Ctrl-C of the terminal, which reaches them too."""


def work_together(
    parser: argparse.ArgumentParser, script: str, work: Callable[[argparse.Namespace], None]
) -> None:
    """Read the command line of a script and do its work in `--workers` processes; Ctrl-C reaches
    each of them, and what it stops goes on when the command is given again. One worker works
    here; several are waited for, and if one fails, this does."""
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    if options.workers < 1:
        parser.error(f"--workers takes a number from 1 on, got {options.workers}")
    if options.workers == 1:
        _here(work, options)
        return
    command = [sys.executable, script, *sys.argv[1:], "--workers", "1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    workers = [subprocess.Popen(command, env=environment) for _ in range(options.workers)]
    try:
        failed = sum(worker.wait() != 0 for worker in workers)
    except KeyboardInterrupt:
        time.sleep(GRACE)
        for worker in workers:
            worker.send_signal(signal.SIGINT)
        for worker in workers:
            worker.wait()
        sys.exit(1)
    if failed:
        sys.exit(f"{failed} of {len(workers)} workers failed")


def _here(work: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> None:
    try:
        work(options)
    except KeyboardInterrupt:
        sys.exit("stopped; give the same command again to go on")
    except BrokenPipeError:  # whoever read along has enough
        streams.abandon()
        sys.exit(1)
    except FerturbError as error:
        sys.exit(f"error: {error}")


def train_others(
    waiting: Callable[[], Iterable[tuple[str, RunConfig]]],
    train: Callable[[RunConfig], object],
    out: Path,
) -> None:
    """Train what waits, by name and config, one after the other; what another process trains is
    left to it. What waits is asked anew after each training, and while others train the rest: more
    may follow from that, or be left behind by one that was stopped."""
    while items := list(waiting()):
        if not any(_trained(config, train, out) for _, config in items):
            time.sleep(POLL)


def _trained(config: RunConfig, train: Callable[[RunConfig], object], out: Path) -> bool:
    """Whether this process trained it, and no other one does."""
    if held(out / run_folder_name(config)):
        return False
    try:
        train(config)
    except FerturbError as error:
        if "another process" not in str(error):
            raise
        return False
    return True
