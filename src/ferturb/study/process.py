"""A process of its own, wherever it is started, for a training or an analysis.

It ends when its standard input does, which only the process holds open that started it, so that
`kill -9` of that one, or the end of its node, is the end of it too. Nothing here imports torch.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ferturb.base.locks import held

POLL_SECONDS = 0.5
GRACE_SECONDS = 10
"""How long a process that is asked to end may take before it is killed."""
LOG = "log.txt"
"""Of a run, what its process has printed."""
_BOUND = "FERTURB_ENDS_WITH_STDIN"


@dataclass(frozen=True)
class Command:
    """How a process of its own trains one run, wherever it is started."""

    device: str = "cpu"
    threads: int = 1
    options: tuple[str, ...] = ()
    """Of `ferturb train`."""

    def start(self, folder: Path) -> Process:
        """Start it; it ends with the process that this is called in."""
        words = ["ferturb", "train", "--resume", str(folder), "--threads", str(self.threads)]
        words += ["--device", self.device, "--quiet", *self.options]
        return start_process(words, folder / LOG, self.threads)

    def train(self, folder: Path) -> str:
        """Train a run here to its end, after whoever trains it now; what went wrong, "" for
        nothing."""
        while held(folder):  # by a process that its node's end has not yet reached
            time.sleep(POLL_SECONDS)
        started = self.start(folder)
        try:
            started.process.wait()
        finally:
            stop_all([started])
        return started.ended() or ""


def start_process(words: Sequence[str], log: Path, threads: int = 1) -> Process:
    """`python -m` these words, in a process that ends with this one and prints into a file."""
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), _BOUND: "1"},
            start_new_session=True,
        )
    return Process(log, process)


@dataclass(frozen=True)
class Process:
    """A process that trains or analyses a run."""

    log: Path
    process: subprocess.Popen[bytes]

    def running(self) -> bool:
        """A process is never queued."""
        return True

    def ended(self) -> str | None:
        """What its last line said, if it ended with an error, and its code if it was killed."""
        code = self.process.poll()
        if not code:
            return code if code is None else ""
        said = self.last_line() if code > 0 else ""
        return said or f"its process ended with code {code}"

    def last_line(self) -> str:
        """Of what it has printed, "" for nothing."""
        said = self.log.read_text(errors="replace").strip() if self.log.is_file() else ""
        return said.splitlines()[-1] if said else ""

    def stop(self) -> None:
        """SIGTERM."""
        if self.process.poll() is None:
            self.process.terminate()


def end_with_study() -> None:
    """In a process that a study started: end, from now on, as soon as the study does."""
    if os.environ.pop(_BOUND, None) is None:
        return
    if hasattr(signal, "SIGUSR2"):  # SLURM's word to whoever started this, which sees to it
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def wait() -> None:
        while os.read(0, 1024):  # nothing is written: it ends when the study does
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def stop_all(started: Sequence[Process]) -> None:
    """End processes, those first that are asked to."""
    alive = [s.process for s in started if s.process.poll() is None]
    for process in alive:
        process.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for process in alive:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
