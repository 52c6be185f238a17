"""The leaderboard of docs/benchmark.md, from the entries in results/benchmark/."""

from __future__ import annotations

from write_docs_results import RESULTS, table

from ferturb.evaluation.benchmark.entries import read_entry
from ferturb.evaluation.benchmark.protocol import FEATURES, SEVERITIES, WORN
from ferturb.evaluation.benchmark.scores import Entry
from ferturb.evaluation.significance import Interval


def entries() -> list[Entry]:
    """Every entry, the most accurate on the mean of all conditions first."""
    found = [read_entry(path) for path in sorted((RESULTS / "benchmark").glob("*.json"))]
    return sorted(found, key=lambda e: -e.relative_accuracy.estimate * e.whole.accuracy.estimate)


def leaderboard() -> str:
    """One row a model, and what each is."""
    found = entries()
    headings = ["model", "whole, %", "hidden or corrupted, %", "relative, %", "excess, points", "n"]
    rows = [
        [
            e.name,
            _share(e.whole.accuracy),
            f"{100 * e.relative_accuracy.estimate * e.whole.accuracy.estimate:.1f}",
            _share(e.relative_accuracy),
            _share(e.excess, "+"),
            f"{e.n:,}",
        ]
        for e in found
    ]
    about = [f"- {e.name}: {e.model['what']}; trained on: {e.model['trained on']}." for e in found]
    return "\n\n".join([table(headings, rows), "\n".join(about)])


def leaderboard_conditions() -> str:
    """Accuracy where most is hidden, and where pictures are bad; calibration and abstention."""
    found, last = entries(), len(SEVERITIES)
    keys = ["whole", *(f"{f} {last}" for f in FEATURES), f"random {last}"]
    keys += [*WORN, "blur", "noise", "light", "low resolution", "rotation", "crop error"]
    names = [e.name for e in found]
    accuracy = [[_named(key), *(_share(e.conditions[key].accuracy) for e in found)] for key in keys]
    trust = []
    for entry in found:
        whole, mask = entry.whole, entry.conditions["mask"]
        cells = [_share(one) for c in (whole, mask) for one in (c.ece, c.answered, c.right)]
        trust.append([entry.name, *cells])
    heads = [f"{m}, {w}, %" for w in ("whole", "mask") for m in ("ECE", "answered", "of it right")]
    listed = [
        [e.name, str(row["list"]).replace("_", " "), _share(Interval(*row["accuracy"])), row["n"]]
        for e in found
        for row in e.listed
        if row["faces"] == "listed"
    ]
    parts = [table(["faces", *names], accuracy), table(["model", *heads], trust)]
    if listed:
        parts.append(table(["model", "really", "accuracy, %", "n"], listed, words=2))
    return "\n\n".join(parts)


def _named(key: str) -> str:
    what, _, level = key.rpartition(" ")
    return f"{what}, 20 %".replace("random", "at random") if level == "3" else key


def _share(value: Interval, sign: str = "") -> str:
    cells = (f"{100 * v:{sign}.1f}" for v in (value.estimate, value.low, value.high))
    middle, low, high = (cell.replace("-", "−") for cell in cells)
    return f"{middle} [{low}, {high}]"
