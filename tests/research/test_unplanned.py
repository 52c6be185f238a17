"""Comparisons that no plan names, and what the text says of every comparison."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest

from ferturb.study.arms import EXPERIMENTS
from research.claims import Values
from research.readings import MEASURES
from research.recompute import RESULTS
from research.unplanned import TABLE, UNPLANNED, unplanned
from tests.research.test_recompute import agree, in_table, rows

TABLES = {
    "leaving-out": "leaving_out",
    "landmarks": "leaving_out_landmarks",
    "rivals": "rivals",
    "forms": "forms",
    "clusters": "clusters_k",
    "precision": "precision",
}
"""Experiment -> its table."""
NUMBER = r"[+−]?\d+\.\d"
INTERVAL = re.compile(
    rf"({NUMBER})(?: points?(?: of (?:accuracy|macro recall))?)? \[({NUMBER}), ({NUMBER})\]"
)


def test_they_are_those_of_the_tables() -> None:
    kept = rows(TABLE)
    made: list[dict[str, object]] = []
    names = [name for name in TABLES if any(name in of for of in UNPLANNED)]
    found = {name: rows(f"{TABLES[name]}.csv") for name in names}
    for split in dict.fromkeys(row["split"] for row in kept):
        values = {
            name: {m: in_table(found[name], EXPERIMENTS[name], f"{split}_{m}") for m in MEASURES}
            for name in names
        }
        made += [{"split": split, **row} for row in unplanned(values)]
    agree(made, kept)


def test_arms_of_two_experiments_meet_in_the_replicates_of_both() -> None:
    first: Values = {("7000", "k6", "whole"): {0: 50.0, 1: 52.0, 2: 55.0}}
    second: Values = {
        ("7000", "whole-4x", "whole"): {0: 49.0, 2: 52.0, 3: 1.0},
        ("7000", "k6", "whole"): {0: 0.0},
    }
    nothing: dict[str, Values] = {m: {} for m in MEASURES}
    given = dict.fromkeys(TABLES, nothing)
    given |= {"clusters": dict.fromkeys(MEASURES, first)}
    given |= {"leaving-out": dict.fromkeys(MEASURES, second)}
    (accuracy, recall) = unplanned(given)
    assert accuracy["comparison"] == "k6 (whole) - whole-4x (whole)"
    assert (accuracy["replicates"], accuracy["estimate"]) == (2, "2")
    assert recall["experiments"] == "clusters and leaving-out"


def test_none_of_them_is_planned() -> None:
    from research.claims import COMPARISONS

    for names, comparisons in UNPLANNED.items():
        planned = {c.pairs for c in COMPARISONS[names[0]]}
        assert not planned & {c.pairs for c in comparisons}, names


@pytest.mark.parametrize(
    ("page", "end"),
    [("controls", "## In a network that still underfits"), ("reproduction", "## Table 1:")],
)
def test_every_interval_of_the_text_is_in_a_table(page: str, end: str) -> None:
    """Of the split that the tables show: PrivateTest, once it has been looked at."""
    text = (RESULTS.parent / "docs" / f"{page}.md").read_text(encoding="utf-8")
    before, ended, _ = text.partition(end)
    assert ended
    prose = re.sub(r"<!-- made.*?<!-- end -->|\|.*?\|\n", "", before, flags=re.S)
    words = re.sub(r"\s+", " ", prose)
    said, known = INTERVAL.findall(words), list(published())
    assert len(said) > 1
    for one in said:
        triple = [float(n.replace("−", "-")) for n in one]
        mirrored = [-triple[0], -triple[2], -triple[1]]
        assert any(near(triple, row) or near(mirrored, row) for row in known), one


def near(said: list[float], found: list[float]) -> bool:
    """Equal but for rounding to one decimal."""
    return all(abs(a - b) < 0.0501 for a, b in zip(said, found, strict=True))


def published() -> Iterator[list[float]]:
    """Every difference with its interval, in points; slopes also by doubling."""
    names = [*(f"{t}_{kind}" for t in TABLES.values() for kind in ("claims", "changes"))]
    for name in (*names, TABLE.removesuffix(".csv")):
        found = rows(f"{name}.csv")
        for row in (row for row in found if row["split"] == found[-1]["split"]):
            if "estimate" not in row:
                for m in MEASURES:
                    yield [float(row[m + end] or "nan") for end in ("", "_low", "_high")]
            elif row["estimate"]:
                triple = [float(row[n]) for n in ("estimate", "low", "high")]
                yield triple
                if row["comparison"].startswith("slope"):
                    yield [math.log(2) * n for n in triple]
