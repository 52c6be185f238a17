"""Comparisons that no plan names, and what the text says of every comparison."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest

from ferturb.data.readers.fer2013 import USAGES
from research.claims import Values
from research.readings import MEASURES, SPLITS
from research.recompute import RESULTS
from research.unplanned import TABLE, TABLES, UNPLANNED, tables, unplanned
from tests.research.test_recompute import agree, rows

NUMBER = r"[+−]?\d+\.\d"
INTERVAL = re.compile(
    rf"(?:({'|'.join(USAGES[1:])}) )?({NUMBER})"
    rf"(?: points?(?: of (?:accuracy|macro recall))?)? \[({NUMBER}), ({NUMBER})\]"
)


def test_they_are_those_of_the_tables() -> None:
    agree(unplanned(tables(RESULTS)), rows(TABLE))


def test_arms_of_two_experiments_meet_in_the_replicates_of_both() -> None:
    first = {("7000", "k6", "whole"): {0: 50.0, 1: 52.0, 2: 55.0}}
    second = {
        ("7000", "whole-4x", "whole"): {0: 49.0, 2: 52.0, 3: 1.0},
        ("7000", "k6", "whole"): {0: 0.0},
    }
    given: dict[str, dict[str, Values]] = {name: {} for name in TABLES}
    looked_at = [f"{split}_{m}" for split in SPLITS.values() for m in MEASURES]
    given |= {"clusters": dict.fromkeys(looked_at, first)}
    given |= {"leaving-out": dict.fromkeys(looked_at[: len(MEASURES)], second)}
    (accuracy, recall) = unplanned(given)
    assert accuracy["comparison"] == "k6 (whole) - whole-4x (whole)"
    assert (accuracy["replicates"], accuracy["estimate"]) == (2, "2")
    assert (accuracy["split"], recall["split"]) == ("publictest", "publictest")
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
    """Of the split that it names, or that the tables show: PrivateTest, once that was read."""
    text = (RESULTS.parent / "docs" / f"{page}.md").read_text(encoding="utf-8")
    before, ended, _ = text.partition(end)
    assert ended
    prose = re.sub(r"<!-- made.*?<!-- end -->|\|.*?\|\n", "", before, flags=re.S)
    words = re.sub(r"\s+", " ", prose)
    said = INTERVAL.findall(words)
    known = {split: list(published(split.lower())) for split in ("", *USAGES[1:])}
    assert len(said) > 1
    for split, *one in said:
        triple = [float(n.replace("−", "-")) for n in one]
        mirrored = [-triple[0], -triple[2], -triple[1]]
        assert any(near(triple, row) or near(mirrored, row) for row in known[split]), one


def near(said: list[float], found: list[float]) -> bool:
    """Equal but for rounding to one decimal."""
    return all(abs(a - b) < 0.0501 for a, b in zip(said, found, strict=True))


def published(split: str) -> Iterator[list[float]]:
    """Every difference of a split (of the last one that is there, if empty) with its interval, in
    points; slopes also by doubling."""
    for name in TABLES.values():
        found = rows(f"{name}_changes.csv")
        for row in (row for row in found if row["split"] == (split or found[-1]["split"])):
            for m in MEASURES:
                yield [float(row[m + end] or "nan") for end in ("", "_low", "_high")]
        yield from _estimates(rows(f"{name}_claims.csv"), split)
    alike: dict[str, list[dict[str, str]]] = {}
    for row in rows(TABLE):
        alike.setdefault(row["experiments"], []).append(row)
    for found in alike.values():
        yield from _estimates(found, split)


def _estimates(found: list[dict[str, str]], split: str) -> Iterator[list[float]]:
    """Of a split, or of the last one that is there."""
    shown = split or found[-1]["split"]
    for row in (row for row in found if row["split"] == shown and row["estimate"]):
        triple = [float(row[n]) for n in ("estimate", "low", "high")]
        yield triple
        if row["comparison"].startswith("slope"):
            yield [math.log(2) * n for n in triple]
