"""Figures of the Perturb Scheme, in the report's style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ferturb.base.pixels import as_input
from ferturb.evaluation import metrics
from ferturb.perturb.clusters import intensity
from ferturb.perturb.views import views_of
from ferturb.report import published
from ferturb.report.form import style
from ferturb.report.model_results import ModelResult


def clusters_left_out(
    face: UInt8[Tensor, "*c h w"], maps: Mapping[str, Int64[np.ndarray, "h w"]], mark: str = ""
) -> Figure:
    """Figure 4: a face, the cluster map of each run over it, and its K+1 views.

    `maps` goes from the run's name in print to its cluster map; `mark` is printed below.
    """
    ks = {name: int(found.max()) + 1 for name, found in maps.items()}
    columns = 2 + max(ks.values())
    width = min(style.WIDTH, 1.75 * columns)
    with style.new_figure(width, len(maps) * (width / columns + 0.3) + 0.1) as figure:
        grid = figure.subplots(len(maps), columns, squeeze=False)
        for row, (name, found) in zip(grid, maps.items(), strict=True):
            batch, clusters = as_input(face[None]), torch.from_numpy(found)[None]
            views = views_of(batch, clusters, ks[name])[0].numpy()
            style.draw_face(row[0], views[-1], "the face")
            style.draw_face(row[1], views[-1], "clusters")
            _overlay(row[1], found, ks[name])
            for axes in row[2 + ks[name] :]:
                axes.axis("off")
            for j, (axes, view) in enumerate(zip(row[2:], views[:-1], strict=False)):
                colour = style.CLUSTERS[j % len(style.CLUSTERS)]
                style.draw_face(axes, view, f"without {j + 1}", colour)
            row[0].set_ylabel(name, fontsize=8.5, fontweight="bold")
        style.print_mark(figure, mark)
    return figure


def maps_by_epoch(
    maps: Int64[Tensor, "epochs h w"],
    face: UInt8[Tensor, "*c h w"] | None = None,
    most: int = 12,
    mark: str = "",
) -> Figure:
    """The cluster map of up to `most` epochs, evenly chosen, as a film strip (over a face, if any).

    Below each: the share of pixels whose cluster is the one they had in the epoch before; `mark`
    is printed below all.
    """
    k = int(maps.max()) + 1
    count = min(most, len(maps))
    chosen = [round(i * (len(maps) - 1) / max(1, count - 1)) for i in range(count)]
    background = torch.full(maps.shape[1:], 0.6) if face is None else face.float().div(255)
    across = min(count, 6)
    with style.new_figure(style.WIDTH * max(across, 3) / 6, 1.85 * math.ceil(count / 6)) as figure:
        for axes, epoch in zip(style.panels_on(figure, count, 6), chosen, strict=True):
            style.draw_face(axes, background.numpy(), f"epoch {epoch + 1}")
            _overlay(axes, maps[epoch].numpy(), k)
            if epoch:
                same = 100 * float((maps[epoch] == maps[epoch - 1]).double().mean())
                axes.set_xlabel(f"{same:.0f} % as before", fontsize=8)
        style.print_mark(figure, mark)
    return figure


def attention_by_stage(
    faces: UInt8[Tensor, "n *c h w"],
    gates: Float[Tensor, "g n h w"],
    attention: Float[Tensor, "n h w"],
    threshold: float = 0.5,
    names: Sequence[str] = (),
    mark: str = "",
) -> Figure:
    """Each face, its gates (`Classifier.gate_maps`), its attention, and that above threshold.

    `attention` (`Classifier.attention_maps`) has no panel of its own where it is the one gate.

    Every panel is scaled to its own range, as the clustering is; the range is printed below it,
    `mark` below all.
    """
    kept = torch.from_numpy(intensity(attention.numpy(), threshold))
    titles, panels = ["input gate", "used"], [*gates, kept]
    if len(gates) > 1 or not torch.equal(gates[0], attention):
        titles = [*(f"gate {i + 1}" for i in range(len(gates))), "attention", "used"]
        panels = [*gates, attention, kept]
    columns = len(panels) + 1
    width = min(style.WIDTH, 1.5 * columns)
    with style.new_figure(width, len(faces) * (width / columns + 0.25) + 0.3) as figure:
        grid = figure.subplots(len(faces), columns, squeeze=False)
        for i, row in enumerate(grid):
            style.draw_face(row[0], faces[i].float().div(255).numpy(), "the face" if not i else "")
            for axes, panel, title in zip(row[1:], panels, titles, strict=True):
                style.draw_face(axes, np.zeros((2, 2)), title if not i else "")
                values = panel[i].numpy()
                axes.imshow(values, cmap="inferno", interpolation="nearest")
                span = f"{values.min():.2f} – {values.max():.2f}"
                axes.set_xlabel(span if title != "used" else f"{(values > 0).mean():.0%} of it")
                axes.xaxis.label.set_fontsize(7.5)
            if names:
                row[0].set_ylabel(names[i], fontsize=8.5, fontweight="bold")
        style.print_mark(figure, mark)
    return figure


def accuracy_by_clusters(
    models: Sequence[ModelResult], baselines: Sequence[ModelResult] = (), with_paper: bool = False
) -> Figure:
    """Figure 5: test accuracy by K with 95 % intervals; small dots are single seeds.

    `models` of one name differ in K alone; a baseline is drawn as a band of its interval. With the
    paper, its numbers stand in a second panel, of macro recall, which is what they are.
    """
    measures = ("accuracy", "macro_recall") if with_paper else ("accuracy",)
    with style.new_figure((1.0 if with_paper else 0.7) * style.WIDTH, 3.4) as figure:
        panels = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
        for axes, measure in zip(panels, measures, strict=True):
            _by_clusters(axes, measure, models, baselines)
        if with_paper:
            ks, shares = list(published.FIGURE_5), [100 * s for s in published.FIGURE_5.values()]
            panels[-1].plot(ks, shares, "D--", label="paper, VGG16", linewidth=1, **style.HOLLOW)
        panels[-1].legend(loc="best")
    return figure


def _by_clusters(
    axes: Axes, measure: str, models: Sequence[ModelResult], baselines: Sequence[ModelResult]
) -> None:
    names = list(dict.fromkeys(result.model for result in models))
    colours = dict(
        zip(
            names, (style.VERMILLION, style.BLUE, style.ORANGE, style.GREY, style.INK), strict=False
        )
    )
    for result in baselines:
        score, colour = getattr(result.scores, measure), colours.get(result.model, style.GREY)
        axes.axhspan(100 * score.low, 100 * score.high, color=colour, alpha=0.1, linewidth=0)
        label = f"{result.model}, baseline"
        axes.axhline(100 * score.estimate, color=colour, linestyle=(0, (3, 2)), label=label)
    for name in names:
        own = [result for result in models if result.model == name]
        _curve(axes, measure, sorted(own, key=clusters_of), colours.get(name, style.GREY))
    axes.set_xticks(sorted({clusters_of(result) for result in models}))
    axes.set(xlabel="clusters K", ylabel=f"{measure.replace('_', ' ')}, %")


def _curve(axes: Axes, measure: str, ordered: Sequence[ModelResult], colour: str) -> None:
    """One model's line; its results by rising K."""
    ks = [clusters_of(result) for result in ordered]
    scores = [getattr(result.scores, measure) for result in ordered]
    low, middle, high = 100 * np.array([(s.low, s.estimate, s.high) for s in scores]).T
    seeds = max(len(result.seeds) for result in ordered)
    label = f"{ordered[0].model}, {seeds} seed{'s' if seeds > 1 else ''}"
    errors = np.stack([middle - low, high - middle])
    axes.errorbar(ks, middle, errors, fmt="o-", color=colour, capsize=3, label=label)
    of = metrics.accuracy_of if measure == "accuracy" else metrics.balanced_accuracy_of
    for k, result in zip(ks, ordered, strict=True):
        shares = 100 * of(result.columns.mean(1))
        if len(shares) > 1:
            axes.plot([k + 0.08] * len(shares), shares, ".", color=colour, alpha=0.6, markersize=4)


def clusters_of(result: ModelResult) -> int:
    """The number of clusters K that a model was trained with."""
    return result.runs[0].config.method.clusters


def _overlay(axes: Axes, labels: Int64[np.ndarray, "h w"], k: int) -> None:
    colours = ListedColormap(style.CLUSTERS[:k])
    shown = labels % len(style.CLUSTERS)
    axes.imshow(shown, colours, vmin=0, vmax=colours.N - 1, alpha=0.55, interpolation="nearest")
