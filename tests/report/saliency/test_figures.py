"""Figures of saliency by what is drawn in them."""

from __future__ import annotations

import numpy as np

from cut_off import cut_off
from ferturb.evaluation.saliency.benchmark import Benchmark
from ferturb.evaluation.saliency.parts import PARTS
from ferturb.report.saliency.figures import faithfulness_curves

P = len(PARTS)


def curves(deletion: float, insertion: float) -> Benchmark:
    """Two methods on seven faces, whose curves begin or end at these probabilities."""
    down, up = np.linspace(deletion, 0.1, 5), np.linspace(0.1, insertion, 5)
    share, picked = np.full((2, 7, P), 1 / P, np.float32), np.zeros((2, 7), np.int64)
    both = [np.tile(curve.astype(np.float32), (2, 7, 1)) for curve in (down, up)]
    return Benchmark(
        *(("rise", "random"), np.arange(7), np.arange(7), share[0], share, *both),
        *(picked, picked, np.zeros((2, 1)), np.zeros((2, 1)), np.zeros((0, P), bool)),
    )


def test_both_panels_of_a_model_show_their_curves_whole_on_one_scale() -> None:
    judged = {"a": curves(0.7, 0.95), "b": curves(0.9, 0.3)}
    figure = faithfulness_curves(judged)
    assert cut_off(figure) == []
    limits = np.array([axes.get_ylim() for axes in figure.axes]).reshape(2, 2, 2)
    assert (limits[..., 0] == 0).all()
    assert (limits[:, 0] == limits[:, 1]).all()
    assert 0.95 < limits[0, 0, 1] < 1.05 > limits[1, 0, 1] > 0.9


def test_the_check_itself_finds_a_line_that_is_cut_off() -> None:
    figure = faithfulness_curves({"a": curves(0.7, 0.95)})
    figure.axes[0].set_ylim(0, 0.8)
    assert cut_off(figure) == ["insertion: a: rise", "insertion: a: random"]
