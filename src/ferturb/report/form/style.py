"""What all figures share: they are PNG at twice the page's resolution.

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
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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


def draw_face(axes: Axes, image: np.ndarray, title: str, frame: str = "") -> None:
    """A grey face without axes, its title above it, in a frame of this colour if there is one."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=8.5, fontweight="normal", loc="center")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=bool(frame), color=frame or INK, linewidth=3)
    axes.grid(visible=False)


def colour_of(method: str) -> str:
    """The colour of a method, the same in every figure."""
    known = _METHODS.get(method.split(" ")[0])
    if known and method in _METHODS:
        return known
    rest = (PURPLE, ORANGE, SKY, INK)
    return rest[sum(method.encode()) % len(rest)]


def add_legend(figure: Figure, entries: Mapping[str, str | None]) -> None:
    """A legend above the panels; an entry without a colour is the thin dashed line."""
    handles = [
        mpl.lines.Line2D([], [], color=colour, label=name)
        if colour
        else mpl.lines.Line2D([], [], color=INK, linewidth=1, linestyle=(0, (3, 2)), label=name)
        for name, colour in entries.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))


def print_mark(figure: Figure, mark: str) -> None:
    """A warning in red below the panels; nothing for an empty one."""
    if mark:
        figure.supxlabel(mark, color="#B00020", fontsize=8.5, fontweight="bold")


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of so many inches; what is drawn within is in the report's style."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


@contextmanager
def new_panels(
    names: Sequence[str], height: float, sharey: bool
) -> Iterator[tuple[list[Axes], Figure]]:
    """One panel per name, up to three in a row, on one figure."""
    across = min(len(names), 3)
    down = math.ceil(len(names) / 3)
    width = WIDTH if across > 1 else 0.6 * WIDTH
    with new_figure(width, height * down + 0.5) as figure:
        grid = figure.subplots(down, across, squeeze=False, sharey=sharey).flatten().tolist()
        for axes in grid[len(names) :]:
            axes.axis("off")
        yield grid[: len(names)], figure


def png_of(figure: Figure) -> bytes:
    """A figure as PNG: the same figure gives the same bytes."""
    out = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(out, format="png", dpi=200)
    return out.getvalue()
