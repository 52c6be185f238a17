"""Networks for faces of any side, grey and in colour."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN, Raster
from ferturb.models.backbones import BACKBONES, GREY, build_backbone
from ferturb.models.classifier import Classifier
from ferturb.models.test_time import AUGMENTATIONS, predict_logits


@pytest.mark.parametrize("name", [n for n in sorted(BACKBONES) if not n.startswith(GREY)])
def test_every_backbone_takes_rgb_from_48_to_224(name: str) -> None:
    with torch.device("meta"):
        network = build_backbone(name, Raster(100, 3)).eval()
        sides = [network(torch.rand(1, 3, side, side)).shape[-1] for side in (48, 100, 224)]
    assert sides == sorted(sides)
    assert sides[2] >= 3 * sides[0]


LOOK_IN_GREY = ("deep-emotion", "emonext-narrow", "hog", "hog-landmarks", "two-stage-compact-tiny")


@pytest.mark.parametrize("name", LOOK_IN_GREY)
@torch.no_grad()
def test_networks_that_look_in_grey_take_rgb(name: str) -> None:
    torch.manual_seed(3)
    grey = Classifier(ModelConfig(name)).eval()
    torch.manual_seed(3)
    coloured = Classifier(ModelConfig(name), Raster(100, 3)).eval()
    faces = torch.rand(2, 3, 100, 100)
    torch.testing.assert_close(coloured(faces), grey(faces.mean(1, keepdim=True)))


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_timm_networks_are_built_for_the_faces(name: str) -> None:
    network = build_backbone(name, Raster(112, 3)).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 112, 112)).shape[:2] == (2, network.features)


@pytest.mark.parametrize("name", ["compact-tiny", "resnet18", "vgg16-half"])
def test_a_network_in_colour_starts_as_the_grey_one(name: str) -> None:
    torch.manual_seed(3)
    grey = Classifier(ModelConfig(name, attention=True)).double().eval()
    torch.manual_seed(3)
    coloured = Classifier(ModelConfig(name, attention=True), Raster(64, 3)).double().eval()
    faces = torch.rand(2, 1, 64, 64, dtype=torch.float64)
    in_three = faces.expand(-1, 3, -1, -1)
    assert torch.allclose(coloured(in_three), grey(faces), atol=1e-10)
    assert torch.allclose(coloured.attention_maps(in_three), grey.attention_maps(faces))
    mixed = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    assert torch.allclose(coloured(mixed), grey(mixed.mean(1, keepdim=True)), atol=1e-10)


def test_a_file_says_what_its_network_takes(tiny: str, tmp_path: Path) -> None:
    Classifier(ModelConfig(tiny), Raster(100, 3)).save(tmp_path / "model.safetensors")
    loaded = Classifier.load(tmp_path / "model.safetensors")
    assert loaded.raster == Raster(100, 3)
    images = torch.randint(0, 256, (4, 3, 100, 100), dtype=torch.uint8)
    for augmentation in AUGMENTATIONS:
        logits = predict_logits(loaded, images, augmentation)
        assert torch.equal(predict_logits(loaded, images, augmentation, batch_size=4), logits)
    Classifier(ModelConfig(tiny)).save(tmp_path / "grey.safetensors")
    assert b"raster" not in (tmp_path / "grey.safetensors").read_bytes()
    assert Classifier.load(tmp_path / "grey.safetensors").raster == PLAIN


def test_faces_of_the_other_kind_are_refused_in_a_line(tiny: str) -> None:
    coloured, grey = Classifier(ModelConfig(tiny), Raster(100, 3)), Classifier(ModelConfig(tiny))
    with pytest.raises(FerturbError, match=r"for 100×100 RGB faces takes .* \(b, 3, h, w\)"):
        predict_logits(coloured, torch.zeros(2, 100, 100, dtype=torch.uint8))
    with pytest.raises(FerturbError, match=r"for 48×48 grey faces takes .* \(b, 1, h, w\)"):
        predict_logits(grey, torch.zeros(2, 3, 48, 48, dtype=torch.uint8))
