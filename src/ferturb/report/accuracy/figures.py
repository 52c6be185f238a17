"""How well the models do, in figures: curves, confusions, reliability, differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation import metrics
from ferturb.report import published
from ferturb.report.form.style import (
    INK,
    SPLITS,
    VERMILLION,
    WIDTH,
    add_legend,
    colour_of,
    new_figure,
    new_panels,
)
from ferturb.report.results import Arm, Comparison
from ferturb.runs.run import Run


def class_distribution(counts: Mapping[str, Mapping[str, int]]) -> bytes:
    """Figure 3: faces per emotion and split."""
    with new_figure(WIDTH, 3.1) as (figure, out):
        axes = figure.subplots()
        base = np.zeros(len(EMOTIONS))
        for split, colour in SPLITS.items():
            values = np.array([counts[split][emotion] for emotion in EMOTIONS], dtype=float)
            axes.bar(EMOTIONS, values, 0.66, bottom=base, color=colour, label=split)
            base += values
        for i, total in enumerate(base):
            share = f"{int(total):,}\n{100 * total / max(base.sum(), 1):.1f} %"
            axes.text(i, total, share, ha="center", va="bottom", fontsize=8, linespacing=1.25)
        axes.set_ylim(0, max(base.max(), 1) * 1.2)
        axes.set_ylabel("faces")
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.legend(ncols=3, loc="upper left")
    return out.getvalue()


def training_curves(runs: Sequence[Run], quantity: str) -> bytes:
    """Validation (bold) and training (thin) accuracy or loss by epoch; one panel per model."""
    models = sorted({run.config.model.name for run in runs})
    percent = 100.0 if quantity == "accuracy" else 1.0
    with new_panels(models, 2.5, sharey=True) as (panels, figure, out):
        for axes, model in zip(panels, models, strict=True):
            for run in [r for r in runs if r.config.model.name == model]:
                history = run.history()
                colour = colour_of(run.config.method.name)
                epochs = [epoch["epoch"] for epoch in history]
                for kind, style in (
                    ("train", {"linewidth": 1.0, "alpha": 0.6, "linestyle": (0, (3, 2))}),
                    ("validation", {"linewidth": 1.8}),
                ):
                    values = [percent * epoch[f"{kind}_{quantity}"] for epoch in history]
                    axes.plot(epochs, values, color=colour, **style)
                    if kind == "validation" and run.done:
                        best = int(run.record()["best_epoch"])
                        axes.plot(best, values[best - 1], "o", color=colour, markersize=5)
            axes.set_title(model)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("epoch")
        panels[0].set_ylabel("accuracy, %" if percent > 1 else "loss, nats")
        names = list(dict.fromkeys(r.config.method.name for r in runs))
        add_legend(
            figure, {**{n: colour_of(n) for n in names}, "validation": INK, "training": None}
        )
    return out.getvalue()


def confusion_matrices(arms: Sequence[Arm]) -> bytes:
    """Row-normalised confusion matrices in percent, up to three in a row."""
    with new_panels([arm.model for arm in arms], 3.0, sharey=False) as (panels, _, out):
        for axes, arm in zip(panels, arms, strict=True):
            _confusion(axes, arm)
    return out.getvalue()


def reliability(arms: Sequence[Arm]) -> bytes:
    """Accuracy by confidence after temperature: one panel per model, one line per method.

    Bins with fewer than ten faces are left out.
    """
    models = list(dict.fromkeys(arm.model for arm in arms))
    with new_panels(models, 3.2, sharey=True) as (panels, figure, out):
        for axes, model in zip(panels, models, strict=True):
            axes.plot([0, 100], [0, 100], color=INK, linewidth=1, linestyle=(0, (3, 2)))
            for arm in [a for a in arms if a.model == model]:
                labels = np.tile(arm.labels, len(arm.logits))
                pairs = zip(arm.logits, arm.temperatures, strict=True)
                logits = np.concatenate([z / t for z, t in pairs])
                mean, right, count = metrics.reliability(labels, logits)
                kept = count >= 10
                colour = colour_of(arm.method)
                axes.plot(100 * mean[kept], 100 * right[kept], color=colour, linewidth=1.3)
                sizes = 6 + 110 * count[kept] / count.sum()
                axes.scatter(100 * mean[kept], 100 * right[kept], sizes, colour, clip_on=False)
            axes.set_title(model)
            axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="confidence, %", aspect="equal")
        panels[0].set_ylabel("accuracy, %")
        names = list(dict.fromkeys(arm.method for arm in arms))
        add_legend(figure, {**{n: colour_of(n) for n in names}, "perfect": None})
    return out.getvalue()


def differences(comparisons: Sequence[Comparison], with_paper: bool) -> bytes:
    """Change of accuracy against the baseline with its interval; hollow: the paper's."""
    names = _names_apart([c.other for c in comparisons])
    with new_figure(WIDTH, 0.9 + 0.34 * len(names)) as (figure, out):
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1)
        for y, c in enumerate(comparisons):
            change = c.change.accuracy
            ends = (100 * change.low, 100 * change.high)
            axes.plot(ends, [y, y], color=VERMILLION, linewidth=2.4)
            axes.plot(100 * change.estimate, y, "o", color=VERMILLION, markersize=7)
            family = published.family(c.other.model) if c.other.method == "perturb" else None
            theirs = published.change(family) if with_paper and family else None
            if theirs is not None:
                axes.plot(theirs, y, "D", color=INK, markerfacecolor="white", markersize=6)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.margins(x=0.08)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("change of accuracy against the baseline, points (test split, 95 %)")
        if with_paper and any(
            published.change(published.family(c.other.model) or "") is not None for c in comparisons
        ):
            axes.plot([], [], "D", color=INK, markerfacecolor="white", label="paper", linestyle="")
            axes.plot([], [], "o-", color=VERMILLION, label="this study")
            axes.legend(loc="best")
    return out.getvalue()


def _names_apart(arms: Sequence[Arm]) -> list[str]:
    """What tells arms apart: the model, the method, or both."""
    if len({arm.model for arm in arms}) == 1 < len(arms):
        return [arm.method for arm in arms]
    return [a.model if a.method == "perturb" else f"{a.model}, {a.method}" for a in arms]


def _confusion(axes: Axes, arm: Arm) -> None:
    counts = arm.confusion
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(shares.shape):
        colour = "white" if shares[i, j] > 55 else INK
        text = f"{shares[i, j]:.0f}"
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=40, ha="right")
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set(xlabel="predicted", ylabel="label")
    axes.set_title(f"{arm.model}, {arm.method}")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
