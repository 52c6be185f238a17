from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import FAST, ModelConfig
from ferturb.models.classifier import Classifier
from ferturb.models.inference import logits_of
from ferturb.models.precision import DepthwiseInFloat32, autocast, autocast_dtype

CPU = torch.device("cpu")


def gradients(layer: nn.Module, maps: Tensor, weights: Tensor) -> list[Tensor]:
    """Of the maps and of the layer's parameters; the answers weighted and added up."""
    maps = maps.clone().requires_grad_()
    (layer(maps).float() * weights).sum().backward()
    found = [maps.grad, *(p.grad for p in layer.parameters())]
    layer.zero_grad()
    return [g.float() for g in found if g is not None]


@pytest.mark.parametrize("size", [2, 7, 12])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 2), (7, 1)])
def test_depthwise_gradients_are_those_of_float32(size: int, kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(24, 24, kernel, stride, kernel // 2, groups=24)
    maps = torch.randn(8, 24, size, size).bfloat16().contiguous(memory_format=torch.channels_last)
    weights = torch.randn(layer(maps.float()).shape).bfloat16().float()
    expected = gradients(layer, maps.float(), weights)
    with autocast("bfloat16", CPU):
        answer = layer(maps)
        found = gradients(layer, maps, weights)
    assert answer.dtype == torch.bfloat16
    assert torch.equal(answer, layer(maps.float()).bfloat16())
    assert torch.equal(found[0], expected[0].bfloat16().float()), "of the maps, which are bfloat16"
    for one, other in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_all_other_convolutions_are_autocasts(groups: int) -> None:
    torch.manual_seed(0)
    layer, maps = nn.Conv2d(16, 32, 3, groups=groups), torch.randn(2, 16, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        expected = layer(maps)
    with autocast("bfloat16", CPU):
        found = layer(maps)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)


def test_a_channel_may_have_several_answers_and_the_maps_any_name() -> None:
    """Twice as many answers as channels, in one call by keyword, on maps of one face."""
    torch.manual_seed(0)
    maps, weight = torch.randn(4, 6, 6), torch.randn(8, 1, 3, 3)
    expected = F.conv2d(maps, weight, None, 1, "same", 1, 4)
    with autocast("bfloat16", CPU):
        found = F.conv2d(input=maps, weight=weight, padding="same", groups=4)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected.bfloat16(), rtol=0, atol=0)


def test_without_autocast_nothing_changes() -> None:
    layer, maps = nn.Conv2d(4, 4, 3, groups=4), torch.randn(1, 4, 5, 5)
    with DepthwiseInFloat32():
        assert layer(maps).dtype == torch.float32
        assert layer.double()(maps.double()).dtype == torch.float64
    with autocast("float32", CPU):
        assert layer.float()(maps).dtype == torch.float32


def test_grey_faces_have_one_channel_and_an_ordinary_convolution() -> None:
    torch.manual_seed(0)
    layer, maps = nn.Conv2d(1, 8, 3), torch.randn(2, 1, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        expected = layer(maps)
    with autocast("bfloat16", CPU):
        assert torch.equal(layer(maps), expected)


def test_a_whole_network_answers_nearly_as_in_float32() -> None:
    torch.manual_seed(0)
    model = Classifier(ModelConfig("mobilenetv3_small_050"))
    faces = torch.randint(0, 256, (4, 1, 48, 48), dtype=torch.uint8)
    exact, fast = logits_of(model, faces), logits_of(model, faces, precision="bfloat16")
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(exact, fast, rtol=0.1, atol=0.05)


def test_a_recipe_says_the_precision() -> None:
    assert autocast_dtype("bfloat16", CPU) == torch.bfloat16
    assert autocast_dtype("float32", CPU) is None
    assert autocast_dtype(FAST.precision, CPU) in (None, torch.bfloat16)
