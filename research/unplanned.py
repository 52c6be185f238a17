"""Comparisons that no plan names and the text mentions, each called "not planned" there.

    python -m research.unplanned

Writes results/unplanned.csv from the experiments' tables there: by split and measure the paired
difference over replicates with its t interval, as the plans' own comparisons have
(`research.claims`), and no correction: they were picked after figures were seen. Arms of two
experiments are compared in the replicates that both have, where faces, first weights and order are
the same, and on PrivateTest once it has been looked at for both.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from itertools import product
from pathlib import Path

from ferturb.base.storage import write_rows
from ferturb.study.arms import EXPERIMENTS
from research.claims import Comparison, Values, against
from research.readings import MEASURES, SPLITS, Key
from research.recompute import RESULTS
from research.replicates import paired_difference

TABLE = "unplanned.csv"
TABLES = {
    "leaving-out": "leaving_out",
    "landmarks": "leaving_out_landmarks",
    "rivals": "rivals",
    "forms": "forms",
    "clusters": "clusters_k",
    "precision": "precision",
}
"""Experiment -> its table in results/."""
NUMBERS = ("estimate", "low", "high", "p", "p_equivalence")
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
        *(
            c
            for n in ("2000", "7000", "all")
            for c in against(n, "all-views summed - all-views", "all-views - whole-4x")
        ),
        *against(
            "7000",
            "landmarks - whole-4x",
            "landmarks - rectangle",
            "random-regions - whole-4x",
            "one-view - whole-4x",
            "rectangle - whole-4x",
        ),
        *against("all", "all-views summed - whole-4x", "rectangle - whole-4x"),
    ),
    ("landmarks",): (
        *against("2000", "landmarks-of-others - rectangle", "landmarks-of-others - one-view"),
        *against("7000", "landmarks-of-others - whole-4x"),
    ),
    ("forms",): against("2000", "grid-black - whole"),
    ("rivals",): (
        *against("7000", "hide-and-seek - eac"),
        *against("all-mixed", "eac - hide-and-seek"),
    ),
    ("rivals", "leaving-out"): (
        *against("7000", "hide-and-seek - landmarks", "hide-and-seek - rectangle"),
        Comparison(
            ((("all-mixed", "whole-2x", "whole"), ("all", "whole-4x", "whole")),),
            title="whole-2x by recipe mixed - whole-4x by recipe bare",
        ),
    ),
    ("clusters", "leaving-out"): against(
        "7000",
        "k1 - one-view",
        "k1 summed - k1",
        "k6 - k2",
        "k6 - random-regions",
        "k1 - k6",
        "k1 summed - k6 summed",
        *(f"k{k} - whole-4x" for k in (1, 2, 4, 5, 6)),
    ),
}
"""Experiments, the first one's arms first -> what of them is compared."""


def unplanned(values: Mapping[str, Mapping[str, Values]]) -> list[dict[str, object]]:
    """A row for each comparison, split and measure, from experiment -> `SPLIT_MEASURE` -> values.

    Only columns that all experiments of a comparison have; only where two replicates are there.
    """
    rows: list[dict[str, object]] = []
    for names, comparisons in UNPLANNED.items():
        columns = product(SPLITS.values(), comparisons, MEASURES)
        for split, comparison, measure in columns:
            tables = [values[name].get(f"{split}_{measure}", {}) for name in names]
            merged = {key: of for table in reversed(tables) for key, of in table.items()}
            differences = comparison.differences(merged) if all(tables) else []
            row: dict[str, object] = {
                "split": split,
                "measure": measure,
                "experiments": " and ".join(names),
                "cell": comparison.cell,
                "comparison": comparison.name,
                "replicates": len(differences),
            }
            if len(differences) > 1:
                test = paired_difference(differences)
                rows.append(row | {n: f"{getattr(test, n):.4g}" for n in NUMBERS})
    return rows


def tables(results: Path) -> dict[str, dict[str, Values]]:
    """Experiment -> column -> the values of its table, without the trials of rates."""
    found: dict[str, dict[str, Values]] = {}
    for name in dict.fromkeys(name for names in UNPLANNED for name in names):
        columns: dict[str, dict[Key, dict[int, float]]] = {}
        with (results / f"{TABLES[name]}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            replicate, key = int(row["replicate"]), (row["cell"], row["arm"], row["reading"])
            for split, measure in product(SPLITS.values(), MEASURES):
                column = f"{split}_{measure}"
                if column in row and replicate != EXPERIMENTS[name].tuning_replicate:
                    columns.setdefault(column, {}).setdefault(key, {})[replicate] = float(
                        row[column]
                    )
        found[name] = dict(columns)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / TABLE)
    options = parser.parse_args()
    rows = unplanned(tables(RESULTS))
    write_rows(options.out, rows, list(rows[0]))


if __name__ == "__main__":
    main()
