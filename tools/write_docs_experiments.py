"""The tables of the experiments on leaving features out as Markdown, for `tools/write_docs.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import mean

from write_docs_results import change, csv_rows, table

from ferturb.data.readers.fer2013 import USAGES
from ferturb.report.published import figure_5_changes
from ferturb.study.arms import CLUSTERS_K

MEASURES = ("accuracy", "macro_recall")
SIZES = {"2000": "2,000 faces", "7000": "7,000 faces", "all": "28,709 faces"}


def leaving_out() -> str:
    """What each arm changes against whole faces, by training size: accuracy, then macro recall."""
    rows = _shown("leaving_out_changes.csv")
    by = {(r["arm"], r["reading"], r["cell"]): r for r in rows}
    arms = {(r["arm"], r["reading"]): float(r["hidden"]) for r in rows}
    several = {arm for arm, reading in arms if reading == "summed"}
    parts = []
    for measure in MEASURES:
        body = []
        for (arm, reading), hidden in sorted(arms.items(), key=lambda a: (a[1], a[0])):
            found = [by.get((arm, reading, size)) for size in SIZES]
            shown = [change(row, measure) if row else "" for row in found]
            words = f"`{arm}`" + (f", {reading}" if arm in several else "")
            body.append([words, f"{hidden:.0f}", *shown])
        parts.append(table([_words(measure), "hidden, %", *SIZES.values()], body))
    return "\n\n".join(parts)


def leaving_out_planned() -> str:
    """The comparisons that `results/plan_leaving_out.md` names."""
    return _planned("leaving_out")


def landmark_regions() -> str:
    """The comparisons that `results/plan_landmarks.md` names, as far as they are whole."""
    return _planned("leaving_out_landmarks")


def _planned(name: str) -> str:
    """A plan's comparisons on every split that was looked at; bold what holds after Holm."""
    found = [r for r in csv_rows(f"{name}_claims.csv") if r["replicates"] == r["of"]]
    splits = [s for s in SPLITS if any(r["split"] == s for r in found)]
    columns = [(measure, split) for measure in MEASURES for split in splits]
    by = {(r["measure"], r["split"], r["comparison"], r["cell"]): r for r in found}
    body = []
    for comparison, cell in dict.fromkeys((r["comparison"], r["cell"]) for r in found):
        there = [by.get((*column, comparison, cell)) for column in columns]
        words = re.sub(r"([\w-]+) \((\w+)\)", _reading, comparison).replace(" - ", " − ")
        primary = any(r and r["role"] == "primary" for r in there)
        shown = [_estimate(r) if r else "" for r in there]
        kept = [bool(r and r["p_holm"] and float(r["p_holm"]) < 0.05) for r in there]
        cells = [f"**{text}**" if holds else text for text, holds in zip(shown, kept, strict=True)]
        size = SIZES.get(cell, cell).removesuffix(" faces")
        body.append([words + (" (primary)" if primary else ""), size, *cells])
    heads = [f"{SPLITS[split]}: {_words(measure)}" for measure, split in columns]
    return table(["comparison", "faces", *heads], body)


SPLITS = {usage.lower(): usage for usage in USAGES[1:]}


def _reading(arm: re.Match[str]) -> str:
    return f"`{arm[1]}`" + (", summed" if arm[2] == "summed" else "")


def clusters_k() -> str:
    """What each number of clusters changes against whole faces, beside the paper's figure 5."""
    rows = {(r["arm"], r["reading"]): r for r in _shown("clusters_k_changes.csv")}
    arms = {CLUSTERS_K.arms[arm].method.clusters: arm for arm, _ in rows}
    columns = [(reading, measure) for reading in ("summed", "whole") for measure in MEASURES]
    paper = figure_5_changes()
    body = []
    for k, arm in sorted(arms.items()):
        shown = [change(rows[arm, reading], measure) for reading, measure in columns]
        hidden = f"{float(rows[arm, 'whole']['hidden']):.0f}"
        body.append([k, hidden, *shown, f"{paper[k]:+.1f}".replace("-", "−")])
    heads = [f"{READING[reading]}: {_words(measure)}" for reading, measure in columns]
    return table(["K", "hidden, %", *heads, "the paper's"], body, words=0)


READING = {"summed": "views summed", "whole": "whole face"}


RIVALS = {
    "hide-and-seek": "cells of a random grid, 40 % of the face, filled with the mean",
    "eac": "a rectangle erased from half of the faces, attention to a face and its mirror image "
    "alike",
    "eac-consistency": "`eac` without erasing",
    "grid-mask": "squares of a grid, 6 % of the face on average over the training",
    "eac-erasing": "the erasing of `eac` alone",
    "adl-random": "as `adl`, places drawn at random",
    "adl": "the most attended places of feature maps dropped",
    "mad-maps": "the network of `mad`, nothing dropped",
    "whole-2x": "whole faces",
    "mad": "one of two maps of attention dropped",
    "eac-labels": "erasing, labels on face and mirror image",
}


def rivals() -> str:
    """Methods that erase or drop, with 7,000 faces: each against whole faces at equal compute."""
    return _arms("rivals", "7000", "whole-2x", RIVALS)


def rivals_full() -> str:
    """The two best of them with all training faces and the strong recipe, likewise."""
    arms = ("whole-2x", "eac", "hide-and-seek")
    return _arms("rivals", "all-mixed", "whole-2x", {arm: RIVALS[arm] for arm in arms})


FORMS = {
    "grid-mean": "cells of a grid, 40 % of the face on average, grey",
    "grid-black": "such cells, black",
    "half-mean": "one rectangle, 38 % on average, grey",
    "half-black": "such a rectangle, black",
    "whole-4x": "nothing, four times the epochs",
    "whole": "nothing, the same epochs",
}


def forms() -> str:
    """A grid or a rectangle, grey or black."""
    return _arms("forms", "2000", "whole-4x", FORMS)


def _arms(name: str, cell: str, baseline: str, arms: Mapping[str, str]) -> str:
    """Arms of one cell on whole faces, the most accurate first: bold what holds after Holm."""
    seen = [r for r in csv_rows(f"{name}.csv") if r["cell"] == cell and r["reading"] == "whole"]
    found = {a: [r for r in seen if r["arm"] == a and r["replicate"] != TUNING] for a in arms}
    changed = _shown(f"{name}_changes.csv")
    split = changed[0]["split"]
    changes = {r["arm"]: r for r in changed if r["cell"] == cell and r["reading"] == "whole"}
    holds = {
        (r["measure"], r["comparison"])
        for r in _shown(f"{name}_claims.csv")
        if r["cell"] == cell and r["p_holm"] and float(r["p_holm"]) < 0.05
    }

    def shown(arm: str, measure: str) -> list[str]:
        values = [float(r[f"{split}_{measure}"]) for r in found[arm]]
        against = change(changes[arm], measure) if arm in changes else ""
        if (measure, f"{arm} (whole) - {baseline} (whole)") in holds:
            against = f"**{against}**"
        return [f"{mean(values):.1f}", against]

    body = [
        [
            f"`{arm}`: {arms[arm]}",
            *shown(arm, "accuracy"),
            *shown(arm, "macro_recall"),
            f"{mean(float(r['training_accuracy']) for r in found[arm]):.1f}",
        ]
        for arm in sorted(arms, key=lambda a: -float(shown(a, "accuracy")[0]))
    ]
    against = f"against `{baseline}`"
    heads = ["accuracy, %", against, "macro recall, %", against, "right on training faces, %"]
    return table(["arm", *heads], body)


TUNING = "100"
"""The replicate that chooses the learning rates, and nothing else."""


def _shown(name: str) -> list[dict[str, str]]:
    """The rows of what a table reports: PrivateTest, once it has been looked at."""
    rows = csv_rows(name)
    return [r for r in rows if r["split"] == rows[-1]["split"]]


def _words(measure: str) -> str:
    return measure.replace("_", " ")


def _estimate(row: Mapping[str, str]) -> str:
    """A claim's difference with its interval, in points."""
    return change({**row, "estimate_low": row["low"], "estimate_high": row["high"]}, "estimate")
