"""The figure of an experiment: each arm against the baseline, by training size and dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from ferturb.report.form.style import (
    BLUE,
    DASHED,
    VERMILLION,
    WIDTH,
    add_legend,
    new_figure,
    png_of,
)
from research.changes import Change

COLOURS = {"accuracy": BLUE, "macro_recall": VERMILLION}


def changes_figure(
    changes: Mapping[str, Sequence[Change]], baseline: str, split: str, said: Mapping[str, str]
) -> bytes:
    """A panel for each training size; in it each arm's reading, the smallest dose above.

    Dots are means over replicates, lines their 95 % t intervals (none for one replicate); the
    dashed lines at -1 and 1 point are the smallest effect of interest.
    """
    shown = {cell: found for cell, found in changes.items() if found} or {next(iter(changes)): []}
    rows = [max(1, len(found)) for found in shown.values()]
    with new_figure(WIDTH, 0.3 * sum(rows) + 0.4 * len(rows) + 0.8) as figure:
        grid = figure.subplots(len(rows), 1, squeeze=False, sharex=True, height_ratios=rows)
        panels = grid[:, 0]
        for axes, (cell, found) in zip(panels, shown.items(), strict=True):
            _panel(axes, found)
            axes.set_yticks(range(len(found)))
            axes.set_yticklabels(_labels(found))
            axes.set_title(f"{_words(cell)}: {said[cell]}")
        panels[-1].set_xlabel(f"change against {baseline}, points ({split})")
        add_legend(figure, {m.replace("_", " "): colour for m, colour in COLOURS.items()})
    return png_of(figure)


def _words(cell: str) -> str:
    """A cell as words: its training size, and its recipe if that is another one.

    >>> _words("7000"), _words("all-mixed")
    ('7,000 training faces', 'all training faces, recipe mixed')
    """
    size, _, recipe = cell.partition("-")
    many = f"{int(size):,}" if size.isdigit() else size
    return f"{many} training faces{f', recipe {recipe}' * bool(recipe)}"


def _labels(changes: Sequence[Change]) -> list[str]:
    """Arms and doses; the readings where there are several."""
    several = len({change.key[2] for change in changes}) > 1
    return [
        f"{arm}{f', {reading}' * several} ({100 * change.dose:.0f} % hidden)"
        for change in changes
        for _, arm, reading in [change.key]
    ]


def _panel(axes: Axes, changes: Sequence[Change]) -> None:
    for at, (measure, colour) in zip((-0.13, 0.13), COLOURS.items(), strict=True):
        for row, change in enumerate(changes):
            test = change.test(measure)
            if test is not None:
                axes.plot([test.low, test.high], [row + at] * 2, color=colour)
            axes.plot(change.mean(measure), row + at, "o", color=colour, ms=4)
    axes.axvline(0, color="#888888", linewidth=1)
    for edge in (-1, 1):
        axes.axvline(edge, **DASHED)
    axes.set_ylim(max(1, len(changes)) - 0.5, -0.5)
