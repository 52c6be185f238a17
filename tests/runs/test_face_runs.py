"""Runs whose faces have cluster maps of their own: they need their attention run at test time."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import AugmentConfig, MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.tensors import load_tensors
from ferturb.data.faces import Faces
from ferturb.models.inference import logits_of
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run
from ferturb.study.plan import chain
from ferturb.training.files import CLUSTERS

RECIPE = RecipeConfig(
    epochs=2, batch_size=16, precision="float32", augment=AugmentConfig(rotate=5.0),
    evaluate=("none",),
)  # fmt: skip
FACE = MethodConfig("perturb", scope="face", views="sample", attention_faces=32)


@pytest.mark.usefixtures("tiny")
def test_stored_logits_are_those_of_the_loaded_model(toy_faces: Faces, tmp_path: Path) -> None:
    config = RunConfig(model=ModelConfig("tiny"), method=FACE, recipe=RECIPE)
    for planned in chain(config, 1):
        execute_run(prepare(tmp_path, planned), toy_faces)
    run = Run(prepare(tmp_path, planned).folder)
    images = toy_faces.split("test").images
    stored = torch.from_numpy(run.logits("test", "none")[1])
    torch.testing.assert_close(logits_of(run.load_model(), images), stored)
    whole = logits_of(run.load_classifier(), images)
    assert not torch.allclose(whole, stored)
    tensors = load_tensors(run.folder / CLUSTERS)[0]
    assert tensors["uninformative"].shape == (2,)
    assert tensors["maps"].shape == (2, 32, 32)
    shutil.rmtree(tmp_path / str(planned.attention_run))
    with pytest.raises(FerturbError, match="not a run folder"):
        run.load_model()


@pytest.mark.usefixtures("tiny")
def test_without_test_views_no_attention_run_is_needed(toy_faces: Faces, tmp_path: Path) -> None:
    method = replace(FACE, test_views=False)
    config = RunConfig(model=ModelConfig("tiny"), method=method, recipe=RECIPE)
    for planned in chain(config, 1):
        execute_run(prepare(tmp_path, planned), toy_faces)
    shutil.rmtree(tmp_path / str(planned.attention_run))
    run = prepare(tmp_path, planned)
    images = toy_faces.split("test").images
    stored = torch.from_numpy(run.logits("test", "none")[1])
    torch.testing.assert_close(logits_of(run.load_model(), images), stored)
