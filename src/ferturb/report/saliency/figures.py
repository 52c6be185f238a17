"""Figures of saliency: faces with maps, mass per facial feature, deletion and insertion curves."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation.saliency.benchmark import Benchmark
from ferturb.evaluation.saliency.faithfulness import BASELINES
from ferturb.evaluation.saliency.methods import METHODS
from ferturb.evaluation.saliency.parts import PARTS
from ferturb.report.form import style
from ferturb.report.form.style import GREY, INK, draw_face

Array = np.ndarray

_METHOD_COLOURS = dict(zip(METHODS, itertools.cycle(style.CLUSTERS), strict=False))
_BASELINE_STYLES = dict(zip(BASELINES, ((0, (4, 2)), (0, (1, 1.5))), strict=True))
_MOST = 4.0
"""Mass over area where the colours end, and one over it at the other end."""


def faces_and_saliency(
    images: UInt8[Array, "k *c h w"],
    titles: Sequence[str],
    maps: Mapping[str, Float[Array, "k h w"]],
    notes: Mapping[str, Sequence[str]],
    mark: str = "",
) -> Figure:
    """Figures 1 and 6: a column for each face; the faces, then a row of maps for each model.

    Each map is drawn over its face, scaled to its own highest value; nothing of one that is 0
    everywhere. `notes` stand below the panels of a row; `mark` is printed below the figure.
    """
    columns, rows = len(images), 1 + len(maps)
    side = min(1.3, (style.WIDTH - 0.5) / columns)
    height = rows * side + 0.21 * len(maps) + (0.5 if mark else 0.25)
    with style.new_figure(side * columns + 0.5, height) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, image, title in zip(grid[0], images, titles, strict=True):
            draw_face(axes, image / 255, title)
        grid[0][0].set_ylabel("face", fontsize=8.5, fontweight="bold")
        for row, (name, found) in zip(grid[1:], maps.items(), strict=True):
            for axes, image, one, note in zip(row, images, found, notes[name], strict=True):
                draw_face(axes, 0.25 + 0.75 * image / 255, "")
                axes.imshow(_overlay(one), interpolation="bilinear")
                axes.set_xlabel(note, fontsize=7.5, labelpad=2)
            row[0].set_ylabel(textwrap.fill(name, 18), fontsize=8.5, fontweight="bold")
        style.print_mark(figure, mark)
    return figure


def mass_heatmaps(panels: Mapping[str, Float[Array, "p e"]], columns: Sequence[str]) -> Figure:
    """Mass over area by facial feature (row) and emotion (column); one panel per title.

    1, in white, is what a map that says nothing gives; colours are on a logarithmic scale.
    """
    width = style.WIDTH if len(panels) > 1 else 0.62 * style.WIDTH
    with style.new_figure(width, 2.75 * math.ceil(len(panels) / 2) + 0.1) as figure:
        grid = style.panels_on(figure, len(panels), 2, sharey=True)
        for axes, (title, values) in zip(grid, panels.items(), strict=True):
            _heatmap(axes, values, columns)
            axes.set_title(title)
    return figure


def faithfulness_curves(judged: Mapping[str, Benchmark]) -> Figure:
    """Mean probability by share of pixels left out or put in; one row of panels per model."""
    with style.new_figure(style.WIDTH, 2.7 * len(judged) + 0.5) as figure:
        grid = figure.subplots(len(judged), 2, squeeze=False, sharey="row", sharex=True)
        shown: dict[str, Line2D] = {}
        for row, (name, judgement) in zip(grid, judged.items(), strict=True):
            for axes, kind in zip(row, ("deletion", "insertion"), strict=True):
                curves = getattr(judgement, kind)
                for method, curve in zip(judgement.methods, curves.mean(1), strict=True):
                    colour = _METHOD_COLOURS.get(method, INK)
                    dashes = _BASELINE_STYLES.get(method, "-")
                    places = np.linspace(0, 100, len(curve))
                    (line,) = axes.plot(places, curve, color=colour, linestyle=dashes, label=method)
                    shown.setdefault(method, line)
                axes.set_title(f"{kind}: {name}")
            row[0].set_ylim(0, None)  # of both, and only now: a limit ends their scaling
            row[0].set_ylabel("probability of the emotion")
        grid[-1][0].set_xlabel("most salient pixels left out, %")
        grid[-1][1].set_xlabel("most salient pixels put in, %")
        lines = sorted(shown.values(), key=lambda line: str(line.get_label()) in BASELINES)
        figure.legend(handles=lines, loc="outside upper left", ncols=min(len(lines), 5))
    return figure


def _overlay(one: Float[Array, "h w"]) -> Float[Array, "h w 4"]:
    """Colours of a map, transparent where it is low."""
    top = float(np.quantile(one, 0.995))
    scaled = np.clip(one / top, 0, 1) if top > 0 else np.zeros_like(one)
    colours = np.asarray(mpl.colormaps["inferno"](0.15 + 0.85 * scaled))
    colours[..., 3] = 0.9 * scaled**0.8  # what is low leaves the face in sight
    return colours


def _heatmap(axes: Axes, values: Float[Array, "p e"], columns: Sequence[str]) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.clip(values, 1e-3, None))
    scale = Normalize(-np.log(_MOST), np.log(_MOST))
    colours = mpl.colormaps["PuOr_r"]
    axes.imshow(logs, cmap=colours, norm=scale, aspect="auto")
    for i, j in np.ndindex(values.shape):
        if np.isnan(values[i, j]):
            text, colour = "–", GREY
        else:
            text = f"{values[i, j]:.1f}" if values[i, j] < 9.95 else f"{values[i, j]:.0f}"
            red, green, blue, _ = colours(scale(logs[i, j]))
            colour = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else INK
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
    axes.set_yticks(range(len(PARTS)), PARTS)
    axes.axvline(len(EMOTIONS) - 0.5, color="white", linewidth=3)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
