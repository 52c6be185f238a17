"""A figure of what clusters of attention cover: drawn faces, their evidence, their clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from ferturb.report.form.style import (
    BLUE,
    CLUSTERS,
    GREEN,
    INK,
    VERMILLION,
    WIDTH,
    draw_face,
    new_figure,
    png_of,
)

Array = np.ndarray
YELLOW = CLUSTERS[6]
Means = Mapping[tuple[str, str], Float[Array, "e s"]]
"""(scope, "coverage" or a control's name) -> share of the evidence by emotion and seed."""

_SCOPES = {"shared": ("one map for all faces", BLUE), "face": ("a map for each face", GREEN)}
_CONTROLS = {"anywhere": ("o", "anywhere"), "in-the-face": ("D", "as much in the face")}


def cluster_evidence_figure(
    images: UInt8[Array, "e h w"],
    emotions: Sequence[str],
    evidence: Float[Array, "e h w"],
    attention: Float[Array, "e h w"],
    maps: Mapping[str, Int[Array, "e h w"]],
    means: Means,
) -> bytes:
    """A column for each emotion: the face, its evidence, attention, and clusters by scope; below,
    the share of the evidence on the most attended cluster (0) beside random regions.

    Bars are means over seeds, thin lines their range; markers the means of the random regions.
    """
    heads = ["face", "evidence", "attention", *(f"clusters, {_SCOPES[s][0]}" for s in maps)]
    side = (WIDTH - 0.4) / len(emotions)
    with new_figure(WIDTH, side * len(heads) + 3.1) as figure:
        parts = figure.subfigures(2, 1, squeeze=False, height_ratios=(side * len(heads), 3.1))
        above, below = parts[:, 0]
        grid = above.subplots(len(heads), len(emotions), squeeze=False)
        for column, emotion in enumerate(emotions):
            face = images[column] / 255
            for row, axes in enumerate(grid[:, column]):
                draw_face(axes, face, emotion if row == 0 else "")
            _overlay(grid[1, column], evidence[column], VERMILLION)
            grid[2, column].imshow(attention[column], cmap="viridis")
            for row, scope in enumerate(maps, 3):
                _clusters(grid[row, column], maps[scope][column])
        for axes, head in zip(grid[:, 0], heads, strict=True):
            axes.set_ylabel(head.replace(", ", ",\n"), fontsize=8, fontweight="bold")
        _bars(below.subplots(), emotions, means)
        below.legend(loc="outside upper left", ncols=2)
    return png_of(figure)


def _overlay(axes: Axes, values: Float[Array, "h w"], colour: str) -> None:
    top = float(values.max())
    strength = 0.9 * (values / top) ** 0.5 if top > 0 else np.zeros_like(values)
    axes.imshow(np.dstack([np.broadcast_to(to_rgb(colour), (*values.shape, 3)), strength]))


def _clusters(axes: Axes, labels: Int[Array, "h w"]) -> None:
    colours = np.array([to_rgb(c) for c in (VERMILLION, BLUE, YELLOW, *CLUSTERS)])
    strength = np.where(labels == 0, 0.55, 0.3)
    axes.imshow(np.dstack([colours[labels], strength]), interpolation="nearest")


def _bars(axes: Axes, emotions: Sequence[str], means: Means) -> None:
    places, width = np.arange(len(emotions)), 0.34
    for i, (scope, (name, colour)) in enumerate(_SCOPES.items()):
        at = places + (i - 0.5) * width
        values = 100 * means[scope, "coverage"]
        mean = values.mean(1)
        spread = np.stack([mean - values.min(1), values.max(1) - mean])
        label = f"most attended cluster (vermillion above), {name}"
        axes.bar(at, mean, 0.92 * width, color=colour, label=label)
        axes.errorbar(at, mean, spread, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
        for control, (marker, words) in _CONTROLS.items():
            axes.plot(
                at,
                100 * means[scope, control].mean(1),
                marker,
                color="white",
                markeredgecolor=INK,
                markersize=5,
                label=f"random regions of its area, {words}" if i == 0 else None,
            )
    axes.set_xticks(places, emotions)
    axes.set_ylabel("evidence covered, %")
    axes.grid(visible=False, axis="x")
