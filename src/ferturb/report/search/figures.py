"""The figures of a search: trial by trial, epoch by epoch, and by each field's value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from ferturb.report.form import style
from ferturb.report.form.style import BLUE, DASHED, GREY, VERMILLION, new_figure, panels_on
from ferturb.report.search.results import SearchResults, Trial, short

_EARLY: Any = {"color": GREY, "markerfacecolor": "white"}


def history(found: SearchResults) -> Figure:
    """Accuracy by trial, and the best so far."""
    with new_figure(style.WIDTH, 3.0) as figure:
        axes = figure.subplots()
        _dots(axes, found, lambda trial: float(trial.number))
        best, line = 0.0, []
        for trial in found.trials:
            if trial.state == "complete" and trial.accuracy is not None:
                best = max(best, trial.accuracy)
            line.append(100 * best if best else math.nan)
        numbers = [trial.number for trial in found.trials]
        axes.step(numbers, line, where="post", color=BLUE, linewidth=1, label="best so far")
        _own(axes, found)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("trial")
        axes.legend(loc="lower right")
    return figure


def curves(found: SearchResults) -> Figure:
    """Accuracy by epoch of every trial."""
    with new_figure(style.WIDTH, 3.0) as figure:
        axes = figure.subplots()
        for trial in sorted(found.trials, key=lambda t: t.state == "complete"):
            epochs, values = range(1, trial.epochs + 1), [100 * a for a in trial.by_epoch]
            colour = BLUE if trial.state == "complete" else GREY
            axes.plot(epochs, values, color=colour, linewidth=0.7, alpha=0.6)
        best = found.best
        shown = range(1, best.epochs + 1), [100 * a for a in best.by_epoch]
        axes.plot(*shown, color=VERMILLION, linewidth=2, label=f"trial {best.number}, the best")
        own = found.own
        if own is not None and own is not best:
            shown = range(1, own.epochs + 1), [100 * a for a in own.by_epoch]
            axes.plot(*shown, label="the recipe as it is", **DASHED)
        if found.prune_after:
            axes.axvline(found.prune_after, color=GREY, linewidth=0.7, linestyle=":")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation accuracy, %")
        axes.legend(loc="lower right")
    return figure


def importances(found: SearchResults) -> Figure:
    """How much of the spread each field explains."""
    shares = sorted(found.importances.items(), key=lambda item: item[1])
    with new_figure(0.6 * style.WIDTH, 0.8 + 0.28 * len(shares)) as figure:
        axes = figure.subplots()
        axes.barh([short(name) for name, _ in shares], [100 * s for _, s in shares], color=BLUE)
        axes.set_xlabel("share of the accuracy's spread, %")
        axes.grid(visible=False, axis="y")
    return figure


def slices(found: SearchResults) -> Figure:
    """Accuracy by the value of each field."""
    names = list(found.trials[0].values)
    across = min(4, len(names))
    with new_figure(style.WIDTH, 2.2 * math.ceil(len(names) / across)) as figure:
        for axes, name in zip(panels_on(figure, len(names), across, True), names, strict=True):
            _slice(axes, found, name)
    return figure


def _slice(axes: Axes, found: SearchResults, name: str) -> None:
    if name in found.ranges:
        _dots(axes, found, lambda trial: float(trial.values[name]))
        if found.ranges[name]:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        kinds = sorted({str(t.values[name]) for t in found.trials}, key=lambda v: (len(v), v))
        _dots(axes, found, lambda trial: float(kinds.index(str(trial.values[name]))))
        axes.set_xticks(range(len(kinds)), kinds)
        axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.set_title(short(name))


def _dots(axes: Axes, found: SearchResults, place: Callable[[Trial], float]) -> None:
    """A dot for every trial that was measured: filled where it came to its end."""
    for trial in found.trials:
        if trial.accuracy is None or trial.state == "running":
            continue
        filled = trial.state == "complete"
        how: Any = {"color": VERMILLION if trial is found.best else BLUE} if filled else _EARLY
        axes.plot(place(trial), 100 * trial.accuracy, "o", markersize=4, **how)
    if axes.get_subplotspec() is None or axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel("validation accuracy, %")


def _own(axes: Axes, found: SearchResults) -> None:
    own: Trial | None = found.own
    if own is not None and own.accuracy is not None:
        axes.axhline(100 * own.accuracy, label="the recipe as it is", **DASHED)
