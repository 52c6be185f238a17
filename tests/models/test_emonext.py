from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.backbones import build_backbone
from ferturb.models.classifier import Classifier
from ferturb.models.emonext import SIZES, BatchAttention
from ferturb.perturb.batch_attention import EvenBatchAttention, spread
from ferturb.training.forward import Forward

CONVNEXT = {"tiny": 28_589_128, "small": 50_223_688, "base": 88_591_464, "large": 197_767_336}
"""ConvNeXt's published parameters, with 1,000 classes."""


@pytest.mark.parametrize("size", CONVNEXT)
def test_parameters_are_the_published_convnexts_and_what_is_added(size: str) -> None:
    with torch.device("meta"):
        net = build_backbone(f"emonext-{size}")
    widths = SIZES[size][1]
    last = widths[-1]
    transformer = (8 * 49 + 8 + 16) + (10 * 8 * 25 + 10 + 20) + 640 * 32 + 32 + 32 * 6 + 6
    gates = sum(2 * c * (c // 16) for c in widths[1:])
    attention = 2 * last + 2 * (last * last + last)
    stem = widths[0] * (2 * 2 * 1 - 4 * 4 * 3)
    head = 1000 * last + 1000
    expected = CONVNEXT[size] - head + stem + transformer + gates + attention
    assert sum(p.numel() for p in net.parameters()) == expected


def by_hand(w: dict[str, Tensor], faces: Tensor) -> Tensor:
    """EmoNeXt's forward pass in evaluation, written with torch's functions."""

    def norm(x: Tensor, at: str) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, x.shape[-1:], w[f"{at}.weight"], w[f"{at}.bias"], 1e-6)
        return x.permute(0, 3, 1, 2)

    def linear(x: Tensor, at: str) -> Tensor:
        return F.linear(x, w[f"{at}.weight"], w.get(f"{at}.bias"))

    def localised(x: Tensor, conv: str, bn: str) -> Tensor:
        x = F.conv2d(x, w[f"{conv}.weight"], w[f"{conv}.bias"])
        stats = (w[f"{bn}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
        return F.relu(F.max_pool2d(F.batch_norm(x, *stats), 2))

    at = "stem.0.localisation"
    y = localised(localised(faces, f"{at}.0", f"{at}.1"), f"{at}.4", f"{at}.5").flatten(1)
    theta = linear(F.relu(linear(y, "stem.0.regression.0")), "stem.0.regression.2").view(-1, 2, 3)
    grid = F.affine_grid(theta, list(faces.shape), align_corners=True)
    x = F.grid_sample(faces, grid, align_corners=True)
    x = norm(F.conv2d(x, w["stem.1.weight"], w["stem.1.bias"], stride=2), "stem.2")
    for stage, depth in enumerate(SIZES["narrow"][0]):
        first = 0
        if stage:
            x = norm(x, f"stages.{stage}.0")
            x = F.conv2d(x, w[f"stages.{stage}.1.weight"], w[f"stages.{stage}.1.bias"], stride=2)
            gate = x.mean((2, 3))
            gate = F.relu(linear(gate, f"stages.{stage}.2.gate.0"))
            x = x * torch.sigmoid(linear(gate, f"stages.{stage}.2.gate.2"))[:, :, None, None]
            first = 3
        for block in range(first, first + depth):
            at = f"stages.{stage}.{block}"
            kernel, bias = w[f"{at}.conv_dw.weight"], w[f"{at}.conv_dw.bias"]
            z = norm(F.conv2d(x, kernel, bias, padding=3, groups=x.shape[1]), f"{at}.norm")
            z = F.gelu(linear(z.permute(0, 2, 3, 1), f"{at}.mlp.fc1"))
            z = (linear(z, f"{at}.mlp.fc2") * w[f"{at}.gamma"]).permute(0, 3, 1, 2)
            x = x + z
    pooled = x.mean((2, 3))
    w_norm = (w["tail.0.norm.weight"], w["tail.0.norm.bias"])
    return F.layer_norm(pooled, pooled.shape[1:], *w_norm, 1e-6)


@torch.no_grad()
def test_forward_is_the_published_arithmetic() -> None:
    torch.manual_seed(0)
    net = build_backbone("emonext-narrow").eval()
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(0.02 * torch.rand_like(tensor))
    faces = torch.randn(2, 1, 48, 48)
    expected = by_hand(net.state_dict(), faces)
    torch.testing.assert_close(net(faces)[:, :, 0, 0], expected, atol=1e-4, rtol=1e-4)


def test_maps_halve_and_every_weight_but_the_attentions_learns() -> None:
    torch.manual_seed(0)
    net = Classifier(ModelConfig("emonext-narrow", attention=True))
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.uniform_(parameter, -0.1, 0.1)
    sides: list[int] = []
    for stage in net.backbone.stages:
        stage.register_forward_hook(lambda _m, _i, out: sides.append(out.shape[-1]))
    net(torch.rand(4, 1, 48, 48)).log_softmax(1)[:, 1].sum().backward()
    assert sides == [24, 12, 6, 3]
    for name, parameter in net.named_parameters():
        attention = name.startswith("backbone.tail.1.")
        assert (parameter.grad is None) == attention, name


def test_attention_across_the_batch_by_hand() -> None:
    torch.manual_seed(0)
    module, x = BatchAttention(16), torch.randn(5, 16, 1, 1)
    rows = F.layer_norm(x[:, :, 0, 0], (16,))
    scores = torch.stack([module.key(rows) @ module.query(row) for row in rows]) / 16**0.25
    expected = scores.exp() / scores.exp().sum(1, keepdim=True)
    torch.testing.assert_close(module.weights(x), expected)
    assert module.weights(x).shape == (5, 5)
    assert torch.equal(module(x), x)
    mean = expected.sum() / 25
    assert spread(expected).item() == pytest.approx(((expected - mean) ** 2).sum().item() / 25)


def test_the_method_adds_the_spread_in_training_alone() -> None:
    torch.manual_seed(0)
    net, inputs = Classifier(ModelConfig("emonext-narrow")), EvenBatchAttention()
    inputs.attach(net)
    forward = Forward(net, "float32", torch.device("cpu"))
    net.eval()
    forward(torch.rand(4, 1, 48, 48))
    assert inputs.extra_loss(torch.zeros(4, 7)) is None
    net.train()
    logits = forward(torch.rand(4, 1, 48, 48))
    loss = inputs.extra_loss(logits)
    assert loss is not None
    loss.backward()
    attention = net.backbone.tail[1]
    for layer in (attention.query, attention.key):
        assert layer.weight.grad is not None
        assert layer.weight.grad.any()


def test_a_network_without_it_is_told() -> None:
    with pytest.raises(FerturbError, match="give --model emonext-narrow"):
        EvenBatchAttention().attach(Classifier(ModelConfig("compact-tiny")))
