"""The ablation matrix as a picture: a row a facial feature, a column an emotion.

The row heads are a drawn face with the feature left out, so that the picture shows no face of any
dataset.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ferturb.data.drawn.action_units import units
from ferturb.data.drawn.synthetic import draw_with
from ferturb.evaluation.ablation.matrix import ALL, Cell
from ferturb.features.regions import regions
from ferturb.features.removal import remove
from ferturb.report.form.style import BLUE, GREY, INK, VERMILLION, WIDTH, new_figure
from ferturb.report.form.tables import signed_points

CHANGES = LinearSegmentedColormap.from_list(
    "changes", (VERMILLION, "#EFA878", "#FBFAF8", "#8CC0DE", BLUE)
)
"""Worse, no change, better."""

NEEDED, SPARED = "*", "°"
"""Marks of a cell whose change is significantly below, or above, that of its control."""

Head = tuple[Float[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]
"""A face without a feature, and the pixels that are left out of it."""

_LEAST_SPAN = 0.05
_ROW = 0.47  # inches
_CELL = 0.80  # inches
_HEADS = 2.05  # columns to the left of the first cell
_GAP = 0.14
_WHOLE_PARTS = ("upper_face", "lower_face", "left_half", "right_half", "face")
_SIDE = 96
_PERSON = 28


def heatmap(cells: Sequence[Cell], fill: str = "mean") -> Figure:
    """One matrix: changes in points as colour and number, the control's small beneath.

    `fill` is what the row heads show in the feature's place.
    """
    features = list(dict.fromkeys(cell.feature for cell in cells))
    emotions = list(dict.fromkeys(cell.emotion for cell in cells))
    rows = _places(features, _WHOLE_PARTS)
    columns = _places(emotions, (ALL,))
    with new_figure(WIDTH, _ROW * (rows[-1] + 1) + 1.55) as figure:
        figure.set_layout_engine("none")
        axes = _axes(figure, columns[-1] + 1, rows[-1] + 1)
        span = _span(cells)
        norm = Normalize(-span, span)
        heads = row_heads(tuple(features), fill)
        for y, feature in zip(rows, features, strict=True):
            mine = [cell for cell in cells if cell.feature == feature]
            _row_head(axes, y, feature, heads[feature], mine)
            for x, cell in zip(columns, mine, strict=True):
                _cell(axes, x, y, cell, norm)
        for x, emotion in zip(columns, emotions, strict=True):
            _column_head(axes, x, next(c for c in cells if c.emotion == emotion))
        _colour_bar(figure, norm)
        _foot(figure, cells)
    return figure


def _span(cells: Sequence[Cell]) -> float:
    """What the darkest colours stand for: the largest change without a part of the face.

    Half a face changes far more; its colours end there.
    """
    known = [c for c in cells if not c.few and c.n]
    parts = [c for c in known if c.feature not in _WHOLE_PARTS] or known
    return max([_LEAST_SPAN, *(abs(c.change.estimate) for c in parts)])


@functools.lru_cache(maxsize=8)
def row_heads(features: tuple[str, ...], fill: str) -> dict[str, Head]:
    """A drawn face without each feature, in [0, 1], and the pixels that are left out of it."""
    drawn = draw_with(units({12: 0.35, 6: 0.2})[None].repeat(_PERSON + 1, 1), 0, _SIDE, False)
    image = drawn.images[_PERSON:].unsqueeze(1).float().div(255)
    found = regions(drawn.landmarks[_PERSON:], (_SIDE, _SIDE), features)
    generator = torch.Generator().manual_seed(0)
    return {
        name: (remove(image, ~left_out, fill, generator)[0, 0].numpy(), left_out[0].numpy())
        for name, left_out in found.items()
    }


def mark_of(cell: Cell) -> str:
    """What stands beside a cell's number where its control changes significantly less, or more."""
    return NEEDED if cell.needed else SPARED if cell.spared else ""


def _places(names: Sequence[str], apart: Sequence[str]) -> list[float]:
    """Where rows or columns stand; those of `apart` after a gap."""
    gap = 0.0 if set(names) <= set(apart) else _GAP
    return [i + (gap if name in apart else 0.0) for i, name in enumerate(names)]


def _axes(figure: Figure, columns: float, rows: float) -> Axes:
    """Axes in units of cells, the first cell's corner at (0, 0), y downward."""
    width, height = figure.get_size_inches()
    across = _CELL * (_HEADS + columns)
    left, foot = (width - across) / 2, 0.92
    axes = figure.add_axes(
        (left / width, foot / height, across / width, _ROW * rows / height),
        xlim=(-_HEADS, columns),
        ylim=(rows, 0),
    )
    axes.axis("off")
    return axes


def _cell(axes: Axes, x: float, y: float, cell: Cell, norm: Normalize) -> None:
    value = cell.change.estimate
    shown = not (cell.few or math.isnan(value))
    square: Any = {"edgecolor": "white", "linewidth": 1.6}
    if shown:  # with its value, so that it has another colour on a dark page
        place = [Rectangle((x, y), 1, 1)]
        axes.add_collection(
            PatchCollection(place, cmap=CHANGES, norm=norm, array=[value], **square)
        )
    else:
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor="#F0F0F0", **square))
    ink = "white" if shown and abs(norm(value) - 0.5) > 0.38 else INK
    middle: Any = {"ha": "center", "va": "center"}
    if cell.few:
        axes.text(x + 0.5, y + 0.5, f"n = {cell.n}", color=GREY, fontsize=7.5, **middle)
        return
    font: Any = {"color": ink, "fontsize": 9.5, "fontweight": "bold" if cell.needed else "normal"}
    text = axes.text(x + 0.5, y + 0.39, signed_points(value), **font, **middle)
    if mark := mark_of(cell):
        beside: Any = {"xycoords": text, "xytext": (0.5, 0), "textcoords": "offset points"}
        axes.annotate(mark, (1, 0.5), ha="left", va="center", **beside, **font)
    if not math.isnan(cell.control.estimate):
        control = f"({signed_points(cell.control.estimate)})"
        axes.text(x + 0.5, y + 0.77, control, color=ink, fontsize=6.5, alpha=0.75, **middle)


def _row_head(axes: Axes, y: float, feature: str, head: Head, cells: Sequence[Cell]) -> None:
    image, left_out = head
    wide = 0.92 * _ROW / _CELL  # as wide as high, in units of a column
    right, top, bottom = -0.16, y + 0.04, y + 0.96
    extent = (right - wide, right, bottom, top)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent, aspect="auto", zorder=2)
    tint = np.zeros((*left_out.shape, 4))
    tint[left_out] = to_rgba(VERMILLION, 0.30)
    axes.imshow(tint, extent=extent, aspect="auto", zorder=3)
    x = right - wide - 0.12
    beside: Any = {"ha": "right", "va": "center"}
    pixels = max(cell.pixels for cell in cells if not math.isnan(cell.pixels))
    name = feature.replace("_", " ")
    axes.text(x, y + (0.38 if pixels else 0.5), name, fontsize=9.5, color=INK, **beside)
    if pixels:
        mean = np.average([c.pixels for c in cells if c.n], weights=[c.n for c in cells if c.n])
        axes.text(x, y + 0.74, f"{mean:,.0f} px", fontsize=6.5, color=GREY, **beside)


def _column_head(axes: Axes, x: float, cell: Cell) -> None:
    bold: Any = {"fontsize": 9.5, "fontweight": "bold", "color": INK}
    axes.text(x + 0.5, -0.42, cell.emotion, ha="center", va="bottom", **bold)
    small: Any = {"fontsize": 6.5, "color": GREY}
    axes.text(x + 0.5, -0.34, f"n = {cell.n:,}", ha="center", va="top", linespacing=1.0, **small)


def _colour_bar(figure: Figure, norm: Normalize) -> None:
    _, height = figure.get_size_inches()
    bar = figure.add_axes((0.40, 0.60 / height, 0.26, 0.11 / height))
    shades = np.linspace(0, 1, 256)[None]
    bar.imshow(shades, cmap=CHANGES, aspect="auto", extent=(-1, 1, 0, 1))
    bar.set_yticks([])
    bar.grid(visible=False)
    bar.spines[:].set_visible(False)
    span = float(norm.vmax or 1)
    bar.set_xticks([-1, 0, 1], [signed_points(-span), "0", signed_points(span)], fontsize=7)
    for x, text, side in ((0.39, "worse without it", "right"), (0.67, "better", "left")):
        figure.text(x, 0.655 / height, text, ha=side, va="center", fontsize=7.5, color=INK)


def _foot(figure: Figure, cells: Sequence[Cell]) -> None:
    _, height = figure.get_size_inches()
    tested = sum(not math.isnan(cell.p) for cell in cells)
    text = "Change in points."
    if tested:
        text += (
            f"  In brackets: as many pixels left out at random.  {NEEDED} hurts more than that, "
            f"{SPARED} less (p < 0.05, Holm over {tested} cells)."
        )
    figure.text(0.5, 0.22 / height, text, ha="center", va="center", fontsize=7.5, color="#444444")
