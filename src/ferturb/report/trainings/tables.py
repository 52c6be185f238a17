"""What was run: one row a planned run."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from ferturb.report.form.tables import Cell, Column, Table
from ferturb.report.results import Planned
from ferturb.report.run_results import alteration, describe


def runs_table(planned: Sequence[Planned]) -> Table:
    """What was run: one row per planned run, finished or not."""
    rows: list[tuple[Cell, ...]] = [_run_row(plan) for plan in planned]
    return Table(
        "runs",
        "What was run",
        (
            Column("run", "Run"),
            Column("state", "State"),
            Column("model", "Model"),
            Column("method", "Method"),
            Column("faces", "Faces"),
            Column("recipe", "Recipe"),
            Column("seed", "Seed"),
            Column("epochs", "Epochs"),
            Column("best_epoch", "Best epoch"),
            Column("validation_accuracy", "Validation, %", scale=100),
            Column("parameters", "Parameters"),
            Column("minutes", "Minutes"),
            Column("finished", "Finished"),
            Column("commit", "Commit"),
            Column("data_hash", "Data hash"),
        ),
        tuple(rows),
        "Best epoch: the one with the highest validation accuracy, whose weights are evaluated. "
        "Minutes: training time, summed over interruptions. A + after the commit: the checkout had "
        "uncommitted changes.",
    )


def _run_row(plan: Planned) -> tuple[Cell, ...]:
    run = plan.result
    if run is None:
        return (plan.name, plan.state) + (None,) * 13
    config = run.config
    head: tuple[Cell, ...] = (plan.name, plan.state, config.model.name, config.method.name)
    head += (describe(alteration(run)),)
    head += (config.recipe.name, str(config.seed), config.recipe.epochs)
    if not run.done:
        return head + (None,) * 7
    record = run.record
    commit = record.get("commit")
    finished = datetime.datetime.fromisoformat(record["finished"])
    return (
        *head,
        run.best_epoch,
        float(record["validation_accuracy"]),
        int(record["parameters"]),
        record["seconds"] / 60,
        f"{finished:%Y-%m-%d %H:%M}",
        f"{commit[:9]}{'+' if record.get('dirty') else ''}" if commit else None,
        str(record["data"]["hash"])[:12],
    )
