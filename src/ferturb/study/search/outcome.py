"""What came of a search: one row a trial, and the best one's config to train with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_json, write_rows
from ferturb.runs.run import Run
from ferturb.study.search.plan import RUNS, SearchFolder
from ferturb.study.search.trials import counted

TABLE, BEST = "trials.csv", "best.json"


@dataclass(frozen=True)
class Trial:
    """One trial of a search."""

    number: int
    """From 1, in the order of their beginnings."""
    state: str
    """complete, stopped early, failed or running."""
    accuracy: float | None
    """On the validation split, of the kept epoch; of the best one of a trial that ended early."""
    epochs: int
    seconds: float
    values: dict[str, Any]
    run: str
    by_epoch: tuple[float, ...] = field(repr=False)
    """Accuracy on the validation split after each epoch."""
    error: str = ""

    def row(self, epochs: int) -> dict[str, object]:
        """The trial as a row of trials.csv, with a column for each of so many epochs."""
        own = [f"{a:.4f}" for a in self.by_epoch]
        return {
            "trial": self.number,
            "state": self.state,
            "validation_accuracy": "" if self.accuracy is None else f"{self.accuracy:.4f}",
            "epochs": self.epochs,
            "seconds": f"{self.seconds:.1f}",
            **self.values,
            "run": self.run,
            "error": self.error,
            **{f"epoch_{i + 1}": own[i] if i < len(own) else "" for i in range(epochs)},
        }


def read_trials(place: SearchFolder, study: optuna.Study) -> list[Trial]:
    """The trials of a search's budget, as far as they are."""
    return [_trial(place, number, t) for number, t in enumerate(counted(study), 1)]


def best_of(trials: list[Trial]) -> Trial:
    """The trial with the highest accuracy that came to its end, the earliest of several alike."""
    ended = [t for t in trials if t.state == "complete" and t.accuracy is not None]
    if not ended:
        why = next((f": {t.error}" for t in trials if t.error), "")
        raise FerturbError(f"no trial of the search came to its end{why}")
    return max(ended, key=lambda t: (t.accuracy, -t.number))


def importances(study: optuna.Study) -> dict[str, float]:
    """How much of the accuracy's spread each field explains, by PED-ANOVA (Watanabe et al., IJCAI
    2023); adds up to 1. Empty with fewer than eight finished trials."""
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < 8:
        return {}
    return optuna.importance.get_param_importances(study)


def write_outcome(place: SearchFolder, study: optuna.Study) -> list[Trial]:
    """Write trials.csv and, if there is one, best.json; the trials."""
    trials, search = read_trials(place, study), place.search
    write_rows(place.folder / TABLE, [t.row(search.base.recipe.epochs) for t in trials])
    if any(t.state == "complete" for t in trials):
        write_json(place.folder / BEST, search.best_config(best_of(trials).values).to_dict())
    return trials


def _trial(place: SearchFolder, number: int, frozen: FrozenTrial) -> Trial:
    by_epoch = tuple(value for _, value in sorted(frozen.intermediate_values.items()))
    error = str(frozen.user_attrs.get("error", ""))
    states = {TrialState.COMPLETE: "complete", TrialState.RUNNING: "running"}
    state = states.get(frozen.state, "failed" if error else "stopped early")
    name = str(frozen.user_attrs.get("run", ""))
    history = Run(place.folder / RUNS / name).history() if name else []
    return Trial(
        number,
        state,
        frozen.value if state == "complete" else max(by_epoch, default=None),
        len(by_epoch),
        sum(row["seconds"] for row in history),
        {d.field: d.value(frozen.params.get(d.field)) for d in place.search.dimensions},
        name,
        by_epoch,
        error,
    )
