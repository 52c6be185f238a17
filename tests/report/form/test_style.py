"""What all figures share."""

from __future__ import annotations

import pytest

from ferturb.report.form.style import BLUE, WIDTH, add_legend, new_figure


@pytest.mark.parametrize("width", [0.6 * WIDTH, WIDTH])
@pytest.mark.parametrize("longest", ["perturb", "features-left-out"])
def test_a_legend_ends_within_its_figure(width: float, longest: str) -> None:
    names = ("baseline", "attention", longest, "validation", "training", "uniform-clusters")
    with new_figure(width, 3) as figure:
        figure.subplots()
        add_legend(figure, dict.fromkeys(names, BLUE))
        figure.draw_without_rendering()
        (legend,) = figure.legends
        box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert [text.get_text() for text in legend.get_texts()] == list(names)
