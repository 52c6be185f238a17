"""Figures of clusters and attention, by what is drawn in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from ferturb.report.clusters import figures
from ferturb.report.form.style import CLUSTERS
from ferturb.report.model_results import ModelResult
from ferturb.report.published import FIGURE_5
from made_up_results import run_result, study_of


def thirds(n: int = 1) -> torch.Tensor:
    return (torch.arange(48) // 16).expand(n, 48, 48).contiguous()


def image(axes: Axes, which: int = 0) -> np.ndarray:
    return np.asarray(axes.images[which].get_array())


def test_figure_4_leaves_out_each_cluster_in_a_frame_of_its_colour() -> None:
    face = torch.full((48, 48), 120, dtype=torch.uint8)
    panels = figures.clusters_left_out(face, {"a": thirds()[0].numpy()}).axes
    assert [axes.get_title("center") for axes in panels] == [
        *("the face", "clusters", "without 1", "without 2", "without 3")
    ]
    for j, axes in enumerate(panels[2:]):
        shown = image(axes)
        assert not shown[:, 16 * j : 16 * (j + 1)].any()
        assert np.delete(shown, np.s_[16 * j : 16 * (j + 1)], 1).min() == pytest.approx(120 / 255)
        assert to_hex(axes.spines["left"].get_edgecolor()).upper() == CLUSTERS[j]
    assert np.array_equal(image(panels[1], 1), thirds()[0].numpy())


@pytest.mark.parametrize(("epochs", "shown"), [(1, 1), (5, 5), (40, 6)])
def test_a_film_strip_shows_chosen_epochs_from_the_first_to_the_last(
    epochs: int, shown: int
) -> None:
    maps = thirds(epochs)
    maps[-1, :24] = (maps[-1, :24] + 1) % 3
    panels = [axes for axes in figures.maps_by_epoch(maps, most=6).axes if axes.images]
    assert len(panels) == shown
    assert panels[0].get_title("center") == "epoch 1"
    assert panels[-1].get_title("center") == f"epoch {epochs}"
    assert np.array_equal(image(panels[-1], 1), maps[-1].numpy())
    if epochs > 1:
        assert panels[-1].get_xlabel() == "50 % as before"


def test_attention_by_stage_keeps_what_is_above_the_threshold() -> None:
    faces = torch.full((1, 48, 48), 120, dtype=torch.uint8)
    ramp = torch.linspace(0.2, 0.8, 48).expand(1, 1, 48, 48)
    for threshold in (0.25, 0.75):
        figure = figures.attention_by_stage(faces, ramp, ramp[0], threshold, mark="do not show")
        used = figure.axes[-1]
        assert used.get_title("center") == "used"
        assert (image(used, 1) > 0).mean() == pytest.approx(1 - threshold, abs=0.02)
        assert used.get_xlabel().endswith("% of it")
        assert figure.get_supxlabel() == "do not show"


def test_what_is_used_is_the_attention_map_and_not_the_mean_of_the_gates() -> None:
    faces = torch.full((1, 48, 48), 120, dtype=torch.uint8)
    gates, attention = torch.rand(3, 1, 48, 48), torch.zeros(1, 48, 48)
    attention[:, 30:, 10:40] = 1
    _, *panels = figures.attention_by_stage(faces, gates, attention).axes
    titles = [axes.get_title("center") for axes in panels]
    assert titles == ["gate 1", "gate 2", "gate 3", "attention", "used"]
    for axes in panels[-2:]:
        assert np.array_equal(image(axes, 1), attention[0].numpy())


def models() -> tuple[list[ModelResult], ModelResult]:
    runs = [
        run_result("vgg16", "perturb", seed, clusters=k, skill=2 + k / 10, name=f"k{k}-s{seed}")
        for k in (3, 1, 2)
        for seed in (0, 1)
    ]
    found = study_of([*runs, run_result("vgg16")]).main.models
    return [m for m in found if m.method != "baseline"], found[0]


def test_figure_5_draws_accuracy_by_k() -> None:
    perturbed, baseline = models()
    (axes,) = figures.accuracy_by_clusters(perturbed, [baseline]).axes
    (bars,) = axes.containers
    line = bars.lines[0]
    expected = {figures.clusters_of(m): 100 * m.scores.accuracy.estimate for m in perturbed}
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == [expected[k] for k in (1, 2, 3)]
    (band,) = axes.patches
    score = baseline.scores.accuracy
    assert band.get_extents().transformed(axes.transData.inverted()).y1 == pytest.approx(
        100 * score.high
    )
    seeds = [dots for dots in axes.lines if dots.get_marker() == "."]
    assert len(seeds) == 3
    assert all(len(dots.get_ydata()) == 2 for dots in seeds)
    assert axes.get_ylabel() == "accuracy, %"


def test_figure_5_sets_the_paper_beside_macro_recall() -> None:
    perturbed, _ = models()
    accuracy, recall = figures.accuracy_by_clusters(perturbed, with_paper=True).axes
    assert (accuracy.get_ylabel(), recall.get_ylabel()) == ("accuracy, %", "macro recall, %")
    assert not [line for line in accuracy.lines if line.get_marker() == "D"]
    (theirs,) = [line for line in recall.lines if line.get_marker() == "D"]
    assert list(theirs.get_xdata()) == list(FIGURE_5)
    assert list(theirs.get_ydata()) == [100 * share for share in FIGURE_5.values()]
    expected = {figures.clusters_of(m): 100 * m.scores.macro_recall.estimate for m in perturbed}
    assert list(recall.containers[0].lines[0].get_ydata()) == [expected[k] for k in (1, 2, 3)]
