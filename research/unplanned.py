"""Comparisons that no plan names and the text mentions, each called "not planned" there.

    python -m research.unplanned [--privatetest]

Writes results/unplanned.csv: by split and measure the paired difference over replicates with its t
interval, as the plans' own comparisons have (`research.claims`), and no correction: they were
picked after figures were seen. Arms of two experiments are compared in the replicates that both
have, where faces, first weights and order are the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from ferturb.base.storage import write_rows
from ferturb.study.arms import EXPERIMENTS
from research.claims import Comparison, Values, against, values_of
from research.readings import MEASURES, SPLITS, readings
from research.recompute import RESULTS
from research.replicates import paired_difference

TABLE = "unplanned.csv"
UNPLANNED: dict[tuple[str, ...], tuple[Comparison, ...]] = {
    ("leaving-out",): (
        *against(
            "2000",
            "all-views summed - whole-4x",
            "all-views summed - rectangle",
            "all-views - rectangle",
            "one-view - rectangle",
            "all-views summed - random-regions summed",
        ),
        *(c for n in ("2000", "7000", "all") for c in against(n, "all-views summed - all-views")),
        *against("7000", "landmarks - whole-4x", "landmarks - rectangle"),
    ),
    ("landmarks",): against(
        "2000", "landmarks-of-others - rectangle", "landmarks-of-others - one-view"
    ),
    ("forms",): against("2000", "grid-black - whole"),
    ("rivals", "leaving-out"): against(
        "7000", "hide-and-seek - landmarks", "hide-and-seek - rectangle"
    ),
    ("clusters", "leaving-out"): against(
        "7000",
        "k1 - one-view",
        "k1 summed - k1",
        "k6 - k2",
        "k6 - whole-4x",
        "k6 - random-regions",
    ),
}
"""Experiments, the first one's arms first -> what of them is compared."""


def unplanned(values: Mapping[str, Mapping[str, Values]]) -> list[dict[str, object]]:
    """A row for each comparison and measure, from experiment -> measure -> values."""
    rows: list[dict[str, object]] = []
    for names, comparisons in UNPLANNED.items():
        for comparison in comparisons:
            for measure in MEASURES:
                merged: Values = {
                    key: found
                    for name in reversed(names)
                    for key, found in values[name][measure].items()
                }
                differences = comparison.differences(merged)
                row: dict[str, object] = {
                    "measure": measure,
                    "experiments": " and ".join(names),
                    "cell": comparison.cell,
                    "comparison": comparison.name,
                    "replicates": len(differences),
                }
                if len(differences) > 1:
                    test = paired_difference(differences)
                    numbers = ("estimate", "low", "high", "p", "p_equivalence")
                    rows.append(row | {n: f"{getattr(test, n):.4g}" for n in numbers})
    return rows


def from_logits(splits: Sequence[str]) -> list[dict[str, object]]:
    """The table, by split, from the kept trainings."""
    found = {}
    for name in dict.fromkeys(name for names in UNPLANNED for name in names):
        kept = RESULTS / ("rivals" if name == "rivals" else "leaving_out")
        every = readings(EXPERIMENTS[name], [kept], splits)
        tuning = EXPERIMENTS[name].tuning_replicate
        found[name] = [r for r in every if r.replicate != tuning]
    rows: list[dict[str, object]] = []
    for split in (SPLITS[split] for split in splits):
        values = {
            name: {m: values_of(every, f"{split}_{m}") for m in MEASURES}
            for name, every in found.items()
        }
        rows += [{"split": split, **row} for row in unplanned(values)]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / TABLE)
    parser.add_argument("--privatetest", action="store_true")
    options = parser.parse_args()
    splits = ("validation", "test") if options.privatetest else ("validation",)
    rows = from_logits(splits)
    write_rows(options.out, rows, list(rows[0]))


if __name__ == "__main__":
    main()
