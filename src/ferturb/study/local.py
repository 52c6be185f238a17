"""The local executor: a study's runs as processes of this machine, a few at a time.

On a CPU two runs of one thread each train more faces a second than one run of two threads, since
no thread waits for another. No training outlives its study: one that is asked to end (Ctrl-C,
SIGTERM, SIGHUP) stops its processes, and `kill -9` of it is the end of them too
(`ferturb.study.process`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ferturb.base.threads import usable_cores
from ferturb.runs.run import Run
from ferturb.study.jobs import Started
from ferturb.study.process import POLL_SECONDS, Command, Process, stop_all


@dataclass(frozen=True)
class Processes:
    """How many processes train at a time, on what, and what they are told besides."""

    workers: int
    device: str = "cpu"
    options: tuple[str, ...] = ()
    """Of `ferturb train`."""
    poll_seconds: float = POLL_SECONDS
    queues: bool = False

    @property
    def threads(self) -> int:
        """Of each process: one on a CPU, where every core has a process of its own."""
        return max(1, usable_cores() // self.workers) if self.device.startswith("cuda") else 1

    def room(self, taken: int) -> bool:
        """As many as there are workers, those of other studies among them."""
        return taken < self.workers

    def start(self, runs: Sequence[Run], needs: Mapping[str, Sequence[Started]]) -> list[Process]:
        """A process for each."""
        command = Command(self.device, self.threads, self.options)
        return [command.start(run.folder) for run in runs]

    def leave(self, left: Sequence[Started]) -> None:
        """End them."""
        stop_all([started for started in left if isinstance(started, Process)])


def default_workers(device: str) -> int:
    """Processes at a time: one on a GPU, on a CPU one for every core."""
    return 1 if device.startswith("cuda") else usable_cores()
