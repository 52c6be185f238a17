"""The figure of an experiment: each arm against the baseline, by training size and dose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ferturb.base.config import MethodConfig
from ferturb.perturb.grids import HIDDEN, PEAK, SQUARE
from ferturb.report.form.style import (
    BLUE,
    DASHED,
    VERMILLION,
    WIDTH,
    add_legend,
    new_figure,
    png_of,
)
from ferturb.study.experiments import Experiment
from research.claims import Values, differences
from research.readings import Key
from research.replicates import paired_difference

COLOURS = {"accuracy": BLUE, "macro_recall": VERMILLION}
GRID_MASK = PEAK / 2 * SQUARE**2
"""The mean over a training whose probability climbs from 0 to its peak."""
HIDE_AND_SEEK = 4 / 5 * HIDDEN


def dose(method: MethodConfig) -> float:
    """The expected share of the face that is hidden in a training input, 0 … 1."""
    k, area = method.clusters, sum(method.erased) / 2
    seen = {"hide-and-seek": HIDE_AND_SEEK, "grid-mask": GRID_MASK}
    seen["eac"] = area * method.hidden_probability
    seen["random-erasing"] = area * k / (k + 1)
    views = ("uniform-clusters", "random-regions", "landmark-regions")
    seen |= dict.fromkeys(views, method.view_probability / (k + 1))
    return seen.get(method.name, 0.0)


def changes_figure(
    experiment: Experiment,
    values: Mapping[str, Values],
    baseline: str,
    split: str,
    said: Mapping[str, str],
) -> bytes:
    """A panel for each training size; in it each arm's reading, the smallest dose above.

    Dots are means over replicates, lines their 95 % t intervals (none for one replicate); the
    dashed lines at -1 and 1 point are the smallest effect of interest.
    """
    keys = {cell: _keys(experiment, values, cell, baseline) for cell in said}
    keys = {cell: found for cell, found in keys.items() if found} or {next(iter(said)): []}
    rows = [max(1, len(found)) for found in keys.values()]
    with new_figure(WIDTH, 0.3 * sum(rows) + 0.4 * len(rows) + 0.8) as figure:
        grid = figure.subplots(len(rows), 1, squeeze=False, sharex=True, height_ratios=rows)
        panels = grid[:, 0]
        for axes, cell in zip(panels, keys, strict=True):
            _panel(axes, values, keys[cell], (cell, baseline, "whole"))
            axes.set_yticks(range(len(keys[cell])))
            axes.set_yticklabels(_labels(experiment, keys[cell]))
            axes.set_title(f"{cell} training faces: {said[cell]}")
        panels[-1].set_xlabel(f"change against {baseline}, points ({split})")
        add_legend(figure, {m.replace("_", " "): colour for m, colour in COLOURS.items()})
    return png_of(figure)


def _keys(
    experiment: Experiment, values: Mapping[str, Values], cell: str, baseline: str
) -> list[Key]:
    """The readings of a cell that share a replicate with the baseline, by dose, then by passes."""

    def place(key: Key) -> tuple[float, int, str, str]:
        arm = experiment.arms[key[1]]
        return dose(arm.method), arm.factor * arm.method.views_per_face, key[1], key[2]

    of, against = values["accuracy"], (cell, baseline, "whole")
    there = {k for k in of if k[0] == cell and k[1] != baseline and differences(of, k, against)}
    return sorted(there, key=place)


def _labels(experiment: Experiment, keys: list[Key]) -> list[str]:
    """Arms and doses; the readings where there are several."""
    several = len({reading for _, _, reading in keys}) > 1
    return [
        f"{arm}{f', {reading}' * several} ({100 * dose(experiment.arms[arm].method):.0f} % hidden)"
        for _, arm, reading in keys
    ]


def _panel(axes: Axes, values: Mapping[str, Values], keys: list[Key], baseline: Key) -> None:
    for at, (measure, of) in zip((-0.13, 0.13), values.items(), strict=True):
        for row, key in enumerate(keys):
            found = differences(of, key, baseline)
            if len(found) > 1:
                test = paired_difference(found)
                axes.plot([test.low, test.high], [row + at] * 2, color=COLOURS[measure])
            if found:
                axes.plot(float(np.mean(found)), row + at, "o", color=COLOURS[measure], ms=4)
    axes.axvline(0, color="#888888", linewidth=1)
    for edge in (-1, 1):
        axes.axvline(edge, **DASHED)
    axes.set_ylim(max(1, len(keys)) - 0.5, -0.5)
