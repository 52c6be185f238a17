"""The paper's figure 5 in a network that overfits: what each number of clusters changes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ferturb.report import published
from ferturb.report.form.style import (
    BLUE,
    DASHED,
    HOLLOW,
    VERMILLION,
    WIDTH,
    new_figure,
    png_of,
)
from ferturb.study.experiments import Experiment
from research.changes import Change

READINGS = {"summed": VERMILLION, "whole": BLUE}


def by_clusters(
    experiment: Experiment, changes: Sequence[Change]
) -> dict[str, list[tuple[int, Change]]]:
    """Reading -> the number of clusters and its change against whole faces, by rising number."""
    found: dict[str, list[tuple[int, Change]]] = {reading: [] for reading in READINGS}
    for change in changes:
        _, arm, reading = change.key
        found[reading].append((experiment.arms[arm].method.clusters, change))
    return {reading: sorted(of, key=lambda c: c[0]) for reading, of in found.items()}


def clusters_figure(
    experiment: Experiment, changes: Sequence[Change], split: str, said: str
) -> bytes:
    """Accuracy, and macro recall beside the paper's, by K: points against whole faces.

    Dots are means over replicates, lines their 95 % t intervals (none for one replicate); the
    dashed lines at -1 and 1 point are the smallest effect of interest.
    """
    found = by_clusters(experiment, changes)
    with new_figure(WIDTH, 3.6) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, measure in zip(panels, ("accuracy", "macro_recall"), strict=True):
            for reading, of in found.items():
                _line(axes, measure, of, reading)
            axes.set(xlabel="clusters K", xticks=list(published.FIGURE_5))
            axes.set_title(f"{measure.replace('_', ' ')} ({split}, {said})")
            axes.axhline(0, color="#888888", linewidth=1)
            for edge in (-1, 1):
                axes.axhline(edge, **DASHED)
        paper = published.figure_5_changes()
        label = "the paper's VGG16, one training each"
        panels[1].plot(list(paper), list(paper.values()), "D--", label=label, lw=1, **HOLLOW)
        panels[0].set_ylabel("change against whole, points")
        figure.legend(*panels[1].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return png_of(figure)


def _line(axes: Axes, measure: str, of: Sequence[tuple[int, Change]], reading: str) -> None:
    colour, apart = READINGS[reading], {"summed": -0.06, "whole": 0.06}[reading]
    for k, change in of:
        test = change.test(measure)
        if test is not None:
            axes.plot([k + apart] * 2, [test.low, test.high], color=colour)
    words = {"summed": "views summed", "whole": "whole face"}[reading]
    means = [change.mean(measure) for _, change in of]
    axes.plot([k + apart for k, _ in of], means, "o-", color=colour, ms=4, lw=1, label=words)
