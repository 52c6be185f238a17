"""Which lines and dots of a figure its axes cut off."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D


def cut_off(figure: Figure) -> list[str]:
    """The lines that leave their axes' limits, by panel and label; none should."""
    return [
        f"{axes.get_title('left')}: {line.get_label()}"
        for axes in figure.axes
        for line in axes.lines
        if line.get_transform() == axes.transData and not _inside(axes, line)
    ]


def _inside(axes: Axes, line: Line2D) -> bool:
    for values, limits in (
        (line.get_xdata(orig=False), axes.get_xlim()),
        (line.get_ydata(orig=False), axes.get_ylim()),
    ):
        known = np.asarray(values, float)
        known = known[np.isfinite(known)]
        if known.size and not min(limits) <= known.min() <= known.max() <= max(limits):
            return False
    return True
