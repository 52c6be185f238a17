"""What was trained: the faces, the curves of training, and every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ferturb.base.emotions import EMOTIONS
from ferturb.base.raster import PLAIN
from ferturb.report.form import style
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Cell, Column, Table, plain_columns
from ferturb.report.results import Planned, StudyResults
from ferturb.report.run_results import Configured, RunResult, alteration, describe
from ferturb.report.section import Section, section_of

IN_CSV = ("model", "method", "finished", "commit", "data_hash")
"""Columns of the table of runs that are left to its CSV; a run's name holds model and method."""


def faces(results: StudyResults) -> Section | None:
    """Figure 3: how many faces there are of each emotion."""
    known = results.faces
    counts = results.data.get("counts") or (known.counts() if known is not None else None)
    if not counts:
        return None
    totals = {e: sum(counts[split][e] for split in counts) for e in EMOTIONS}
    alt = ", ".join(f"{emotion} {n:,}" for emotion, n in totals.items())
    caption = "Faces per emotion, by split, with each emotion's share of all faces."
    title, prints = "Distribution of the emotions", prints_of(_class_distribution(counts))
    return section_of("faces", "The faces", [Picture("figure3", title, caption, alt, prints)])


def curves(results: StudyResults) -> Section | None:
    """Accuracy and loss by epoch of the main runs, finished or not."""
    shown = [run for run in results.main.runs if run.history]
    quantities = ("accuracy", "loss") if shown else ()
    return section_of("training", "Training", [_curve(shown, quantity) for quantity in quantities])


def runs(results: StudyResults) -> Section | None:
    """One row a planned run, finished or not."""
    columns = (
        *plain_columns("run", "state", "model", "method", "faces", "recipe", "seed", "epochs"),
        *plain_columns("kept_epoch"),
        Column("validation_accuracy", "Validation, %", scale=100),
        *plain_columns("parameters", "minutes", "finished", "commit", "data_hash"),
    )
    columns = tuple(replace(column, in_print=column.key not in IN_CSV) for column in columns)
    note = (
        "Kept epoch: its weights are evaluated, the best on validation or (bare recipe) the last. "
        "Minutes: training time, summed over interruptions. The CSV also has when it "
        "finished, the commit (+: there were uncommitted changes) and the hash of the faces."
    )
    rows = tuple(_run_row(plan) for plan in results.planned)
    return section_of("runs", "What was run", [Table("runs", "What was run", columns, rows, note)])


def _curve(shown: Sequence[RunResult], quantity: str) -> Picture:
    caption = (
        f"{quantity.capitalize()} by epoch: validation bold, training thin and dashed; one line "
        "per seed. A dot marks the epoch that was kept. Training values are taken on augmented "
        "faces (and on views, for the Perturb Scheme), so they can lie on the other side of the "
        "validation values."
    )
    alt = "; ".join(
        f"{run.name}: epoch {run.best_epoch} kept of {run.config.recipe.epochs}"
        for run in shown
        if run.done
    )
    prints = prints_of(_training_curves(shown, quantity))
    return Picture(f"training_{quantity}", f"Training curves: {quantity}", caption, alt, prints)


def _faces_of(run: Configured) -> str:
    """What is done to a run's faces, and how large they are where that isn't FER2013's size."""
    raster = run.config.dataset.raster
    return describe(alteration(run)) + ("" if raster == PLAIN else f", {raster}")


def _run_row(plan: Planned) -> tuple[Cell, ...]:
    run = plan.result
    if run is None:
        return (plan.name, plan.state, *(None,) * 13)
    c = run.config
    head: list[Cell] = [plan.name, plan.state, c.model.name, c.method.name]
    head += [_faces_of(run), c.recipe.name, str(c.seed), c.recipe.epochs]
    if not run.done:
        return (*head, *(None,) * 7)
    record = run.record
    commit = record.get("commit")
    return (
        *head,
        run.best_epoch,
        record.get("validation_accuracy"),
        record.get("parameters"),
        record["seconds"] / 60 if "seconds" in record else None,
        str(record.get("finished", ""))[:16].replace("T", " "),
        f"{commit[:9]}{'+' if record.get('dirty') else ''}" if commit else None,
        str(record.get("data", {}).get("hash", ""))[:12],
    )


def _class_distribution(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Figure 3: faces per emotion and split."""
    with style.new_figure(style.WIDTH, 3.1) as figure:
        axes = figure.subplots()
        base = np.zeros(len(EMOTIONS))
        for split, colour in style.SPLITS.items():
            values = np.array([counts[split][emotion] for emotion in EMOTIONS], dtype=float)
            axes.bar(EMOTIONS, values, 0.66, bottom=base, color=colour, label=split)
            base += values
        for i, total in enumerate(base):
            share = f"{int(total):,}\n{100 * total / max(base.sum(), 1):.1f} %"
            axes.text(i, total, share, ha="center", va="bottom", fontsize=8, linespacing=1.25)
        axes.set_ylim(0, max(base.max(), 1) * 1.2)
        axes.set_ylabel("faces")
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)
    return figure


def _training_curves(runs: Sequence[RunResult], quantity: str) -> Figure:
    """Validation (bold) and training (thin) accuracy or loss by epoch; one panel per model."""
    models = sorted({run.config.model.name for run in runs})
    percent = 100.0 if quantity == "accuracy" else 1.0
    with style.new_panels(models, 2.5, sharey=True) as (panels, figure):
        for axes, model in zip(panels, models, strict=True):
            for run in [r for r in runs if r.config.model.name == model]:
                colour = style.colour_of(run.config.method.name)
                epochs = [epoch["epoch"] for epoch in run.history]
                training, validation = (
                    [percent * epoch[f"{kind}_{quantity}"] for epoch in run.history]
                    for kind in ("train", "validation")
                )
                axes.plot(epochs, training, alpha=0.6, **{**style.DASHED, "color": colour})
                axes.plot(epochs, validation, color=colour, linewidth=1.8)
                if run.done and run.best_epoch <= len(validation):
                    kept = run.best_epoch
                    axes.plot(kept, validation[kept - 1], "o", color=colour, markersize=5)
            axes.set_title(model)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("epoch")
        panels[0].set_ylabel("accuracy, %" if percent > 1 else "loss, nats")
        methods = {r.config.method.name: style.colour_of(r.config.method.name) for r in runs}
        style.add_legend(figure, {**methods, "validation": style.INK, "training": None})
    return figure
