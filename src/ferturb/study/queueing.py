"""What engines with queues of their own have in common: they take every run at once, and start it
when its turn has come, on a machine that may not see its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferturb.base.locks import held
from ferturb.study.process import Command
from ferturb.study.shared_folder import not_shared

if TYPE_CHECKING:  # what imports torch is not for a worker, whose process for a run does
    from ferturb.runs.run import Run


@dataclass(frozen=True)
class Task:
    """What is done for each run of a study, wherever its turn comes."""

    study: Path
    """The study's folder, absolute."""
    token: str
    """By which it is known (`ferturb.study.shared_folder.mark`)."""
    command: Command

    def train(self, folder: Path) -> str:
        """Train a run to its end; what went wrong, "" for nothing."""
        return not_shared(self.study, self.token) or self.command.train(folder)


class Queueing:
    """An executor that takes all runs."""

    def room(self, taken: int) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class Queued:
    """A run that an engine has taken."""

    run: Run

    def running(self) -> bool:
        """Whether some process trains it."""
        return held(self.run.folder)
