"""A VGG-like network in shapes to choose."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ferturb.base.config import ModelConfig, VggShape
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier

SHAPE = VggShape(4, 3, 10, 1.5, 7, 5, 0.3)


def test_parameters_are_those_of_its_kernels_norms_and_the_linear_layer() -> None:
    widths, side, channels, expected = (10, 15, 22, 34), 7, 1, 0
    for width in widths:
        expected += side**2 * width * (channels + 2 * width) + 3 * 2 * width
        side, channels = 5, width
    with torch.device("meta"):
        found = Classifier(ModelConfig("vgg-like", shape=SHAPE)).parameter_count
    assert found == expected + 7 * 34 + 7


@pytest.mark.parametrize("shape", [VggShape(), SHAPE])
@torch.no_grad()
def test_forward_is_that_of_its_layers(shape: VggShape) -> None:
    torch.manual_seed(0)
    net = Classifier(ModelConfig("vgg-like", shape=shape)).double().eval()
    for key, buffer in net.named_buffers():
        if "running" in key:
            buffer.uniform_(0.1, 1.5)
    faces = torch.rand(2, 1, 40, 40, dtype=torch.float64)
    weights = iter([v for v in net.backbone.state_dict().values() if v.ndim])
    x = net.scaled(faces)
    for _ in range(shape.blocks):
        for _ in range(shape.convolutions):
            x = F.conv2d(x, next(weights), padding="same")
            scale, shift, mean, variance = (next(weights) for _ in range(4))
            x = F.relu(F.batch_norm(x, mean, variance, scale, shift))
        x = F.max_pool2d(x, 2)
    torch.testing.assert_close(net(faces), F.linear(x.mean((2, 3)), net.head.weight, net.head.bias))


def test_every_weight_learns_and_attention_fits_between_the_blocks() -> None:
    torch.manual_seed(0)
    net = Classifier(ModelConfig("vgg-like", attention=True, shape=SHAPE))
    assert len(net.gates) == 3
    F.cross_entropy(net(torch.rand(3, 1, 48, 48)), torch.tensor([0, 3, 6])).backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernel": 0}, "kernel must be from 1 to 9"),
        ({"first_kernel": 11}, "first_kernel must be from 1 to 9"),
        ({"blocks": 5}, "blocks must be from 1 to 4"),
        ({"width": 1000}, "width must be from 4 to 96"),
        ({"growth": 4.0}, "growth must be"),
    ],
)
def test_shapes_that_do_not_fit_are_one_line(options: dict[str, int], said: str) -> None:
    with pytest.raises(FerturbError, match=said):
        VggShape(**options)


def test_other_networks_have_a_shape_of_their_own() -> None:
    with pytest.raises(FerturbError, match="compact has a shape of its own"):
        Classifier(ModelConfig("compact", shape=SHAPE))
