"""ferturb's networks as `timm.create_model` makes them of what was written for the hub."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import ferturb.export.timm_models as registered
from calibrated_run import FACES, finished_run
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.export.hub import write_hub_folder
from ferturb.export.torch_models import calibrated_module
from ferturb.models.classifier import Classifier
from ferturb.training.files import MODEL

SHARES = torch.from_numpy(FACES[:, None].astype(np.float32) / 255)


@pytest.fixture
def folder(tmp_path: Path, tiny: str) -> Path:
    run = finished_run(tmp_path / "run", tiny, heads=("label", "votes"))
    return write_hub_folder(run.folder, tmp_path / "model", "me/faces", "cc-by-4.0")


def test_timm_makes_the_network_with_its_weights_and_calibration(folder: Path) -> None:
    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    _, about = calibrated_module(folder / "model.safetensors")
    assert about.head == "votes"
    with torch.no_grad():
        given = network(SHARES)
        network_alone = Classifier.load(folder.parent / "run" / MODEL).answering("votes").eval()
        logits = network_alone(SHARES)
    assert given.shape == (len(FACES), len(EMOTIONS))
    expected = logits / about.temperature + torch.tensor(about.bias)
    torch.testing.assert_close(given, expected, atol=1e-4, rtol=0)
    assert network.pretrained_cfg["label_names"] == list(EMOTIONS)
    assert network.pretrained_cfg["license"] == "cc-by-4.0"


def test_timm_says_how_a_picture_becomes_what_it_takes(folder: Path) -> None:
    network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    form = timm.data.resolve_model_data_config(network)
    made = timm.data.create_transform(**form)(Image.fromarray(FACES[0]))
    torch.testing.assert_close(made, SHARES[0])
    large = timm.data.create_transform(**form)(Image.fromarray(FACES[0]).resize((96, 96)))
    assert large.shape == (1, 48, 48)


def test_another_head_or_none_keeps_the_other_weights(folder: Path) -> None:
    name = f"local-dir:{folder}"
    own = timm.create_model(name, pretrained=True).eval()
    three = timm.create_model(name, pretrained=True, num_classes=3).eval()
    none = timm.create_model(name, pretrained=True, num_classes=0).eval()
    with torch.no_grad():
        maps = own.forward_features(SHARES[:4])
        assert maps.shape[:2] == (4, own.num_features)
        means = maps.mean((2, 3))
        torch.testing.assert_close(three.forward_features(SHARES[:4]), maps)
        torch.testing.assert_close(none(SHARES[:4]), means)
        torch.testing.assert_close(own.forward_head(maps, pre_logits=True), means)
        assert three(SHARES[:4]).shape == (4, 3)
        torch.testing.assert_close(three(SHARES[:4]), three.get_classifier()(means))


def test_it_is_trained_as_any_other(folder: Path) -> None:
    network = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=2).train()
    before = network.get_classifier().weight.detach().clone()
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    torch.nn.functional.cross_entropy(network(SHARES[:8]), torch.arange(8) % 2).backward()
    optimiser.step()
    assert not torch.equal(before, network.get_classifier().weight)


def test_the_shipped_models_can_be_had_the_same_way(tmp_path: Path) -> None:
    folder = write_hub_folder("tiny", tmp_path / "tiny")
    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    with torch.no_grad():
        answers = network(SHARES).softmax(1)
        mirrored = network(SHARES.flip(3)).softmax(1)
    module, _ = calibrated_module("tiny")
    with torch.no_grad():
        expected = module(torch.from_numpy(FACES))[0]
    assert (answers.argmax(1) == expected.argmax(1)).float().mean() > 0.9
    assert bool(((answers - mirrored).abs().amax(1) > 1e-3).any())


def test_coloured_faces_are_refused(folder: Path) -> None:
    assert registered.ARCHITECTURE in timm.list_models("ferturb*")
    with pytest.raises(FerturbError, match="faces are grey here: in_chans is 1, got 3"):
        timm.create_model(f"local-dir:{folder}", in_chans=3)
