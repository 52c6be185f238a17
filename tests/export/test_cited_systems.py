"""The systems that the paper cites are networks like any other: one file, and the ablation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrated_run import FACES, finished_run
from ferturb.base.config import AblationOptions, DatasetConfig
from ferturb.data.sources import load_faces
from ferturb.evaluation.ablation.measure import ablate_run, analysis_name
from ferturb.export.onnx import export

CITED = ("deep-emotion", "deep-emotion-streams", "emonext-narrow", "hog", "hog-boosted", "vgg-like")
MORE = (
    "hog-landmarks",
    "two-stage-compact-tiny",
    *(pytest.param(n, marks=pytest.mark.slow) for n in ("dlib-resnet", "tf_efficientnet_lite0")),
)
SLOWER = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("emonext-narrow", "hog-landmarks", "two-stage-compact-tiny", "dlib-resnet")
]


@pytest.mark.parametrize("name", [*CITED, *MORE])
def test_the_file_says_what_torch_does(tmp_path: Path, name: str) -> None:
    run = finished_run(tmp_path / "run", name)
    found = export(run.folder, tmp_path / "model.onnx", "float32", FACES, np.arange(60) % 7)
    assert found.max_difference < 1e-3


@pytest.mark.parametrize("name", ["deep-emotion", "hog-boosted", *SLOWER])
def test_features_are_left_out_for_it_as_for_others(tmp_path: Path, name: str) -> None:
    faces = load_faces(DatasetConfig(synthetic_faces=210), cache=False)
    run = finished_run(tmp_path / "run", name)
    options = AblationOptions(features=("mouth",), controls=1)
    ablate_run(run, faces, options)
    assert run.analyses() == (analysis_name(run, faces, options),)
