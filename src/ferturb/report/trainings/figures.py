"""What was trained, in figures: the faces by emotion, and the curves of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ferturb.base.emotions import EMOTIONS
from ferturb.report.form.style import (
    INK,
    SPLITS,
    WIDTH,
    add_legend,
    colour_of,
    new_figure,
    new_panels,
)
from ferturb.report.run_results import RunResult


def class_distribution(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Figure 3: faces per emotion and split."""
    with new_figure(WIDTH, 3.1) as figure:
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
    return figure


def training_curves(runs: Sequence[RunResult], quantity: str) -> Figure:
    """Validation (bold) and training (thin) accuracy or loss by epoch; one panel per model."""
    models = sorted({run.config.model.name for run in runs})
    percent = 100.0 if quantity == "accuracy" else 1.0
    with new_panels(models, 2.5, sharey=True) as (panels, figure):
        for axes, model in zip(panels, models, strict=True):
            for run in [r for r in runs if r.config.model.name == model]:
                history = run.history
                colour = colour_of(run.config.method.name)
                epochs = [epoch["epoch"] for epoch in history]
                for kind, style in (
                    ("train", {"linewidth": 1.0, "alpha": 0.6, "linestyle": (0, (3, 2))}),
                    ("validation", {"linewidth": 1.8}),
                ):
                    values = [percent * epoch[f"{kind}_{quantity}"] for epoch in history]
                    axes.plot(epochs, values, color=colour, **style)
                    if kind == "validation" and run.done:
                        best = run.best_epoch
                        axes.plot(best, values[best - 1], "o", color=colour, markersize=5)
            axes.set_title(model)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("epoch")
        panels[0].set_ylabel("accuracy, %" if percent > 1 else "loss, nats")
        names = list(dict.fromkeys(r.config.method.name for r in runs))
        add_legend(
            figure, {**{n: colour_of(n) for n in names}, "validation": INK, "training": None}
        )
    return figure
