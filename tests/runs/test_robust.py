"""Runs of method `robust`: faces with something hidden among whole ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import DatasetConfig, MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.tensors import load_tensors
from ferturb.data.faces import Faces
from ferturb.runs.execute import execute_run, prepare

pytestmark = pytest.mark.usefixtures("tiny")

RECIPE = RecipeConfig(epochs=1, batch_size=32, precision="float32", evaluate=("none",))
PLAIN = RunConfig(model=ModelConfig("tiny"), recipe=RECIPE)


def weights(folder: Path, config: RunConfig, faces: Faces) -> torch.Tensor:
    run = prepare(folder, config)
    assert execute_run(run, faces)
    tensors = load_tensors(run.folder / "model.safetensors")[0]
    return torch.cat([tensors[key].flatten().float() for key in sorted(tensors)])


def test_robust_trains_on_variants_of_the_faces_it_is_given_alone(
    toy_faces: Faces, tmp_path: Path
) -> None:
    robust = replace(PLAIN, method=MethodConfig("robust", hidden_probability=1.0))
    found = weights(tmp_path, robust, toy_faces)
    elsewhere = replace(robust, dataset=DatasetConfig("no/such/data"))
    assert torch.equal(found, weights(tmp_path, elsewhere, toy_faces))
    assert not torch.equal(found, weights(tmp_path, PLAIN, toy_faces))
    darker = replace(toy_faces, images=toy_faces.images // 2)
    assert not torch.equal(found, weights(tmp_path / "darker", robust, darker))
