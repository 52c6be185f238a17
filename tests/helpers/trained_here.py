"""An executor for tests that ask nothing of processes: it trains in this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ferturb.base.errors import FerturbError
from ferturb.features.altered import load_dataset
from ferturb.runs.execute import execute_run
from ferturb.runs.run import Run
from ferturb.study.jobs import Started


class Ended:
    """A training that is over."""

    def __init__(self, error: str) -> None:
        self.error = error

    def running(self) -> bool:
        return False

    def ended(self) -> str:
        return self.error

    def stop(self) -> None:
        """It has ended."""


class Here:
    """Trains each run when it is handed over, one at a time."""

    poll_seconds = 0.0
    queues = False

    def room(self, taken: int) -> bool:
        return taken == 0

    def start(self, runs: Sequence[Run], needs: Mapping[str, Sequence[Started]]) -> list[Ended]:
        return [Ended(self._error(run)) for run in runs]

    def leave(self, left: Sequence[Started]) -> None:
        """Nothing is left."""

    def _error(self, run: Run) -> str:
        try:
            execute_run(run, load_dataset(run.config.dataset))
        except FerturbError as error:
            return str(error)
        return ""
