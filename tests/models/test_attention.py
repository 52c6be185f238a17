from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import nn

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.attention import SpatialGate, mean_of_gates
from ferturb.models.classifier import Classifier


@pytest.mark.parametrize("padding", ["replicate", "zeros"])
@torch.no_grad()
def test_gate_is_equation_3_of_cbam_computed_by_hand(
    padding: Literal["replicate", "zeros"],
) -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 5, 6, 9))
    weight = rng.normal(size=(2, 7, 7)) * 0.1
    gate = SpatialGate(padding).double().eval()
    gate.conv.weight.copy_(torch.from_numpy(weight[None]))
    gate.norm.weight.fill_(1.5)
    gate.norm.bias.fill_(-0.3)
    gate.norm.running_mean.fill_(0.2)
    gate.norm.running_var.fill_(0.8)

    summary = np.stack([maps.mean(1), maps.max(1)], axis=1)
    mode: Any = "constant" if padding == "zeros" else "edge"
    padded = np.pad(summary, ((0, 0), (0, 0), (3, 3), (3, 3)), mode)
    expected = np.empty((2, 1, 6, 9))
    for b in range(2):
        for i in range(6):
            for j in range(9):
                z = (padded[b, :, i : i + 7, j : j + 7] * weight).sum()
                z = (z - 0.2) / np.sqrt(0.8 + gate.norm.eps) * 1.5 - 0.3
                expected[b, 0, i, j] = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(gate(torch.from_numpy(maps)).numpy(), expected, rtol=1e-12)


@torch.no_grad()
def test_gates_that_are_one_change_nothing_and_gates_of_zero_leave_the_bias() -> None:
    torch.manual_seed(0)
    plain = Classifier(ModelConfig(name="resnet18")).eval()
    net = Classifier(ModelConfig("resnet18", attention=True, attention_at="stages")).eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    faces = torch.rand(2, 1, 48, 48)
    assert not torch.equal(net(faces), plain(faces))
    for gate in net.gates:
        gate.norm.bias.fill_(100.0)  # sigmoid(100) is 1 in float32
    assert torch.equal(net(faces), plain(faces))
    assert torch.equal(net.attention_maps(faces), torch.ones(2, 48, 48))
    net.gates[-1].norm.bias.fill_(-200.0)
    torch.testing.assert_close(net(faces), net.head.bias.expand(2, 7))


@pytest.mark.parametrize("at", ["between", "stages"])
@torch.no_grad()
def test_attention_map_is_the_last_gate_or_the_mean_of_all_resized_to_the_face(
    at: Literal["between", "stages"],
) -> None:
    torch.manual_seed(0)
    net = Classifier(ModelConfig(name="compact", attention=True, attention_at=at)).eval()
    seen: list[torch.Tensor] = []
    for gate in net.gates:
        gate.register_forward_hook(lambda _m, _i, out: seen.append(out))
    maps = net.attention_maps(torch.rand(2, 1, 48, 48))
    sides = (24, 12, 6) if at == "between" else (24, 12, 6, 3)
    assert [tuple(g.shape) for g in seen] == [(2, 1, s, s) for s in sides]
    used = seen[-1:] if at == "between" else seen
    expected = sum(
        nn.functional.interpolate(g, size=(48, 48), mode="bilinear") for g in used
    ) / len(used)
    torch.testing.assert_close(maps, expected[:, 0])
    assert 0 < maps.min() < maps.max() < 1


def test_mean_of_gates_by_hand() -> None:
    flat = torch.full((1, 1, 3, 3), 0.25)
    two = torch.tensor([[[[0.0, 1.0]]]])  # bilinear to width 4: 0, 1/4, 3/4, 1
    expected = (torch.tensor([0.0, 0.25, 0.75, 1.0]) + 0.25) / 2
    torch.testing.assert_close(mean_of_gates([flat, two], (2, 4)), expected.expand(1, 2, 4))


def test_attention_maps_without_attention_is_an_error() -> None:
    with pytest.raises(FerturbError, match="without spatial attention"):
        Classifier(ModelConfig(name="compact")).attention_maps(torch.rand(1, 1, 48, 48))
