"""The tables and the figure of an experiment, from whatever replicates are there.

    python -m research.experiment_results leaving-out results/leaving_out --out results/leaving_out
    python -m research.experiment_results rivals results/rivals RUNS --out results/rivals

Writes OUT.csv (a row for each training and reading), OUT_claims.csv (the plan's comparisons, by
measure), and every arm against one of them, OUT_changes.csv and OUT.png. Folders hold kept files or
run folders. Only PublicTest is read, but with `--privatetest`, which the plans allow once, when
every replicate is there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_bytes, write_rows
from ferturb.study.arms import EXPERIMENTS
from ferturb.study.experiments import Experiment
from research.changes import Change, changes
from research.claims import claims, values_of
from research.clusters_figure import clusters_figure
from research.experiment_figure import changes_figure
from research.readings import MEASURES, OFFICIAL, SPLITS, Reading, readings

BASELINES = {
    "leaving-out": "whole",
    "landmarks": "whole-4x",
    "rivals": "whole-2x",
    "clusters": "whole",
    "forms": "whole-4x",
    "precision": "whole",
}
"""Experiment -> the arm that the others are set against."""


def write_results(
    name: str, folders: Sequence[Path], out: Path, splits: Sequence[str]
) -> dict[str, str]:
    """Write the tables and the figure; cell -> "n of N replicates" as a sentence has it."""
    experiment = EXPERIMENTS[name]
    found = readings(experiment, folders, splits)
    if not found:
        raise FerturbError(
            f"no finished training of {name} in {', '.join(map(str, folders))}; give folders of "
            "run folders, or of what `tools/leaving_out.py --keep` kept"
        )
    lines = [r.row() for r in found]
    columns = max((list(line) for line in lines), key=len)
    write_rows(out.with_suffix(".csv"), lines, columns)
    main = [r for r in found if r.replicate != experiment.tuning_replicate]
    rows: list[dict[str, object]] = []
    table: list[dict[str, object]] = []
    said = how_many(experiment, main)
    changed: dict[str, list[Change]] = {}
    for split in splits:
        values = {m: values_of(main, f"{SPLITS[split]}_{m}") for m in MEASURES}
        for measure, of in values.items():
            for row in claims(name, experiment, of):
                rows.append({"split": SPLITS[split], "measure": measure, **row})
        changed = {c: changes(experiment, values, c, BASELINES[name]) for c in said if main}
        table += [{"split": SPLITS[split], **c.row()} for cell in changed.values() for c in cell]
    write_rows(out.with_name(f"{out.name}_claims.csv"), rows, list(rows[0]))
    if table:
        write_rows(out.with_name(f"{out.name}_changes.csv"), table, list(table[0]))
    if main:
        shown = OFFICIAL[splits[-1]]
        if name == "clusters":
            ((cell, found_in),) = changed.items()
            picture = clusters_figure(experiment, found_in, shown, said[cell])
        else:
            picture = changes_figure(changed, BASELINES[name], shown, said)
        write_bytes(out.with_suffix(".png"), picture)
    return said


def how_many(experiment: Experiment, found: Sequence[Reading]) -> dict[str, str]:
    """Cell -> how many of its replicates have every arm that is known to be in it."""
    said = {}
    for cell, planned in experiment.cell_replicates().items():
        there = {(r.item.arm, r.replicate) for r in found if r.item.cell == cell}
        arms = {*experiment.cells[cell].arms, *(arm for arm, _ in there)}  # some may be chosen
        whole = [r for r in planned if all((arm, r) in there for arm in arms)]
        said[cell] = f"{len(whole)} of {len(planned)} replicates"
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="path without an ending")
    parser.add_argument("--privatetest", action="store_true")
    options = parser.parse_args()
    splits = ("validation", "test") if options.privatetest else ("validation",)
    try:
        said = write_results(options.experiment, options.folders, options.out, splits)
    except FerturbError as error:
        sys.exit(f"error: {error}")
    for cell, words in said.items():
        print(f"{cell}: {words}")


if __name__ == "__main__":
    main()
