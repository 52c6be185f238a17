"""The comparisons that the plans name, over the replicates that there are.

Differences are in points, of one measure, paired by replicate; the interval is the t interval
(`research.replicates`). Holm's correction is over the primary comparisons of a plan, over its
secondary ones, and over those of the size `all-mixed` by themselves; only when all of such a family
can be made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ferturb.evaluation.significance import holm
from ferturb.study.arms import IN_BOTH
from ferturb.study.experiments import Experiment
from research.readings import Key, Reading
from research.replicates import PairedDifference, paired_difference, slope_over

Values = Mapping[Key, Mapping[int, float]]
"""(cell, arm, reading) -> replicate -> percent."""


@dataclass(frozen=True)
class Comparison:
    """Pairs of arms of one cell, each arm with its reading; replicates of all pairs together."""

    pairs: tuple[tuple[Key, Key], ...]
    primary: bool = False
    title: str = ""
    """What several pairs are called; a single one says itself what it is."""

    @property
    def cell(self) -> str:
        """Where it is made."""
        return self.pairs[0][0][0]

    @property
    def name(self) -> str:
        """In words."""
        ours, theirs = (f"{arm} ({reading})" for _, arm, reading in self.pairs[0])
        return self.title or f"{ours} - {theirs}"

    def differences(self, values: Values) -> list[float]:
        """Of the replicates that both of a pair have, in order, pair by pair."""
        return [d for pair in self.pairs for d in differences(values, *pair)]


def against(cell: str, *pairs: str) -> tuple[Comparison, ...]:
    """From "arm - arm", both on whole faces; an arm may be "arm summed"."""

    def key(text: str) -> Key:
        arm, _, reading = text.strip().partition(" ")
        return cell, arm, reading or "whole"

    sides = (pair.split(" - ") for pair in pairs)
    return tuple(Comparison(((key(ours), key(theirs)),)) for ours, theirs in sides)


RIVALS = ("eac", "mad", "adl", "hide-and-seek", "grid-mask")
SIZES = ("2000", "7000")
CONTROLS = ("rectangle", "landmarks-of-others")
"""Of the arm with landmarks: the dose anywhere, and at the places of another face's features."""
IN_FLOAT32 = against("2000", *(f"{arm}-float32 - {arm}" for arm in IN_BOTH))
COMPARISONS: dict[str, tuple[Comparison, ...]] = {
    "leaving-out": (
        *(replace(c, primary=True) for c in against("7000", "all-views summed - whole-4x")),
        *against(
            "7000",
            "all-views summed - whole",
            "all-views summed - random-regions summed",
            "one-view - rectangle",
            "light - whole",
        ),
    ),
    "landmarks": (
        *(replace(c, primary=True) for n in SIZES for c in against(n, "landmarks - whole-4x")),
        *against("2000", *(f"landmarks - {other}" for other in (*CONTROLS, "one-view"))),
        *against("7000", *(f"landmarks - {other}" for other in CONTROLS)),
    ),
    "rivals": (
        *(replace(c, primary=True) for c in against("7000", *(f"{r} - whole-2x" for r in RIVALS))),
        *against(
            "7000",
            "eac - eac-erasing",
            "eac - eac-consistency",
            "eac - eac-labels",
            "mad - mad-maps",
            "adl - adl-random",
        ),
        *against("all-mixed", *(f"{rival} - whole-2x" for rival in RIVALS)),
    ),
    "forms": (
        *(replace(c, primary=True) for c in against("2000", "grid-mean - whole-4x")),
        *against(
            "2000",
            "grid-mean - half-mean",
            "grid-black - half-black",
            "grid-mean - grid-black",
            "half-mean - half-black",
        ),
    ),
    "precision": (
        Comparison(
            tuple(pair for c in IN_FLOAT32 for pair in c.pairs),
            primary=True,
            title="float32 - bfloat16, pairs of all arms",
        ),
        *IN_FLOAT32,
        *against(
            "2000",
            *(
                f"{arm} - {whole}"
                for arm in ("all-views summed", "light")
                for whole in ("whole", "whole-float32")
            ),
        ),
    ),
    "clusters": against(
        "7000",
        *(
            f"{arm} {reading} - whole"
            for arm in ("k1", "k2", "one-view", "k4", "k5", "k6")
            for reading in ("summed", "whole")
        ),
    ),
}
"""Experiment -> what its plan compares."""


def values_of(readings: Sequence[Reading], measure: str) -> dict[Key, dict[int, float]]:
    """A measure, e.g. `publictest_accuracy`, by replicate."""
    values: dict[Key, dict[int, float]] = {}
    for r in readings:
        values.setdefault(r.key, {})[r.replicate] = r.scores[measure]
    return values


def differences(values: Values, first: Key, second: Key) -> list[float]:
    """Of the replicates that both have, in order."""
    ours, theirs = values.get(first, {}), values.get(second, {})
    return [ours[r] - theirs[r] for r in sorted(set(ours) & set(theirs))]


def claims(name: str, experiment: Experiment, values: Values) -> list[dict[str, object]]:
    """One row a comparison; without numbers where fewer than two replicates are there.

    Arms that a cell chooses by what was found are left out until they are there.
    """
    planned = {cell: len(replicates) for cell, replicates in experiment.cell_replicates().items()}
    rows, tests = [], list[PairedDifference | None]()
    for c in COMPARISONS[name]:
        found = c.differences(values)
        if found or experiment.cells[c.cell].best is None:
            tests.append(paired_difference(found) if len(found) > 1 else None)
            of = len(c.pairs) * planned[c.cell]
            rows.append(_head(c.cell, c.name, c.primary, len(found), of))
    if name == "leaving-out":
        found_in = {cell: differences(values, *_slope(cell)) for cell in planned}
        places = [math.log(experiment.cells[cell].faces or ALL) for cell in planned]
        known = all(len(found) > 1 for found in found_in.values())
        tests.append(slope_over(places, list(found_in.values())) if known else None)
        there = sum(map(len, found_in.values()))
        title = "slope of one-view (whole) - whole (whole) on log n"
        rows.append(_head("all sizes", title, False, there, sum(planned.values())))
    return _with_tests(rows, tests)


ALL = 28_709
"""Training faces of FER2013."""


def _slope(cell: str) -> tuple[Key, Key]:
    """The two whose difference, on the logarithm of the number of faces, is a planned slope."""
    return (cell, "one-view", "whole"), (cell, "whole", "whole")


def _head(cell: str, name: str, primary: bool, there: int, planned: int) -> dict[str, object]:
    role = "primary" if primary else "secondary"
    return {"cell": cell, "role": role, "comparison": name, "replicates": there, "of": planned}


def _with_tests(
    rows: list[dict[str, object]], tests: Sequence[PairedDifference | None]
) -> list[dict[str, object]]:
    """The rows with their numbers, and Holm's p within a family of which all are there."""
    families: dict[tuple[object, bool], list[int]] = {}
    for i, row in enumerate(rows):
        families.setdefault((row["role"], row["cell"] == "all-mixed"), []).append(i)
    corrected: dict[int, float] = {}
    for members in families.values():
        p = [t.p for i in members if (t := tests[i]) is not None]
        if len(p) == len(members):
            corrected |= dict(zip(members, holm(p), strict=True))
    for i, (row, test) in enumerate(zip(rows, tests, strict=True)):
        numbers = ("estimate", "low", "high", "p", "p_equivalence")
        row |= {n: "" if test is None else f"{getattr(test, n):.4g}" for n in numbers}
        row["p_holm"] = f"{corrected[i]:.4g}" if i in corrected else ""
    return rows
