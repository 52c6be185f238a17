"""Figures of networks trained and tested with and without face masks. PNG in the report's style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation.significance import Interval
from ferturb.report.form.style import BLUE, INK, VERMILLION, add_legend, new_panels
from ferturb.report.masks.pairs import MaskPair

_BESIDE = 0.06
_CLOSE = 3.0
_APART = 0.16


def two_by_two(pairs: Sequence[MaskPair], whole: str, masks: str) -> Figure:
    """Accuracy on whole faces and on masked ones, one line a training, one panel a network."""
    with new_panels([pair.name for pair in pairs], 2.9, sharey=True) as (panels, figure):
        for axes, pair in zip(panels, pairs, strict=True):
            for colour, cells, shift in (
                (BLUE, (pair.whole_whole, pair.whole_masks), -_BESIDE),
                (VERMILLION, (pair.masks_whole, pair.masks_masks), _BESIDE),
            ):
                known = [
                    (x, cell.scores.accuracy) for x, cell in enumerate(cells) if cell is not None
                ]
                places = [x + shift for x, _ in known]
                shares = [100 * score.estimate for _, score in known]
                axes.plot(places, shares, color=colour, linewidth=1.8)
                for (x, score), place in zip(known, places, strict=True):
                    ends = [100 * score.low, 100 * score.high]
                    axes.plot([place, place], ends, color=colour, linewidth=3, alpha=0.35)
                    axes.plot(place, 100 * score.estimate, "o", color=colour, markersize=6)
                    _print_share(axes, pair, x, colour, 100 * score.estimate)
            first, last = pair.whole_whole.scores.accuracy, pair.masks_masks.scores.accuracy
            diagonal = [100 * first.estimate, 100 * last.estimate]
            axes.plot([-_BESIDE, 1 + _BESIDE], diagonal, color=INK, lw=1, ls=(0, (3, 2)), zorder=1)
            axes.set_xticks([0, 1], [f"tested on\n{whole}", f"tested on\n{masks}"])
            axes.set_xlim(-0.45, 1.45)
            axes.grid(visible=False, axis="x")
            axes.margins(y=0.12)
            axes.set_title(pair.name)
        panels[0].set_ylabel("accuracy, %")
        colours = {
            f"trained on {whole}": BLUE,
            f"trained on {masks}": VERMILLION,
            "Table 1, first reading": None,
        }
        add_legend(figure, colours)
    return figure


def _print_share(axes: Axes, pair: MaskPair, x: int, colour: str, share: float) -> None:
    """A number beside its dot; where two would meet, the higher one above, the lower one below."""
    column = ((pair.whole_whole, pair.masks_whole), (pair.whole_masks, pair.masks_masks))[x]
    shares = [100 * cell.scores.accuracy.estimate for cell in column if cell is not None]
    close = len(shares) == 2 and abs(shares[0] - shares[1]) < _CLOSE
    vertical = ("bottom" if share == max(shares) else "top") if close else "center"
    near, side = (x - 2 * _BESIDE, "right") if x == 0 else (x + 2 * _BESIDE, "left")
    axes.text(near, share, f"{share:.1f}", ha=side, va=vertical, color=colour, fontsize=8)


def change_by_emotion(
    names: Sequence[str],
    readings: Sequence[Mapping[str, tuple[Interval, ...]]],
    theirs: Sequence[Mapping[str, float]],
) -> Figure:
    """Change of each emotion's accuracy, macro recall and accuracy, percent; one panel a network.

    `readings` has, by its title, nine intervals as shares for each reading of Table 1; `theirs` the
    paper's numbers in percent.
    """
    rows = (*EMOTIONS, "macro recall", "accuracy")
    ends = [100 * end for r in readings for c in r.values() for i in c for end in (i.low, i.high)]
    ends = [end for end in ends if not math.isnan(end)]
    ends += [0.0, *(value for numbers in theirs for value in numbers.values())]
    titles = dict.fromkeys(title for reading in readings for title in reading)
    colours = dict(zip(titles, (VERMILLION, BLUE), strict=False))
    with new_panels(names, 3.2, sharey=True) as (panels, figure):
        for axes, name, reading, numbers in zip(panels, names, readings, theirs, strict=True):
            axes.axvline(0, color=INK, linewidth=1)
            for title, change in reading.items():
                shift = (list(titles).index(title) - (len(titles) - 1) / 2) * 2 * _APART
                for y, interval in enumerate(change):
                    _draw_interval(axes, interval, y + shift, colours[title])
            for y, row in enumerate(rows):
                if row in numbers:
                    axes.plot(numbers[row], y, "D", color=INK, markerfacecolor="white", ms=5)
            axes.set_yticks(range(len(rows)), rows)
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_xlim(min(ends) - 3, max(ends) + 3)
            axes.grid(visible=False, axis="y")
            axes.set_title(name)
            axes.set_xlabel("change, %")
        for title, colour in colours.items():
            panels[0].plot([], [], "o-", color=colour, label=title)
        if any(theirs):
            panels[0].plot([], [], "D", color=INK, markerfacecolor="white", label="paper", ls="")
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def _draw_interval(axes: Axes, interval: Interval, y: float, colour: str) -> None:
    axes.plot([100 * interval.low, 100 * interval.high], [y, y], color=colour, linewidth=2)
    axes.plot(100 * interval.estimate, y, "o", color=colour, markersize=5)
