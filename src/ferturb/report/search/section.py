"""The sections of a search's page, and its sentences."""

from __future__ import annotations

from dataclasses import replace

from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Cell, Column, Table, plain_columns
from ferturb.report.search import figures
from ferturb.report.search.results import SearchResults, Trial, short
from ferturb.report.section import Section

SAMPLERS = {
    "tpe": "a tree-structured Parzen estimator (Bergstra et al., 2011)",
    "genetic": "a genetic algorithm (NSGA-II with one objective; Deb et al., 2002)",
    "random": "chance",
}


def sections(found: SearchResults) -> list[Section]:
    """The history, what matters, and every trial."""
    alt = f"the best of {len(found.trials)} trials is trial {found.best.number}"
    history = Picture(
        "history",
        "Trial by trial",
        "Accuracy on the validation split by trial: filled where the trial came to its end, hollow "
        "(its best until then) where it was ended early. The line is the best so far.",
        alt,
        prints_of(figures.history(found)),
    )
    curves = Picture(
        "curves",
        "Epoch by epoch",
        "Accuracy on the validation split after each epoch; grey trials were ended early, from the "
        "dotted line on.",
        alt,
        prints_of(figures.curves(found)),
    )
    slices = Picture(
        "slices",
        "By the value of each field",
        "Accuracy on the validation split by what was varied. All fields vary at once, so that a "
        "panel shows more than its own field's effect.",
        alt,
        prints_of(figures.slices(found)),
    )
    pages = [Section("history", "The search", (history, curves))]
    if found.importances:
        by_share = sorted(found.importances.items(), key=lambda item: -item[1])
        weights = Picture(
            "importances",
            "What matters",
            "How much of the accuracy's spread each field explains (PED-ANOVA; Watanabe et al., "
            "2023), of trials that came to their end. With few trials it is a rough estimate.",
            ", ".join(f"{short(name)} {share:.0%}" for name, share in by_share),
            prints_of(figures.importances(found)),
        )
        pages.append(Section("matters", "What matters", (weights, slices)))
    else:
        pages.append(Section("matters", "What matters", (slices,)))
    return [*pages, Section("trials", "Every trial", (table(found),))]


def table(found: SearchResults) -> Table:
    """One row a trial."""
    names = list(found.trials[0].values)
    columns = (
        *plain_columns("trial", "state"),
        Column("validation_accuracy", "Validation, %", scale=100, digits=2),
        *plain_columns("epochs"),
        Column("minutes", "Minutes"),
        *(Column(name, short(name), digits=4) for name in names),
        *(replace(c, in_print=False) for c in plain_columns("run", "error")),
    )
    return Table("trials", "Every trial", columns, tuple(_row(t) for t in found.trials))


def sentences(found: SearchResults) -> list[str]:
    """What was spent, what was found, and what it is worth."""
    trials, best, own = found.trials, found.best, found.own
    states = [t.state for t in trials]
    spent = sum(t.epochs for t in trials)
    said = [
        f"{len(trials)} of {found.budget} trials of {found.epochs} epochs, values by "
        f"{SAMPLERS[found.sampler]}: {states.count('complete')} came to their end, "
        f"{states.count('stopped early')} were ended early below the median of the earlier ones, "
        f"{states.count('failed')} failed. In all {spent} epochs, "
        f"{sum(t.seconds for t in trials) / 3600:.1f} hours of training.",
    ]
    assert best.accuracy is not None
    if own is not None and own.accuracy is not None:
        margin = 1.96 * (own.accuracy * (1 - own.accuracy) / found.validation_faces) ** 0.5
        said.append(
            f"The recipe as it is (trial {own.number}) has {own.accuracy:.2%} there; one such "
            f"accuracy alone is uncertain by ±{100 * margin:.1f} points (95 %, "
            f"{found.validation_faces:,} faces)."
        )
    said.append(
        f"The best of {len(trials)} is chosen on the faces that it is measured on, so its accuracy "
        "is too high by chance: train best.json with other seeds, beside the recipe as it is, "
        "before it is believed. The test split was not looked at."
    )
    return said


def headline(found: SearchResults) -> str:
    """The answer in one sentence."""
    best = found.best
    assert best.accuracy is not None
    changed = ", ".join(f"{short(name)} {_plain(value)}" for name, value in best.values.items())
    return f"Trial {best.number} has {best.accuracy:.2%} on the validation split: {changed}."


def _plain(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _row(trial: Trial) -> tuple[Cell, ...]:
    known = {"validation_accuracy": trial.accuracy, "minutes": trial.seconds / 60}
    values = [v if isinstance(v, int | float) else str(v) for v in trial.values.values()]
    head = (trial.number, trial.state, known["validation_accuracy"], trial.epochs, known["minutes"])
    return (*head, *values, trial.run, trial.error)
