"""The profile of models at a glance, and what they lose by how much is left out."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferturb.evaluation.benchmark.protocol import (
    CONDITIONS,
    FEATURES,
    SEVERITIES,
    WHOLE,
    Condition,
)
from ferturb.evaluation.benchmark.scores import Entry
from ferturb.report.form.style import (
    BLUE,
    GREEN,
    GREY,
    HOLLOW,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    add_legend,
    draw_interval,
    new_figure,
    panels_on,
)

MODEL_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK, GREY)
MOST = len(MODEL_COLOURS)
"""Models that a figure tells apart."""
_LAST = len(SEVERITIES)


def glance() -> tuple[Condition, ...]:
    """The conditions of the profile: of what is left out the largest area alone."""
    return tuple(
        c
        for c in CONDITIONS
        if c.family in (WHOLE, "worn", "corrupted")
        or (c.family == "left out" and c.severity == _LAST)
    )


def heading(condition: Condition) -> str:
    """A condition in print.

    >>> heading(CONDITIONS[3]), heading(CONDITIONS[0]), heading(CONDITIONS[-1])
    ('brows, 20 %', 'whole faces', 'at random, as occluder')
    """
    if condition.key == WHOLE:
        return "whole faces"
    name = condition.key if not condition.severity else condition.what
    name = name.replace("random as", "at random, as")
    name = "at random" if name == "random" else name
    amount = f", {100 * SEVERITIES[condition.severity - 1]:.0f} %" if condition.severity else ""
    return name + amount


def profile(entries: Sequence[Entry]) -> Figure:
    """Accuracy by condition, a colour a model; hollow where as many pixels go at random."""
    shown, rows = entries[:MOST], glance()
    step = 0.8 / max(1, len(shown))
    with new_figure(WIDTH, 0.9 + len(rows) * max(0.24, 0.085 * len(shown))) as figure:
        axes = figure.subplots()
        for place, entry in enumerate(shown):
            for y, condition in enumerate(rows):
                score = entry.conditions[condition.key]
                at = y + (place - (len(shown) - 1) / 2) * step
                draw_interval(axes, score.accuracy, at, MODEL_COLOURS[place], 1.4, 4)
                if condition.control is not None:
                    control = entry.conditions[condition.control].accuracy.estimate
                    style = HOLLOW | {"color": MODEL_COLOURS[place], "markersize": 4}
                    axes.plot(100 * control, at, "o", **style)
        axes.set_yticks(range(len(rows)), [heading(condition) for condition in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("accuracy, %")
        axes.grid(visible=False, axis="y")
        for y in _borders(rows):
            axes.axhline(y - 0.5, color="#BBBBBB", linewidth=0.7)
        add_legend(figure, dict(zip([e.name for e in shown], MODEL_COLOURS, strict=False)))
    return figure


def severities(entries: Sequence[Entry]) -> Figure:
    """By facial feature, accuracy against the share of the face left out; dashed at random."""
    shown = entries[:MOST]
    with new_figure(WIDTH, 4.6) as figure:
        for axes, feature in zip(
            panels_on(figure, len(FEATURES), 4, sharey=True), FEATURES, strict=True
        ):
            axes.set_title(feature)
            for entry, colour in zip(shown, MODEL_COLOURS, strict=False):
                _lines(axes, entry, feature, colour)
            axes.set_xticks([0, *(100 * s for s in SEVERITIES)])
            axes.set_xlim(-1, 22)
        figure.supxlabel("of the face left out, %", fontsize=8.5)
        figure.supylabel("accuracy, %", fontsize=8.5)
        names = dict(zip([e.name for e in shown], MODEL_COLOURS, strict=False))
        add_legend(figure, {**names, "as much at random": None})
    return figure


def _lines(axes: Axes, entry: Entry, feature: str, colour: str) -> None:
    x = [0.0, *(100 * share for share in SEVERITIES)]
    for name, dashes in ((feature, "-"), ("random", (0, (3, 2)))):
        keys = [WHOLE, *(f"{name} {level}" for level in range(1, _LAST + 1))]
        y = [100 * entry.conditions[key].accuracy.estimate for key in keys]
        axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.6 if dashes == "-" else 1)


def _borders(rows: Sequence[Condition]) -> list[int]:
    """Where another family begins."""
    return [i for i in range(1, len(rows)) if rows[i].family != rows[i - 1].family]
