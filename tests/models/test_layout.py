from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ferturb.base.config import ModelConfig
from ferturb.models.backbones import BACKBONES, build_backbone
from ferturb.models.classifier import Classifier
from ferturb.models.layout import layout_of


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7, 8, 15, 16, 24])
@pytest.mark.parametrize("stride", [1, 2])
def test_narrow_strided_convolutions_get_true_gradients(channels: int, stride: int) -> None:
    """In channels last, where oneDNN has AVX2 alone, 2 to 7 channels end the process."""
    torch.manual_seed(channels)
    layer = nn.Conv2d(channels, 24, 1, stride, bias=False)
    layout = layout_of(layer)
    layer.to(memory_format=layout)
    faces = torch.randn(32, channels, 16, 16)
    maps = layer(faces.contiguous(memory_format=layout))
    weights = torch.randn(maps.shape)
    (maps * weights).sum().backward()
    assert layer.weight.grad is not None
    seen = faces[:, :, ::stride, ::stride]
    expected = torch.einsum("nohw,nihw->oi", weights.double(), seen.double())
    torch.testing.assert_close(
        layer.weight.grad[:, :, 0, 0].double(), expected, rtol=1e-4, atol=1e-4
    )


def test_narrow_networks_train_with_the_gradients_of_float64(tiny: str) -> None:
    torch.manual_seed(0)
    single = Classifier(ModelConfig(tiny))
    assert layout_of(single) == torch.contiguous_format
    double = Classifier(ModelConfig(tiny)).double()
    double.load_state_dict(single.state_dict())
    single.to(memory_format=layout_of(single))
    faces, labels = torch.rand(16, 1, 32, 32), torch.arange(16) % 7
    for network, own in ((single, faces), (double, faces.double())):
        F.cross_entropy(network(own), labels).backward()
    for (name, one), other in zip(single.named_parameters(), double.parameters(), strict=True):
        assert one.grad is not None, name
        assert other.grad is not None, name
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["compact", "compact-tiny", "vgg16", "resnet18", "dpn26"])
def test_the_networks_that_come_with_it_lie_channels_last(name: str) -> None:
    assert name in BACKBONES
    assert layout_of(build_backbone(name)) == torch.channels_last


def test_a_network_lies_so_from_the_start_and_when_it_is_read(tmp_path: Path) -> None:
    made = Classifier(ModelConfig("compact-tiny"))
    made.save(tmp_path / "model.safetensors")
    for network in (made, Classifier.load(tmp_path / "model.safetensors")):
        weights = [p for p in network.parameters() if p.ndim == 4]
        assert len(weights) == 10
        assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
