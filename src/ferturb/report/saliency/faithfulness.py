"""What the report says of the faithfulness of saliency maps: a table and the curves behind it."""

from __future__ import annotations

from collections.abc import Mapping

from ferturb.evaluation.saliency.benchmark import (
    Benchmark,
    MethodScore,
    chance_of_naming,
    summarise,
)
from ferturb.evaluation.significance import Interval
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Cell, Column, Table
from ferturb.report.saliency.figures import faithfulness_curves

_CURVES = 3


def judged_items(found: Mapping[str, Benchmark]) -> tuple[Table | Picture, ...]:
    """A table and the curves of judgements by the model's name; () where there are none."""
    return (faithfulness_table(found), _curves_picture(found)) if found else ()


TERMINAL = ("saliency", "deletion", "insertion", "points %", "names %", "rank corr.", "SSIM")
"""The columns of a terminal's table."""


def terminal_row(row: MethodScore) -> list[str]:
    """One row of a terminal's table."""

    def shown(value: Interval | None, scale: float = 1.0, digits: int = 2) -> str:
        return "–" if value is None else f"{scale * value.estimate:.{digits}f}"

    return [
        row.method,
        shown(row.deletion, digits=3),
        shown(row.insertion, digits=3),
        shown(row.pointing, 100, 0),
        shown(row.names_right, 100, 0),
        shown(row.correlation),
        shown(row.similarity),
    ]


def faithfulness_table(found: Mapping[str, Benchmark]) -> Table:
    """One row per model and saliency method, the maps that know nothing last."""
    known = any(len(judgement.planted) for judgement in found.values())
    rows: list[tuple[Cell, ...]] = []
    for name, judgement in found.items():
        for s in summarise(judgement):
            named = (s.names_right, s.points_right) if known else ()
            head = (name, s.method, s.n, s.deletion, s.insertion, s.pointing)
            rows.append((*head, *named, s.correlation, s.similarity))
    truth = (
        Column("names_right", "names, %", group="carrying feature", scale=100, digits=0),
        Column("points_right", "points to, %", group="carrying feature", scale=100, digits=0),
    )
    columns = (
        Column("model", "Model"),
        Column("saliency", "Saliency"),
        Column("n", "Faces"),
        Column("deletion", "deletion", group="area under curve", digits=3),
        Column("insertion", "insertion", group="area under curve", digits=3),
        Column("pointing", "Points to eyes, brows, nose, mouth, %", scale=100, digits=0),
        *(truth if known else ()),
        Column("correlation", "rank corr.", group="random weights", digits=2),
        Column("similarity", "SSIM", group="random weights", digits=2),
    )
    title = "Faithfulness of the saliency methods"
    return Table("faithfulness", title, columns, tuple(rows), _faithfulness_note(found))


def _faithfulness_note(found: Mapping[str, Benchmark]) -> str:
    fills = ", ".join(dict.fromkeys(str(j.record["fill"]) for j in found.values()))
    note = (
        "Area under the curve of the mean probability of the labelled emotion while pixels are "
        "left out (deletion, lower is better) or put in (insertion, higher is better), most "
        f"salient first; filled: {fills}. Random weights: how alike the maps are before and "
        "after the weights are shuffled; near 0 shows that a map depends on what was learnt. "
        "“random” are smooth blobs and “centre” a Gaussian in the middle: they know nothing of "
        "the model. 95 % intervals over faces."
    )
    chances = [chance_of_naming(j) for j in found.values()]
    known = [chance for chance in chances if chance is not None]
    if known:
        note += (
            " Carrying feature: how often the feature with the most mass for its area, or the one "
            "with the maximum, is one whose action units carry the emotion; a random feature "
            f"is in {100 * sum(known) / len(known):.0f} % (neutral, which no feature carries, is "
            "left out)."
        )
    return note


def _curves_picture(found: Mapping[str, Benchmark]) -> Picture:
    shown = dict(list(found.items())[:_CURVES])
    caption = (
        "Mean probability of the labelled emotion while the most salient pixels are left out "
        "(left; it should fall fast) or put in (right; it should rise fast). Dashed and dotted: "
        "maps that know nothing of the model."
    )
    if len(found) > len(shown):
        caption += f" The first {len(shown)} of {len(found)}; the table has all."
    parts = []
    for name, judgement in shown.items():
        best = min(summarise(judgement), key=lambda row: row.deletion.estimate)
        smallest = f"the smallest area under the deletion curve, {best.deletion.estimate:.3f}"
        parts.append(f"{name}: {best.method} has {smallest}.")
    prints = prints_of(faithfulness_curves(shown))
    title = "Deletion and insertion curves"
    return Picture("faithfulness_curves", title, caption, " ".join(parts), prints)
