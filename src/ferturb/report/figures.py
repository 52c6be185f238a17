"""The figures of a study, as PNG at twice the page's resolution.

One style for all; colours from Okabe and Ito, which colour-blind readers can tell apart; drawn by
matplotlib's Agg without its global state, so that the same numbers give the same file.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Int64, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation import metrics
from ferturb.perturb.views import views_of
from ferturb.report import paper
from ferturb.report.results import Arm, Comparison
from ferturb.runs.run import Run

WIDTH = 9.0
"""Inches; 100 CSS pixels each on the page."""
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, INK, GREY = "#E69F00", "#56B4E9", "#222222", "#8A8A8A"
CLUSTERS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, "#F0E442", GREY)
SPLITS = {"train": BLUE, "validation": ORANGE, "test": GREEN}
_METHODS = {"baseline": BLUE, "perturb": VERMILLION, "attention": GREEN}

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": "#BBBBBB",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class Picture:
    """One figure: its file name without ending, its words, and its PNG."""

    key: str
    title: str
    caption: str
    alt: str
    """What a reader who can't see it needs to know."""
    png: bytes

    @property
    def width(self) -> int:
        """Width on the page in CSS pixels: half of the file's (its header's bytes 16 to 19)."""
        return int.from_bytes(self.png[16:20], "big") // 2


def class_distribution(counts: Mapping[str, Mapping[str, int]]) -> bytes:
    """Figure 3: faces per emotion and split."""
    with _figure(WIDTH, 3.1) as (figure, out):
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


def clusters_left_out(
    face: UInt8[Tensor, "h w"], maps: Mapping[str, Int64[np.ndarray, "h w"]], mark: str = ""
) -> bytes:
    """Figure 4: a face, the cluster map of each run over it, and its K+1 views.

    `maps` goes from the run's name in print to its cluster map; `mark` is printed below.
    """
    ks = {name: int(found.max()) + 1 for name, found in maps.items()}
    columns = 2 + max(ks.values())
    width = min(WIDTH, 1.75 * columns)
    with _figure(width, len(maps) * (width / columns + 0.3) + 0.1) as (figure, out):
        grid = figure.subplots(len(maps), columns, squeeze=False)
        for row, (name, found) in zip(grid, maps.items(), strict=True):
            batch = face.float().div(255)[None, None]
            views = views_of(batch, torch.from_numpy(found)[None], ks[name])[0, :, 0].numpy()
            _face(row[0], views[-1], "the face")
            _face(row[1], views[-1], "clusters")
            colours = ListedColormap(CLUSTERS[: ks[name]])
            row[1].imshow(found % len(CLUSTERS), cmap=colours, alpha=0.55, interpolation="nearest")
            for j in range(columns - 2):
                if j < ks[name]:
                    _face(row[2 + j], views[j], f"without {j + 1}", CLUSTERS[j % len(CLUSTERS)])
                else:
                    row[2 + j].axis("off")
            row[0].set_ylabel(name, fontsize=8.5, fontweight="bold")
        if mark:
            figure.supxlabel(mark, color="#B00020", fontsize=8.5, fontweight="bold")
    return out.getvalue()


def training_curves(runs: Sequence[Run], quantity: str) -> bytes:
    """Validation (bold) and training (thin) accuracy or loss by epoch; one panel per model."""
    models = sorted({run.config.model.name for run in runs})
    percent = 100.0 if quantity == "accuracy" else 1.0
    with _panels(models, 2.5, sharey=True) as (panels, figure, out):
        for axes, model in zip(panels, models, strict=True):
            for run in [r for r in runs if r.config.model.name == model]:
                history = run.history()
                colour = _colour(run.config.method.name)
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
        _legend(figure, {**{n: _colour(n) for n in names}, "validation": INK, "training": None})
    return out.getvalue()


def confusion_matrices(arms: Sequence[Arm]) -> bytes:
    """Row-normalised confusion matrices in percent, up to three in a row."""
    with _panels([arm.model for arm in arms], 3.0, sharey=False) as (panels, _, out):
        for axes, arm in zip(panels, arms, strict=True):
            _confusion(axes, arm)
    return out.getvalue()


def reliability(arms: Sequence[Arm]) -> bytes:
    """Accuracy by confidence after temperature: one panel per model, one line per method.

    Bins with fewer than ten faces are left out.
    """
    models = list(dict.fromkeys(arm.model for arm in arms))
    with _panels(models, 3.2, sharey=True) as (panels, figure, out):
        for axes, model in zip(panels, models, strict=True):
            axes.plot([0, 100], [0, 100], color=INK, linewidth=1, linestyle=(0, (3, 2)))
            for arm in [a for a in arms if a.model == model]:
                labels = np.tile(arm.labels, len(arm.logits))
                pairs = zip(arm.logits, arm.temperatures, strict=True)
                logits = np.concatenate([z / t for z, t in pairs])
                mean, right, count = metrics.reliability(labels, logits)
                kept = count >= 10
                colour = _colour(arm.method)
                axes.plot(100 * mean[kept], 100 * right[kept], color=colour, linewidth=1.3)
                sizes = 6 + 110 * count[kept] / count.sum()
                axes.scatter(100 * mean[kept], 100 * right[kept], sizes, colour, clip_on=False)
            axes.set_title(model)
            axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="confidence, %", aspect="equal")
        panels[0].set_ylabel("accuracy, %")
        names = list(dict.fromkeys(arm.method for arm in arms))
        _legend(figure, {**{n: _colour(n) for n in names}, "perfect": None})
    return out.getvalue()


def differences(comparisons: Sequence[Comparison], with_paper: bool) -> bytes:
    """Change of accuracy against the baseline with its interval; hollow: the paper's."""
    names = _names_apart([c.other for c in comparisons])
    with _figure(WIDTH, 0.9 + 0.34 * len(names)) as (figure, out):
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1)
        for y, c in enumerate(comparisons):
            change = c.change.accuracy
            ends = (100 * change.low, 100 * change.high)
            axes.plot(ends, [y, y], color=VERMILLION, linewidth=2.4)
            axes.plot(100 * change.estimate, y, "o", color=VERMILLION, markersize=7)
            family = paper.family(c.other.model) if c.other.method == "perturb" else None
            theirs = paper.change(family) if with_paper and family else None
            if theirs is not None:
                axes.plot(theirs, y, "D", color=INK, markerfacecolor="white", markersize=6)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.margins(x=0.08)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("change of accuracy against the baseline, points (test split, 95 %)")
        if with_paper and any(
            paper.change(paper.family(c.other.model) or "") is not None for c in comparisons
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


def _face(axes: Axes, image: np.ndarray, title: str, frame: str = "") -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=8.5, fontweight="normal", loc="center")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=bool(frame), color=frame or INK, linewidth=3)
    axes.grid(visible=False)


def _colour(method: str) -> str:
    known = _METHODS.get(method.split(" ")[0])
    if known and method in _METHODS:
        return known
    rest = (PURPLE, ORANGE, SKY, INK)
    return rest[sum(method.encode()) % len(rest)]


def _legend(figure: Figure, entries: Mapping[str, str | None]) -> None:
    """A legend above the panels; an entry without a colour is the thin dashed line."""
    handles = [
        mpl.lines.Line2D([], [], color=colour, label=name)
        if colour
        else mpl.lines.Line2D([], [], color=INK, linewidth=1, linestyle=(0, (3, 2)), label=name)
        for name, colour in entries.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, io.BytesIO]]:
    """A figure in the report's style, written as PNG into the buffer on leaving."""
    out = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, out
        figure.savefig(out, format="png", dpi=200)


@contextmanager
def _panels(
    names: Sequence[str], height: float, sharey: bool
) -> Iterator[tuple[list[Axes], Figure, io.BytesIO]]:
    """One panel per name, up to three in a row, on one figure."""
    across = min(len(names), 3)
    down = math.ceil(len(names) / 3)
    width = WIDTH if across > 1 else 0.6 * WIDTH
    with _figure(width, height * down + 0.5) as (figure, out):
        grid = figure.subplots(down, across, squeeze=False, sharey=sharey).flatten().tolist()
        for axes in grid[len(names) :]:
            axes.axis("off")
        yield grid[: len(names)], figure, out
