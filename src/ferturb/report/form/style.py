"""What all figures share: colours, parts, and PNG at twice the page's resolution.

The colours are Okabe and Ito's, which colour-blind readers can tell apart. Drawn by matplotlib's
Agg without its global state, so that the same numbers give the same file.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ferturb.evaluation.significance import Interval
from ferturb.report.form.dark import PAPER as DARK_PAPER
from ferturb.report.form.dark import darken

WIDTH = 9.0
"""Inches; 100 CSS pixels each on the page."""
DPI = 200
"""Pixels an inch: two to a CSS pixel."""
NARROW = 4.7
"""The width of a figure that stands beside another."""
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, INK, GREY = "#E69F00", "#56B4E9", "#222222", "#8A8A8A"
CLUSTERS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, "#F0E442", GREY)
SPLITS = {"train": BLUE, "validation": ORANGE, "test": GREEN}
DASHED: Any = {"color": INK, "linewidth": 1, "linestyle": (0, (3, 2))}
HOLLOW: Any = {"color": INK, "markerfacecolor": "white"}
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
}


class Prints(NamedTuple):
    """A figure as PNG, on white and on a dark page."""

    light: bytes
    dark: bytes


@dataclass(frozen=True)
class Picture:
    """One figure: its file name without ending, its words, and its PNG."""

    key: str
    title: str
    caption: str
    alt: str
    """What a reader who can't see it needs to know."""
    prints: Prints

    @property
    def png(self) -> bytes:
        """The figure on white: what is written to a file."""
        return self.prints.light

    @property
    def narrow(self) -> bool:
        """Whether two of it fit side by side on the page, and one on a phone."""
        return self.width <= 100 * NARROW

    @property
    def width(self) -> int:
        """Width on the page in CSS pixels: half of the file's (its header's bytes 16 to 19)."""
        return int.from_bytes(self.png[16:20], "big") // 2


def draw_face(axes: Axes, image: np.ndarray, title: str, frame: str = "") -> None:
    """A face, grey (h, w) or RGB (3, h, w), in [0, 1], without axes; its title above it, in a frame
    of this colour if there is one."""
    shown = image[0] if image.shape[:-2] == (1,) else np.moveaxis(image, range(-2, 0), (0, 1))
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=8.5, fontweight="normal", loc="center")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=bool(frame), color=frame or INK, linewidth=3)
    axes.grid(visible=False)


def draw_interval(
    axes: Axes, share: Interval, y: float, colour: str, line: float, dot: float
) -> None:
    """A share in percent with its interval, lying; `line` and `dot` are their sizes in points."""
    axes.plot([100 * share.low, 100 * share.high], [y, y], color=colour, linewidth=line)
    axes.plot(100 * share.estimate, y, "o", color=colour, markersize=dot)


def colour_of(method: str) -> str:
    """The colour of a method, the same in every figure."""
    rest = (PURPLE, ORANGE, SKY, INK)
    return _METHODS.get(method, rest[sum(method.encode()) % len(rest)])


def add_legend(figure: Figure, entries: Mapping[str, str | None]) -> None:
    """A legend above the panels; an entry without a colour is the thin dashed line."""
    handles = [
        Line2D([], [], label=name, **({"color": colour} if colour else DASHED))
        for name, colour in entries.items()
    ]
    points = 38 + 4.6 * max(map(len, entries))  # what the widest entry needs
    fitting = max(1, int(72 * figure.get_figwidth() / points))
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), fitting))


def print_mark(figure: Figure, mark: str) -> None:
    """A warning in red below the panels; nothing for an empty one."""
    if mark:
        figure.supxlabel(mark, color="#B00020", fontsize=8.5, fontweight="bold")


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of so many inches; what is drawn within is in the report's style."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


@contextmanager
def new_panels(
    names: Sequence[str], height: float, sharey: bool
) -> Iterator[tuple[list[Axes], Figure]]:
    """One panel per name, up to three in a row, on one figure."""
    width = WIDTH if len(names) > 1 else 0.6 * WIDTH
    with new_figure(width, height * math.ceil(len(names) / 3) + 0.5) as figure:
        yield panels_on(figure, len(names), 3, sharey), figure


def panels_on(figure: Figure, count: int, most: int, sharey: bool = False) -> list[Axes]:
    """So many panels on a figure, up to `most` in a row."""
    down, across = math.ceil(count / most), min(count, most)
    grid = figure.subplots(down, across, squeeze=False, sharey=sharey).flatten().tolist()
    for axes in grid[count:]:
        axes.axis("off")
    return list(grid[:count])


def png_of(figure: Figure, paper: str = "white", effort: int = 6) -> bytes:
    """A figure as PNG, compressed with an effort of 1 … 9: the same figure gives the same bytes.

    `Figure.savefig` draws twice where there is a layout, the first time to find it; Agg's canvas
    does both at once, and the bytes are the same.
    """
    out = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.set(dpi=DPI, facecolor=paper)
        pillow = {"compress_level": effort}
        FigureCanvasAgg(figure).print_png(out, pil_kwargs=pillow)  # type: ignore[no-untyped-call]
    return out.getvalue()


def prints_of(figure: Figure) -> Prints:
    """A figure for the page, which is used up: afterwards it is the dark one."""
    light = png_of(figure)
    figure.set_layout_engine("none")  # both are laid out alike
    darken(figure)
    return Prints(light, png_of(figure, DARK_PAPER, effort=1))  # only the page shows it, made small
