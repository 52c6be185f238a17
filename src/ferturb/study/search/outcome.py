"""What came of a search: one row a trial, and the best one's config to train with."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ferturb.base.storage import write_json, write_rows
from ferturb.data.faces import Faces
from ferturb.report.search.build import build_search_report
from ferturb.report.search.results import SearchResults, Trial
from ferturb.runs.run import Run
from ferturb.study.search.plan import RUNS, Search, SearchFolder
from ferturb.study.search.trials import counted

TABLE, BEST, REPORT = "trials.csv", "best.json", "report"


def row_of(trial: Trial, epochs: int) -> dict[str, object]:
    """A trial as a row of trials.csv, with a column for each of so many epochs."""
    own = [f"{a:.4f}" for a in trial.by_epoch]
    return {
        "trial": trial.number,
        "state": trial.state,
        "validation_accuracy": "" if trial.accuracy is None else f"{trial.accuracy:.4f}",
        "epochs": trial.epochs,
        "seconds": f"{trial.seconds:.1f}",
        **trial.values,
        "run": trial.run,
        "error": trial.error,
        **{f"epoch_{i + 1}": own[i] if i < len(own) else "" for i in range(epochs)},
    }


def read_trials(place: SearchFolder, study: optuna.Study) -> list[Trial]:
    """The trials of a search's budget, as far as they are."""
    return [_trial(place, number, t) for number, t in enumerate(counted(study), 1)]


def importances(study: optuna.Study) -> dict[str, float]:
    """How much of the accuracy's spread each field explains, by PED-ANOVA (Watanabe et al., IJCAI
    2023); adds up to 1. Empty with fewer than eight finished trials."""
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < 8:
        return {}
    return optuna.importance.get_param_importances(study)


def write_outcome(place: SearchFolder, study: optuna.Study, faces: Faces) -> SearchResults:
    """Write trials.csv and, as soon as a trial has come to its end, best.json and the report."""
    search, trials = place.search, read_trials(place, study)
    epochs = search.base.recipe.epochs
    found = SearchResults(
        trials,
        search.trials,
        epochs,
        search.sampler,
        search.prune_after,
        _own_values(search),
        {d.field: d.log for d in search.dimensions if not d.choices},
        importances(study),
        search.base.model.name,
        faces.source,
        len(faces.split("validation")),
    )
    write_rows(place.folder / TABLE, [row_of(trial, epochs) for trial in trials])
    if any(trial.state == "complete" for trial in trials):
        write_json(place.folder / BEST, search.best_config(dict(found.best.values)).to_dict())
        build_search_report(place.folder / REPORT, found)
    return found


def _own_values(search: Search) -> dict[str, Any] | None:
    first = search.first_values()
    return None if first is None else {d.field: d.value(first[d.field]) for d in search.dimensions}


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
