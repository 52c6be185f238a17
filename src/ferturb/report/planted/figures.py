"""Faces with what was planted in them, and below them what of it a matrix finds."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from ferturb.data.drawn.action_units import FEATURES_OF_EMOTION, PROTOTYPES, units
from ferturb.data.drawn.synthetic import draw_with
from ferturb.evaluation.ablation.planted import CARRIED, JUDGED, Verdict
from ferturb.report.form.style import BLUE, GREEN, GREY, INK, NARROW, VERMILLION, new_figure
from ferturb.report.form.tables import signed_points

_PERSON, _SIDE, _STRENGTH = 28, 96, 0.9
_ROW, _FACE, _HEADS, _FOOT = 0.36, 1.0, 1.15, 0.42  # rows and foot in inches, the rest in columns
MARKS: dict[str, dict[str, Any]] = {
    "hit": {"marker": "o", "color": GREEN},
    "miss": {"marker": "o", "color": GREEN, "markerfacecolor": "white", "markeredgewidth": 1.6},
    "false alarm": {"marker": "X", "color": VERMILLION},
}
"""How each verdict is marked; what is right is left blank."""
WORDS = {
    "hit": "planted and found",
    "miss": "planted, not found",
    "false alarm": "found, not planted",
}


def truth_grid(
    verdicts: Mapping[tuple[str, str], Verdict], changes: Mapping[tuple[str, str], float]
) -> Figure:
    """A face of each emotion with its planted features tinted; below, a mark a feature.

    `changes` are the changes without the feature, as shares, that stand beside the marks.
    """
    columns, rows = len(CARRIED), len(JUDGED)
    column = (NARROW - 0.1) / (columns + _HEADS)
    top = column * _FACE + 0.3
    height = top + _ROW * rows + _FOOT
    with new_figure(NARROW, height) as figure:
        figure.set_layout_engine("none")
        axes = figure.add_axes(
            (
                0.1 / NARROW,
                _FOOT / height,
                column * (columns + _HEADS) / NARROW,
                1 - _FOOT / height,
            ),
            xlim=(-_HEADS, columns),
            ylim=(rows, -top / _ROW),
        )
        axes.axis("off")
        for x, emotion in enumerate(CARRIED):
            _face(axes, x, emotion, column * _FACE / _ROW)
        for y, feature in enumerate(JUDGED):
            axes.axhline(y, color="#E6E6E6", linewidth=0.7)
            axes.text(-0.1, y + 0.5, feature, ha="right", va="center", fontsize=8.5, color=INK)
            for x, emotion in enumerate(CARRIED):
                key = (feature, emotion)
                _mark(axes, x, y, verdicts.get(key, "right"), changes.get(key))
        _legend(figure, height)
    return figure


@functools.lru_cache(maxsize=1)
def planted_faces() -> dict[str, tuple[Float[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]]:
    """Emotion -> one person's face that shows it, in [0, 1], and the pixels that carry it."""
    found = {}
    for emotion in CARRIED:
        own = units(dict.fromkeys(PROTOTYPES[emotion], _STRENGTH))
        drawn = draw_with(own[None].repeat(_PERSON + 1, 1), 0, _SIDE, False)
        carried = [drawn.regions[feature][-1].numpy() for feature in FEATURES_OF_EMOTION[emotion]]
        found[emotion] = drawn.images[-1].float().div(255).numpy(), np.any(carried, axis=0)
    return found


def _face(axes: Axes, x: float, emotion: str, height: float) -> None:
    image, carries = planted_faces()[emotion]
    extent = (x + 0.04, x + 0.96, -0.25, -0.25 - 0.92 * height)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent, aspect="auto", zorder=2)
    tint = np.zeros((*carries.shape, 4))
    tint[carries] = to_rgba(BLUE, 0.38)
    axes.imshow(tint, extent=extent, aspect="auto", zorder=3)
    bold: Any = {"fontsize": 8.5, "fontweight": "bold", "color": INK}
    axes.text(x + 0.5, -0.4 - 0.92 * height, emotion, ha="center", va="bottom", **bold)


def _mark(axes: Axes, x: float, y: float, verdict: Verdict, change: float | None) -> None:
    number = "" if change is None or np.isnan(change) else signed_points(change)
    if verdict == "right":
        axes.text(x + 0.5, y + 0.5, number, ha="center", va="center", fontsize=6.5, color=GREY)
        return
    axes.plot(x + 0.27, y + 0.5, markersize=7.5, linestyle="", **MARKS[verdict])
    axes.text(x + 0.47, y + 0.5, number, ha="left", va="center", fontsize=7, color=INK)


def _legend(figure: Figure, height: float) -> None:
    axes = figure.add_axes((0, 0, 1, _FOOT / height), xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    for x, verdict in zip((0.04, 0.37, 0.70), MARKS, strict=True):
        axes.plot(x, 0.5, markersize=7, linestyle="", **MARKS[verdict])
        axes.text(x + 0.025, 0.5, WORDS[verdict], va="center", fontsize=7.5, color=INK)
