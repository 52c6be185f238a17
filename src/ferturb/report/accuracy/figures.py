"""How well the models do, in figures: confusions, reliability, differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation import metrics
from ferturb.evaluation.significance import Interval
from ferturb.report import published
from ferturb.report.form import style
from ferturb.report.form.tables import signed_points
from ferturb.report.groups import Comparison
from ferturb.report.model_results import ModelResult


def confusion_matrices(models: Sequence[ModelResult]) -> Figure:
    """Row-normalised confusion matrices in percent, up to three in a row."""
    with style.new_panels([m.model for m in models], 3.0, sharey=False) as (panels, figure):
        for axes, result in zip(panels, models, strict=True):
            _confusion(axes, result)
    return figure


def reliability(models: Sequence[ModelResult]) -> Figure:
    """Accuracy by confidence after temperature: one panel per model, one line per method.

    Bins with fewer than ten faces are left out.
    """
    names = list(dict.fromkeys(result.model for result in models))
    with style.new_panels(names, 3.2, sharey=True) as (panels, figure):
        for axes, name in zip(panels, names, strict=True):
            axes.plot([0, 100], [0, 100], **style.DASHED)
            for result in [m for m in models if m.model == name]:
                _reliability_line(axes, result)
            axes.set_title(name)
            axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="confidence, %", aspect="equal")
        panels[0].set_ylabel("accuracy, %")
        methods = {result.method: style.colour_of(result.method) for result in models}
        style.add_legend(figure, {**methods, "perfect": None})
    return figure


def differences(comparisons: Sequence[Comparison], with_paper: bool) -> Figure:
    """Change of accuracy against the baseline with its interval, one row a comparison.

    With the paper, the change of macro recall stands below it, and the paper's own, which is one of
    macro recall, hollow on the same line.
    """
    names = _names_apart([c.other for c in comparisons])
    apart = 0.14 if with_paper else 0.0
    height = 0.9 + (0.46 if with_paper else 0.34) * len(names)
    with style.new_figure(style.WIDTH, height) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=style.INK, linewidth=1)
        paper = False
        for y, c in enumerate(comparisons):
            style.draw_interval(axes, c.change.accuracy, y - apart, style.VERMILLION, 2.4, 7)
            if with_paper:
                style.draw_interval(axes, c.change.macro_recall, y + apart, style.BLUE, 2.4, 7)
            theirs = published.change_of(c.other.model, c.other.method) if with_paper else None
            if theirs is not None:
                axes.plot(theirs, y + apart, "D", markersize=6, **style.HOLLOW)
                paper = True
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.margins(x=0.08)
        drawn = ("accuracy", "macro_recall") if with_paper else ("accuracy",)
        _bound(axes, [[getattr(c.change, m) for m in drawn] for c in comparisons], paper)
        axes.grid(visible=False, axis="y")
        what = "accuracy and macro recall" if with_paper else "accuracy"
        axes.set_xlabel(f"change of {what} against the baseline, points (test split, 95 %)")
        if with_paper:
            axes.plot([], [], "o-", color=style.VERMILLION, label="accuracy")
            axes.plot([], [], "o-", color=style.BLUE, label="macro recall")
        if paper:
            label = "macro recall, paper"
            axes.plot([], [], "D", label=label, linestyle="", **style.HOLLOW)
        if with_paper:
            axes.legend(loc="best")
    return figure


def _bound(axes: Axes, changes: Sequence[Sequence[Interval]], paper: bool) -> None:
    """End the axis where most changes do; one far outside is an arrow with its number.

    `changes` are the intervals on each line. Far outside is further from zero than five times the
    median of the others' farther ends.
    """
    ends = [max(map(_end, own)) for own in changes]
    limit = 5 * float(np.median(ends))
    if paper or len(ends) < 3 or max(ends) <= limit:
        return
    within = max(end for end in ends if end <= limit)
    axes.set_xlim(-1.15 * within, 1.15 * within)
    for y, (own, end) in enumerate(zip(changes, ends, strict=True)):
        if end > limit:
            change = max(own, key=_end)
            side = np.sign(change.estimate)
            said = signed_points(change.estimate)
            words: Any = {"ha": "left" if side < 0 else "right", "va": "center", "fontsize": 8}
            arrow: Any = {"arrowstyle": "->", "color": style.VERMILLION}
            edge, inside = (side * 1.15 * within, y), (side * 0.9 * within, y)
            axes.annotate(said, edge, inside, arrowprops=arrow, color=style.VERMILLION, **words)


def _end(change: Interval) -> float:
    """How far from zero an interval reaches, in points."""
    return 100 * max(abs(change.low), abs(change.high))


def _reliability_line(axes: Axes, result: ModelResult) -> None:
    labels = np.tile(result.labels, len(result.logits))
    mean, right, count = metrics.reliability(labels, np.concatenate(result.scaled_logits))
    kept = count >= 10
    colour = style.colour_of(result.method)
    axes.plot(100 * mean[kept], 100 * right[kept], color=colour, linewidth=1.3)
    sizes = 6 + 110 * count[kept] / count.sum()
    axes.scatter(100 * mean[kept], 100 * right[kept], sizes, colour, clip_on=False)


def _names_apart(models: Sequence[ModelResult]) -> list[str]:
    """What tells results apart: the model, the method, or both."""
    if len({result.model for result in models}) == 1 < len(models):
        return [result.method for result in models]
    return [m.model if m.method == "perturb" else f"{m.model}, {m.method}" for m in models]


def _confusion(axes: Axes, result: ModelResult) -> None:
    counts = result.confusion
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (i, j), share in np.ndenumerate(shares):
        colour = "white" if share > 55 else style.INK
        axes.text(j, i, f"{share:.0f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=40, ha="right")
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set(xlabel="predicted", ylabel="label")
    axes.set_title(f"{result.model}, {result.method}")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
