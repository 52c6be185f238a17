"""Figures of the Perturb Scheme: views of chosen faces, cluster maps by epoch, attention by stage,
accuracy by number of clusters. PNG in the report's style (`form/style.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ferturb.base.config import MethodConfig
from ferturb.perturb.views import views_of
from ferturb.report import published
from ferturb.report.form.style import (
    BLUE,
    CLUSTERS,
    GREY,
    INK,
    ORANGE,
    VERMILLION,
    WIDTH,
    draw_face,
    new_figure,
)
from ferturb.report.results import Arm


def faces_and_views(
    faces: UInt8[Tensor, "n h w"],
    maps: Int64[Tensor, "m h w"],
    config: MethodConfig,
    names: Sequence[str] = (),
    mark: str = "",
) -> bytes:
    """Figure 4 for chosen faces: each face, its clusters over it, and its K views.

    `maps` is one map for all (m = 1) or one per face (m = n), for example of `AttentionClusters`;
    `config` says what views show and fill. `names` label the rows, `mark` is printed below.
    """
    k = config.clusters
    batch = faces.unsqueeze(1).float().div(255)
    views = views_of(batch, maps, k, config.shows, config.fill)[:, :, 0].numpy()
    every = maps.expand(len(faces), *maps.shape[1:]).numpy()
    columns = k + 2
    width = min(WIDTH, 1.6 * columns)
    word = "without" if config.shows == "leave-one-out" else "only"
    with new_figure(width, len(faces) * (width / columns) + 0.4) as (figure, out):
        grid = figure.subplots(len(faces), columns, squeeze=False)
        for i, row in enumerate(grid):
            first = i == 0
            draw_face(row[0], views[i, k], "the face" if first else "")
            draw_face(row[1], views[i, k], "clusters" if first else "")
            _overlay(row[1], every[i], k)
            for j in range(k):
                title = f"{word} {j + 1}" if first else ""
                draw_face(row[2 + j], views[i, j], title, CLUSTERS[j % len(CLUSTERS)])
            if names:
                row[0].set_ylabel(names[i], fontsize=8.5, fontweight="bold")
        _print_mark(figure, mark)
    return out.getvalue()


def maps_by_epoch(
    maps: Int64[Tensor, "epochs h w"],
    face: UInt8[Tensor, "h w"] | None = None,
    most: int = 12,
    mark: str = "",
) -> bytes:
    """The cluster map of up to `most` epochs, evenly chosen, as a film strip (over a face, if any).

    Below each: the share of pixels whose cluster is the one they had in the epoch before; `mark`
    is printed below all.
    """
    k = int(maps.max()) + 1
    count = min(most, len(maps))
    chosen = [round(i * (len(maps) - 1) / max(1, count - 1)) for i in range(count)]
    background = torch.full(maps.shape[1:], 0.6) if face is None else face.float().div(255)
    across = min(len(chosen), 6)
    down = -(-len(chosen) // 6)
    with new_figure(WIDTH * max(across, 3) / 6, 1.85 * down) as (figure, out):
        grid = figure.subplots(down, across, squeeze=False).flatten()
        for axes in grid[len(chosen) :]:
            axes.axis("off")
        for axes, epoch in zip(grid, chosen, strict=False):
            draw_face(axes, background.numpy(), f"epoch {epoch + 1}")
            _overlay(axes, maps[epoch].numpy(), k)
            if epoch:
                same = 100 * float((maps[epoch] == maps[epoch - 1]).double().mean())
                axes.set_xlabel(f"{same:.0f} % as before", fontsize=8)
        _print_mark(figure, mark)
    return out.getvalue()


def attention_by_stage(
    faces: UInt8[Tensor, "n h w"],
    gates: Float[Tensor, "g n h w"],
    threshold: float = 0.5,
    names: Sequence[str] = (),
    mark: str = "",
) -> bytes:
    """Each face, its gates (`Classifier.gate_maps`), their mean, and the mean above threshold.

    Every panel is scaled to its own range, as the clustering is; the range is printed below it,
    `mark` below all.
    """
    mean = gates.mean(0)
    low, high = mean.amin((1, 2), keepdim=True), mean.amax((1, 2), keepdim=True)
    scaled = (mean - low) / (high - low).clamp_min(1e-12)
    kept = torch.where(scaled >= threshold, scaled, 0.0)
    titles = [f"gate {i + 1}" for i in range(len(gates))] if len(gates) > 1 else ["input gate"]
    panels = [*gates, mean, kept] if len(gates) > 1 else [*gates, kept]
    titles += (["mean"] if len(gates) > 1 else []) + ["used"]
    columns = len(panels) + 1
    width = min(WIDTH, 1.5 * columns)
    with new_figure(width, len(faces) * (width / columns + 0.25) + 0.3) as (figure, out):
        grid = figure.subplots(len(faces), columns, squeeze=False)
        for i, row in enumerate(grid):
            draw_face(row[0], faces[i].float().div(255).numpy(), "the face" if not i else "")
            for axes, panel, title in zip(row[1:], panels, titles, strict=True):
                draw_face(axes, np.zeros((2, 2)), title if not i else "")
                values = panel[i].numpy()
                axes.imshow(values, cmap="inferno", interpolation="nearest")
                span = f"{values.min():.2f} – {values.max():.2f}"
                axes.set_xlabel(span if title != "used" else f"{(values > 0).mean():.0%} of it")
                axes.xaxis.label.set_fontsize(7.5)
            if names:
                row[0].set_ylabel(names[i], fontsize=8.5, fontweight="bold")
        _print_mark(figure, mark)
    return out.getvalue()


def accuracy_by_clusters(
    arms: Sequence[Arm], baselines: Sequence[Arm] = (), with_paper: bool = False
) -> bytes:
    """Figure 5: test accuracy by K with 95 % intervals; small dots are single seeds.

    `arms` differ in K alone, for each model; a baseline is drawn as a band of its interval.
    """
    models = list(dict.fromkeys(arm.model for arm in arms))
    colours = dict(zip(models, (VERMILLION, BLUE, ORANGE, GREY, INK), strict=False))
    with new_figure(0.7 * WIDTH, 3.4) as (figure, out):
        axes = figure.subplots()
        for arm in baselines:
            score, colour = arm.scores.accuracy, colours.get(arm.model, GREY)
            axes.axhspan(100 * score.low, 100 * score.high, color=colour, alpha=0.1, linewidth=0)
            label = f"{arm.model}, baseline"
            axes.axhline(100 * score.estimate, color=colour, linestyle=(0, (3, 2)), label=label)
        for model in models:
            _curve(axes, [arm for arm in arms if arm.model == model], model, colours[model])
        if with_paper:
            theirs = {k: 100 * share for k, share in published.FIGURE_5.items()}
            axes.plot(
                list(theirs),
                list(theirs.values()),
                "D--",
                color=INK,
                markerfacecolor="white",
                linewidth=1,
                label="paper, VGG16, one seed",
            )
        axes.set_xticks(sorted({arm.runs[0].config.method.clusters for arm in arms}))
        axes.set(xlabel="clusters K", ylabel="accuracy, %")
        axes.legend(loc="best")
    return out.getvalue()


def _curve(axes: Axes, arms: Sequence[Arm], model: str, colour: str) -> None:
    ordered = sorted(arms, key=lambda arm: arm.runs[0].config.method.clusters)
    ks = [arm.runs[0].config.method.clusters for arm in ordered]
    scores = [arm.scores.accuracy for arm in ordered]
    middle = np.array([100 * score.estimate for score in scores])
    low, high = (np.array([100 * getattr(s, end) for s in scores]) for end in ("low", "high"))
    seeds = max(len(arm.seeds) for arm in ordered)
    label = f"{model}, {seeds} seed{'s' if seeds > 1 else ''}"
    errors = np.stack([middle - low, high - middle])
    axes.errorbar(ks, middle, errors, fmt="o-", color=colour, capsize=3, label=label)
    for k, arm in zip(ks, ordered, strict=True):
        shares = 100 * arm.correct.mean(1)
        if len(shares) > 1:
            axes.plot([k + 0.08] * len(shares), shares, ".", color=colour, alpha=0.6, markersize=4)


def _print_mark(figure: Figure, mark: str) -> None:
    if mark:
        figure.supxlabel(mark, color="#B00020", fontsize=8.5, fontweight="bold")


def _overlay(axes: Axes, labels: Int64[np.ndarray, "h w"], k: int) -> None:
    colours = ListedColormap(CLUSTERS[: min(k, len(CLUSTERS))])
    shown = labels % len(CLUSTERS)
    axes.imshow(shown, colours, vmin=0, vmax=colours.N - 1, alpha=0.55, interpolation="nearest")
