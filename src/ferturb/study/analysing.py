"""Analyses beside the trainings that are left, and beside each other, each in a process.

    python -m ferturb.study.analysing TASK

does one (`Task.to_json`), keeps what it finds with its run, and prints how far it is.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ferturb.base.errors import first_line
from ferturb.features.altered import load_dataset
from ferturb.models.device import prepare_process
from ferturb.runs.run import Run
from ferturb.study.analyses import OnAnalysis, Task, missing
from ferturb.study.jobs import ended_by_signals
from ferturb.study.plan import Study
from ferturb.study.process import POLL_SECONDS, Process, end_with_study, start_process, stop_all

WORTH_PROCESSES = 2000
"""Faces of a study; a smaller one is analysed in turn, as a process takes seconds to start."""
_HOW_FAR = re.compile(r"(\d+) of (\d+)")


class Analysts:
    """What analyses the finished runs of a study, as many at a time as there is room for."""

    def __init__(self, study: Study, logs: Path, on_analysis: OnAnalysis) -> None:
        """`logs` is a folder for what processes print."""
        self.study, self.logs, self.on_analysis = study, logs, on_analysis
        self.total = 0
        """How many analyses there will be, for their titles."""
        self.failed: dict[str, str] = {}
        """Title -> what went wrong."""
        self._waiting: list[Task] = []
        self._running: dict[Process, tuple[Task, Callable[[int, int], None]]] = {}
        self._seen: set[str] = set()
        self._begun = 0

    def look(self, done: Sequence[Run], room: int) -> bool:
        """Start what these finished runs still want, while fewer than `room` run; False if there
        is nothing left to do for them."""
        new = [run for run in done if run.name not in self._seen]
        self._seen |= {run.name for run in new}
        self._waiting += missing(self.study, new) if new else []
        self._collect()
        while self._waiting and len(self._running) < room:
            self._start(self._waiting.pop(0))
        return bool(self._waiting or self._running)

    def finish(self, done: Sequence[Run], room: int) -> dict[str, str]:
        """Wait until nothing is left to do for these finished runs; what failed."""
        with ended_by_signals():
            while self.look(done, room):
                time.sleep(POLL_SECONDS)
        return self.failed

    def stop(self) -> None:
        """End what is running; the same study computes it again."""
        stop_all(list(self._running))

    def _start(self, task: Task) -> None:
        self._begun += 1
        tell = partial(self.on_analysis, f"{task.title} ({self._begun} of {self.total})")
        tell(0, 1)
        words = ["ferturb.study.analysing", task.to_json()]
        self._running[start_process(words, self.logs / f"{self._begun}.txt")] = task, tell

    def _collect(self) -> None:
        """Tell how far each is, and what became of those that have ended."""
        for process, (task, tell) in list(self._running.items()):
            said = process.ended()
            if said is None:
                if far := _HOW_FAR.fullmatch(process.last_line()):
                    tell(int(far[1]), int(far[2]))
                continue
            del self._running[process]
            tell(1, 1)
            if said:
                self.failed[task.title] = said


@contextmanager
def analysts(study: Study, on_analysis: OnAnalysis) -> Iterator[Analysts]:
    """Analysts whose processes end with this, however it is left."""
    with TemporaryDirectory(prefix="ferturb-") as logs:
        analysing = Analysts(study, Path(logs), on_analysis)
        try:
            yield analysing
        finally:
            analysing.stop()


def main(words: Sequence[str]) -> None:
    """Do the task that was given."""
    end_with_study()
    task = Task.from_json(words[0])
    try:
        device = prepare_process("cpu", 1)
        task.compute(load_dataset(task.dataset), device, _tell)
    except Exception as error:
        sys.exit(first_line(error))


def _tell(done: int, total: int) -> None:
    print(f"{done} of {total}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
