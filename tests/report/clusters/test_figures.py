"""The pictures are checked by what is in them: colours of clusters, grey of faces."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ferturb.base.config import MethodConfig, RunConfig
from ferturb.report.clusters import figures
from ferturb.report.form.style import CLUSTERS
from ferturb.report.results import Arm
from ferturb.runs.run import Run


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def share(image: np.ndarray, colour: str, within: int = 6) -> float:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return float((np.abs(image - rgb).max(-1) <= within).mean())


def thirds(n: int = 1) -> torch.Tensor:
    return (torch.arange(48) // 16).expand(n, 48, 48).contiguous()


def test_figure_4_frames_each_view_in_its_clusters_colour() -> None:
    faces = torch.full((2, 48, 48), 120, dtype=torch.uint8)
    config = MethodConfig("perturb")
    shared = pixels(figures.faces_and_views(faces, thirds(), config, ("a", "b")))
    for colour in CLUSTERS[:3]:
        assert share(shared, colour) > 0.002
    assert share(shared, CLUSTERS[3]) < 1e-4
    by_face = figures.faces_and_views(faces, thirds(2), config, ("a", "b"))
    assert np.array_equal(pixels(by_face), shared)
    kept = pixels(
        figures.faces_and_views(faces, thirds(), MethodConfig("perturb", shows="keep-one"))
    )
    assert share(kept, "#000000") > 1.5 * share(shared, "#000000")  # two thirds gone, not one


@pytest.mark.parametrize("epochs", [1, 5, 40])
def test_a_film_strip_shows_every_cluster_of_each_chosen_epoch(epochs: int) -> None:
    maps = thirds(epochs)
    image = pixels(figures.maps_by_epoch(maps, most=6))
    grey = 0.45 * 0.6 * 255
    for colour in CLUSTERS[:3]:
        mixed = [round(0.55 * int(colour[i : i + 2], 16) + grey) for i in (1, 3, 5)]
        assert share(image, "#" + "".join(f"{c:02x}" for c in mixed)) > 0.05


def test_attention_by_stage_blackens_what_is_below_the_threshold() -> None:
    faces = torch.full((1, 48, 48), 120, dtype=torch.uint8)
    ramp = torch.linspace(0.2, 0.8, 48).expand(1, 1, 48, 48)
    dark = {
        threshold: share(pixels(figures.attention_by_stage(faces, ramp, threshold)), "#000003", 4)
        for threshold in (0.25, 0.75)
    }
    assert dark[0.75] > 1.5 * dark[0.25]


def arm(folder: Path, k: int, accuracy: float, method: str = "perturb") -> Arm:
    generator = np.random.default_rng(k)
    labels = generator.integers(0, 7, 400)
    logits = np.zeros((2, 400, 7))
    for z in logits:
        right = generator.random(400) < accuracy
        z[np.arange(400), np.where(right, labels, (labels + 1) % 7)] = 3.0
    run = Run.create(folder / f"{method}{k}", RunConfig(method=MethodConfig(method, clusters=k)))
    return Arm("vgg16", method, (0, 1), labels, logits, labels, logits, 1.0, (run, run))


def test_figure_5_draws_a_baseline_and_the_paper_when_asked(tmp_path: Path) -> None:
    arms = [arm(tmp_path, k, 0.6 + 0.02 * k) for k in (3, 1, 2)]
    baseline = arm(tmp_path, 3, 0.6, "baseline")
    alone = pixels(figures.accuracy_by_clusters(arms))
    both = pixels(figures.accuracy_by_clusters(arms, [baseline], True))
    assert alone.shape == both.shape
    assert share(both, "#FBEFE6", 8) > share(alone, "#FBEFE6", 8)  # the band of the baseline
    shuffled = pixels(figures.accuracy_by_clusters(arms[::-1]))
    assert np.array_equal(alone, shuffled)
