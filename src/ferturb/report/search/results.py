"""What a search has, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ferturb.base.errors import FerturbError
from ferturb.base.tabular import Tabular


@dataclass(frozen=True)
class Trial(Tabular):
    """One trial of a search."""

    number: int
    """From 1, in the order of their beginnings."""
    state: str
    """complete, stopped early, failed or running."""
    accuracy: float | None
    """On the validation split, of the kept epoch; of the best one of a trial that ended early."""
    epochs: int
    seconds: float
    """Of training."""
    values: Mapping[str, Any]
    """Field -> what it was."""
    run: str
    """The name of its run folder."""
    by_epoch: tuple[float, ...] = field(repr=False)
    """Accuracy on the validation split after each epoch."""
    error: str = ""

    def records(self) -> list[Mapping[str, Any]]:
        """One row, with a column for each field that was searched and for each epoch."""
        by_epoch = {f"epoch_{i}": a for i, a in enumerate(self.by_epoch, 1)}
        return [vars(self) | {"by_epoch": by_epoch}]


@dataclass(frozen=True)
class SearchResults(Tabular):
    """A search, finished or not."""

    trials: Sequence[Trial]
    budget: int
    """Trials that it was given."""
    epochs: int
    """Of each trial, at most."""
    sampler: str
    prune_after: int
    """The first epoch at whose end a trial could be ended; 0: none."""
    first: Mapping[str, Any] | None
    """The recipe's own values, if a trial took them; its trial may not be the first to be counted,
    where the first process was killed."""
    ranges: Mapping[str, bool]
    """Fields that were drawn from a range, and whether by their logarithm; others had choices."""
    importances: Mapping[str, float]
    """Field -> share of the accuracy's spread, if enough trials ended."""
    model: str
    source: str
    """Of the faces."""
    validation_faces: int

    def records(self) -> list[Mapping[str, Any]]:
        """A row a trial."""
        return [row for trial in self.trials for row in trial.records()]

    @property
    def best(self) -> Trial:
        """The trial with the highest accuracy of those that came to their end."""
        return best_of(self.trials)

    @property
    def own(self) -> Trial | None:
        """The trial of the recipe as it is, if it came to its end."""
        own = (t for t in self.trials if t.values == self.first and t.state == "complete")
        return next(own, None)


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial with the highest accuracy that came to its end, the earliest of several alike."""
    ended = [t for t in trials if t.state == "complete" and t.accuracy is not None]
    if not ended:
        why = next((f": {t.error}" for t in trials if t.error), "")
        raise FerturbError(f"no trial of the search came to its end{why}")
    return max(ended, key=lambda t: (t.accuracy or 0.0, -t.number))


def short(name: str) -> str:
    """A field's name in print.

    >>> short("recipe.augment.erase")
    'augment.erase'
    """
    return name.removeprefix("recipe.")
