from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import DatasetConfig, MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.features.altered import load_dataset
from ferturb.models.classifier import Classifier
from ferturb.perturb.methods import training_inputs
from ferturb.runs.execute import execute_run, new_classifier, prepare
from ferturb.training.files import CHECKPOINT
from ferturb.training.inputs import Batch

RECIPE = RecipeConfig("still", epochs=2, batch_size=16, trained="head", evaluate=("none",))


def test_a_frozen_backbone_stays_as_it_starts(tmp_path: Path, tiny: str, toy_faces: Faces) -> None:
    config = RunConfig(model=ModelConfig(tiny), recipe=RECIPE)
    run, free = (prepare(tmp_path, replace(config, recipe=r)) for r in (RECIPE, free_recipe()))
    start = new_classifier(config).state_dict()
    for one in (run, free):
        assert execute_run(one, toy_faces)
    for key, value in run.load_classifier().state_dict().items():
        assert torch.equal(value, start[key]) == key.startswith("backbone."), key
    changed = free.load_classifier().state_dict()
    assert not torch.equal(changed["backbone.stem.0.weight"], start["backbone.stem.0.weight"])
    assert run.record()["parameters"] == free.record()["parameters"]


def test_gates_of_a_frozen_network_stay_as_they_start(
    tmp_path: Path, tiny: str, toy_faces: Faces
) -> None:
    config = RunConfig(model=ModelConfig(tiny, attention=True), recipe=RECIPE)
    run = prepare(tmp_path, config)
    start = new_classifier(config).state_dict()
    assert any(key.startswith("gates.") for key in start)
    assert execute_run(run, toy_faces)
    for key, value in run.load_classifier().state_dict().items():
        assert torch.equal(value, start[key]) != key.startswith("head."), key


@pytest.mark.usefixtures("tiny")
def test_a_training_from_published_weights_goes_on_from_them_without_a_checkpoint(
    tmp_path: Path, toy_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed between the model and the checkpoint of its first epoch."""

    def published(classifier: Classifier, path: Path) -> None:
        for parameter in classifier.backbone.parameters():
            torch.nn.init.constant_(parameter, 0.01)

    monkeypatch.setattr("ferturb.runs.execute.start_from_published", published)
    model = ModelConfig("tiny")
    config = RunConfig(model=model, recipe=free_recipe(), published_weights="a.pth")
    whole, parts = (prepare(tmp_path / name, config) for name in ("whole", "parts"))
    assert execute_run(whole, toy_faces)
    assert not execute_run(parts, toy_faces, pause_after=1)
    (parts.folder / CHECKPOINT).unlink()
    assert parts.has_model
    assert execute_run(parts, toy_faces)
    expected = whole.load_classifier().state_dict()
    for key, value in parts.load_classifier().state_dict().items():
        assert torch.equal(value, expected[key]), key


def free_recipe() -> RecipeConfig:
    return replace(RECIPE, trained="all")


def test_a_training_starts_from_one_thing(tiny: str) -> None:
    with pytest.raises(FerturbError, match="both are given; leave one out"):
        RunConfig(model=ModelConfig(tiny), initial_weights="run", published_weights="a.pth")


def test_half_of_the_faces_wear_the_masks_of_maskfer() -> None:
    dataset = DatasetConfig(synthetic_faces=280)
    faces = load_faces(dataset, cache=False)
    inputs = training_inputs(MethodConfig("half-masked"), faces)
    images = faces.split("train").images
    worn = load_dataset(replace(dataset, face_masks="mixed"), cache=False).split("train").images
    still = replace(RECIPE.augment, flip=0.0)
    index = torch.arange(len(images))
    masked = 0
    for seed in range(4):
        own = torch.Generator().manual_seed(seed)
        shown = inputs(Batch(index, images, still, own), own)
        grey = (shown[:, 0] * 255).round().to(torch.uint8)
        is_worn = (grey == worn).flatten(1).all(1)
        assert (is_worn | (grey == images).flatten(1).all(1)).all()
        masked += int((is_worn & (worn != images).flatten(1).any(1)).sum())
    assert 0.4 < masked / (4 * len(images)) < 0.6
    with pytest.raises(FerturbError, match=r"half-masked .* put masks on whole faces themselves"):
        training_inputs(
            MethodConfig("half-masked"), load_dataset(replace(dataset, face_masks="mixed"))
        )
