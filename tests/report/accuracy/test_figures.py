"""Figures by what is drawn in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from ferturb.report.accuracy import figures
from ferturb.report.form.tables import signed_points
from made_up_results import small_study


def labels_of(figure: Figure) -> list[str]:
    return [str(text.get_text()) for text in figure.axes[0].get_legend().get_texts()]


def test_differences_draw_each_change_with_its_interval() -> None:
    comparisons = small_study(skills={("compact", "perturb"): 3.0}).main.comparisons
    axes = figures.differences(comparisons, with_paper=False).axes[0]
    lines = axes.lines[1:]  # after the one at zero
    assert len(lines) == 2 * len(comparisons)
    for interval, dot, c in zip(lines[::2], lines[1::2], comparisons, strict=True):
        change = c.change.accuracy
        assert list(interval.get_xdata()) == [100 * change.low, 100 * change.high]
        assert list(dot.get_xdata()) == [100 * change.estimate]
    assert axes.get_legend() is None


def test_one_change_far_outside_does_not_squeeze_the_others() -> None:
    skills = {("compact", "attention"): -6.0}
    comparisons = small_study(("compact", "resnet18"), skills=skills).main.comparisons
    axes = figures.differences(comparisons, with_paper=False).axes[0]
    near = [c for c in comparisons if c.other.method != "attention" or c.other.model != "compact"]
    widest = max(
        100 * abs(e) for c in near for e in (c.change.accuracy.low, c.change.accuracy.high)
    )
    assert widest < axes.get_xlim()[1] < 2 * widest
    (arrow,) = axes.texts
    far = next(c for c in comparisons if c not in near)
    assert arrow.get_text() == signed_points(far.change.accuracy.estimate)


def test_a_bounded_axis_holds_the_macro_recall_of_all_others() -> None:
    study = small_study(("compact", "compact-tiny"), skills={("compact", "attention"): -6.0})
    found = list(study.main.comparisons)
    far = next(c for c in found if (c.other.model, c.other.method) == ("compact", "attention"))
    near = next(i for i, c in enumerate(found) if c is not far)
    high = 2 * max(c.change.accuracy.high for c in found if c is not far)
    wide = replace(found[near].change.macro_recall, high=high)
    found[near] = replace(found[near], change=replace(found[near].change, macro_recall=wide))
    axes = figures.differences(found, with_paper=True).axes[0]
    assert len(axes.texts) == 1  # the one far outside
    assert axes.get_xlim()[1] > 100 * high


def test_the_papers_change_stands_on_the_line_of_macro_recall() -> None:
    comparisons = small_study(models=("resnet18",), kind="fer2013").main.perturb
    figure = figures.differences(comparisons, with_paper=True)
    (theirs,) = [
        line
        for line in figure.axes[0].lines
        if line.get_marker() == "D" and len(line.get_xdata()) == 1
    ]
    assert list(theirs.get_xdata()) == [3.1]
    recall = 100 * comparisons[0].change.macro_recall.estimate
    (ours,) = [line for line in figure.axes[0].lines if list(line.get_xdata()) == [recall]]
    assert list(ours.get_ydata()) == list(theirs.get_ydata())
    assert labels_of(figure) == ["accuracy", "macro recall", "macro recall, paper"]


def test_a_confusion_matrix_holds_percentages_of_rows() -> None:
    model = small_study(models=("compact",)).main.models[0]
    axes = figures.confusion_matrices([model]).axes[0]
    numbers = np.array([float(text.get_text()) for text in axes.texts]).reshape(7, 7)
    counts = model.confusion
    assert numbers == pytest.approx(100 * counts / counts.sum(1, keepdims=True), abs=0.5)
    assert axes.get_title("left") == "compact, baseline"


def test_reliability_leaves_out_bins_with_few_faces() -> None:
    models = small_study(models=("compact",), faces=100).main.models[:1]
    axes = figures.reliability(models).axes[0]
    drawn = len(axes.lines[1].get_xdata())
    assert 0 < drawn <= 10  # 100 faces fill at most ten bins of ten
