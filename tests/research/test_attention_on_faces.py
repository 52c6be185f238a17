from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ferturb.base.config import (
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
)
from ferturb.data.drawn.synthetic import draw
from ferturb.data.faces import Faces
from ferturb.runs.execute import execute_run, prepare
from ferturb.web.attention import GRAPH
from research.attention_figure import attention_figure
from research.attention_on_faces import maps_of, on_face, row_of

# Two faces of 2×3 pixels; the first's hull is its left column, the other's its right two.
HULLS = np.array([[[1, 0, 0], [1, 0, 0]], [[0, 1, 1], [0, 1, 1]]], dtype=bool)
MAPS = np.array([[[0.6, 0.4, 0.2], [0.5, 0.2, 0.3]], [[9.0, 1.0, 3.0], [2.0, 5.0, 1.0]]])
# scaled to 0 … 1: by (x − 0.2) / 0.4, and by (x − 1) / 8


def test_where_attention_lies_by_hand() -> None:
    found = on_face(MAPS, HULLS)
    np.testing.assert_allclose(found.inside, [(1 + 0.75) / 2, (0 + 2 / 8 + 4 / 8 + 0) / 4])
    np.testing.assert_allclose(found.outside, [(0.5 + 0 + 0 + 0.25) / 4, (1 + 1 / 8) / 2])
    np.testing.assert_allclose(found.other, [0.75 / 4, (1 + 1 / 8) / 2])
    np.testing.assert_allclose(found.share, [1.75 / 2.5, 0.75 / 1.875])
    np.testing.assert_allclose(found.area, [1 / 3, 2 / 3])
    assert found.peak.tolist() == [True, False]


def test_a_row_is_the_mean_over_the_chosen_faces_with_students_interval() -> None:
    found = on_face(np.concatenate([MAPS, MAPS[:1] * [[[1, 0, 0]]]]), HULLS[[0, 1, 0]])
    row = row_of(found, np.array([True, False, True]))
    first, last = 0.875 - 0.1875, (1 + 5 / 6) / 2
    assert row["faces"] == 2
    assert row["difference"] == pytest.approx((first + last) / 2, abs=1e-4)
    half = 12.7062 * abs(first - last) / 2  # Student's t, one degree of freedom
    assert row["high"] - row["low"] == pytest.approx(2 * half, abs=1e-3)
    assert row["peak"] == 1


def test_attention_that_is_flat_lies_nowhere() -> None:
    found = on_face(np.full((2, 2, 3), 0.7), HULLS)
    assert found.inside.tolist() == found.outside.tolist() == [0, 0]
    assert np.isnan(found.share).all()


def test_the_maps_of_a_run_are_its_gates_and_their_mean(
    tiny: str, toy_faces: Faces, tmp_path: Path
) -> None:
    model = ModelConfig(tiny, attention=True, attention_at="stages")
    recipe = RecipeConfig(epochs=1, batch_size=32)
    config = RunConfig(DatasetConfig(), model, MethodConfig("attention"), recipe)
    run = prepare(tmp_path, config)
    execute_run(run, toy_faces)
    about, maps = maps_of(run.folder, toy_faces.split("test").images)
    assert list(maps) == ["attention", "gate 1", "gate 2"]
    np.testing.assert_allclose(maps["attention"], (maps["gate 1"] + maps["gate 2"]) / 2, rtol=1e-5)
    assert about["gates"] == "stages"
    faces = toy_faces.split("test").images.unsqueeze(1).float() / 255
    with torch.inference_mode():
        expected = run.load_classifier().attention_maps(faces).numpy()
    np.testing.assert_allclose(maps["attention"], expected, rtol=1e-5)


def test_the_shipped_network_is_measured_too() -> None:
    images = torch.randint(0, 256, (3, 48, 48), dtype=torch.uint8)
    about, maps = maps_of(GRAPH, images)
    assert about["gates"] == "shipped"
    assert maps["attention"].shape == (3, 48, 48)


def test_the_picture_has_a_row_of_faces_and_one_for_each_network() -> None:
    drawn = draw(7, seed=1)
    one = torch.rand(7, 48, 48, generator=torch.Generator().manual_seed(0)).numpy()
    arguments = drawn.images.numpy(), drawn.regions["face"].numpy()
    both = attention_figure(*arguments, {"before": one, "now": 1 - one})
    again = attention_figure(*arguments, {"before": one, "now": one * 0.5})
    sizes = [Image.open(io.BytesIO(png)).size for png in (both, again)]
    assert sizes[0] == sizes[1]
    pixels = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in (both, again)]
    changed = (pixels[0] != pixels[1]).any((1, 2))
    assert not changed[: len(changed) // 2].any()  # the last row alone differs
    assert changed[len(changed) * 2 // 3 :].any()
