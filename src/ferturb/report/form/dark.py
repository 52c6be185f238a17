"""A figure for a dark page: what was drawn for white paper, in other colours.

Paper becomes dark and ink light; lines and marks become lighter, so that they stand out as before;
colour maps that begin or meet in white begin or meet in the paper. Faces stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgba
from matplotlib.figure import Figure

PAPER = "#16181C"
"""The dark page's own."""

_COLOURS = {
    "#ffffff": PAPER,
    "#f0f0f0": "#2A2E35",
    "#e6e6e6": "#31353C",
    "#bbbbbb": "#5A6069",
    "#000000": "#E7E8EA",
    "#222222": "#E7E8EA",
    "#444444": "#C2C6CC",
    "#8a8a8a": "#9BA1AA",
    "#0072b2": "#6C8CFF",
    "#d55e00": "#FF6F4D",
    "#009e73": "#2FC79A",
    "#b00020": "#FF8A8A",
}
"""Colour on white paper, as hexadecimal digits -> on dark paper."""

_MAPS = {
    "Blues": (PAPER, "#2B6CA3", "#9CD2F7"),
    "PuOr_r": ("#B9A3F0", "#6A5AA6", PAPER, "#B5682A", "#FFB070"),
    "changes": ("#FF9A57", "#A8561F", PAPER, "#2F74A3", "#7CC4F5"),
}
"""Colour map -> its colours on dark paper, from the least to the most."""

_PARTS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def darken(figure: Figure) -> None:
    """Change every colour of a figure in place."""
    for axes in figure.axes:  # for ticks that are made only when it is drawn again, too
        axes.tick_params(labelcolor=_COLOURS["#444444"], grid_color=_COLOURS["#e6e6e6"])
    for artist in figure.findobj():
        _darken(artist)


def _darken(artist: Artist) -> None:
    """Change the colours of one thing that is drawn."""
    maker: Any = artist
    if getattr(maker, "get_array", lambda: None)() is not None:
        known = _MAPS.get(maker.get_cmap().name)
        if known:
            maker.set_cmap(LinearSegmentedColormap.from_list("dark", known))
    values = {part: getattr(maker, f"get_{part}", lambda: None)() for part in _PARTS}
    for part, value in values.items():
        if value is not None and hasattr(maker, f"set_{part}"):
            _set(maker, part, value)


def _set(maker: Any, part: str, value: Any) -> None:
    rows = np.asarray(value) if not isinstance(value, str) else None
    if rows is not None and rows.ndim == 2:
        getattr(maker, f"set_{part}")([_in_dark(row) for row in rows])
    elif len(value):
        getattr(maker, f"set_{part}")(_in_dark(value))


def _in_dark(colour: Any) -> Any:
    """One colour on dark paper, as opaque as it was; what has none is as it was."""
    if isinstance(colour, str) and colour in ("none", "auto"):
        return colour
    red, green, blue, opaque = to_rgba(colour)
    other = _COLOURS.get(to_hex((red, green, blue)))
    return colour if other is None or not opaque else to_rgba(other, opaque)
