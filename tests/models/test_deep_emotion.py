from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import ModelConfig
from ferturb.models.backbones import build_backbone
from ferturb.models.classifier import Classifier
from ferturb.models.spatial_transformer import SpatialTransformer, affine_grid

CONVOLUTIONS = (1 * 10 + 3 * 100) * 9 + 4 * 10
LOCALISATION = 8 * 49 + 8 + 10 * 8 * 25 + 10 + 640 * 32 + 32 + 32 * 6 + 6
DENSE = 810 * 50 + 50 + 50 * 7 + 7
PUBLISHED = CONVOLUTIONS + 2 * 10 + LOCALISATION + DENSE


@pytest.mark.parametrize("name", ["deep-emotion", "deep-emotion-streams"])
def test_parameters_are_those_of_the_published_layers(name: str) -> None:
    assert Classifier(ModelConfig(name)).parameter_count == PUBLISHED


@pytest.mark.parametrize("corners", [False, True])
def test_the_grid_is_torchs(corners: bool) -> None:
    theta = torch.randn(3, 2, 3, dtype=torch.float64)
    expected = F.affine_grid(theta, [3, 1, 9, 14], align_corners=corners)
    torch.testing.assert_close(
        affine_grid(theta, (9, 14), corners), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("options", [{}, {"norm": True, "align_corners": True}])
def test_a_transformer_starts_as_the_face_itself(options: dict[str, bool]) -> None:
    faces, maps = torch.rand(2, 1, 40, 40), torch.rand(2, 3, 9, 7)
    transformer = SpatialTransformer(**options).eval()
    torch.testing.assert_close(transformer(faces), faces, atol=1e-5, rtol=0)
    torch.testing.assert_close(transformer(faces, maps), maps, atol=1e-5, rtol=0)


def test_a_transformer_can_turn_a_face_upside_down() -> None:
    transformer = SpatialTransformer()
    with torch.no_grad():
        transformer.regression[-1].bias.copy_(torch.tensor([1.0, 0, 0, 0, -1, 0]))
    faces = torch.rand(2, 1, 48, 48)
    torch.testing.assert_close(transformer(faces), faces.flip(-2), atol=1e-5, rtol=0)


def by_hand(weights: dict[str, Tensor], faces: Tensor, streams: bool) -> Tensor:
    """The published program's arithmetic, written again with torch's functions."""

    def conv(x: Tensor, name: str) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def sampled(of: Tensor, x: Tensor) -> Tensor:
        at = "stem.transformer"
        y = F.relu(F.max_pool2d(conv(of, f"{at}.localisation.0"), 2))
        y = F.relu(F.max_pool2d(conv(y, f"{at}.localisation.3"), 2)).flatten(1)
        theta = linear(F.relu(linear(y, f"{at}.regression.0")), f"{at}.regression.2")
        grid = F.affine_grid(theta.view(-1, 2, 3), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    at = ("stem.features.0", "stem.features.1") if streams else ("stages.0", "stages.1")
    x = faces if streams else sampled(faces, faces)
    x = F.relu(F.max_pool2d(conv(F.relu(conv(x, f"{at[0]}.0")), f"{at[0]}.2"), 2))
    x = conv(F.relu(conv(x, f"{at[1]}.0")), f"{at[1]}.2")
    named = (f"{at[1]}.3.{n}" for n in ("running_mean", "running_var", "weight", "bias"))
    x = F.relu(F.max_pool2d(F.batch_norm(x, *(weights[n] for n in named)), 2))
    x = sampled(faces, x) if streams else x
    return F.relu(linear(x.flatten(1), "tail.2"))


@pytest.mark.parametrize("streams", [False, True])
@torch.no_grad()
def test_forward_is_the_published_arithmetic(streams: bool) -> None:
    torch.manual_seed(0)
    net = build_backbone("deep-emotion" + "-streams" * streams).eval()
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(0.02 * torch.rand_like(tensor))  # a transformer that does something
    faces = torch.randn(3, 1, 48, 48)
    expected = by_hand(net.state_dict(), faces, streams)
    torch.testing.assert_close(net(faces)[:, :, 0, 0], expected, atol=1e-5, rtol=1e-4)
    assert expected.std() > 0


@pytest.mark.parametrize("name", ["deep-emotion", "deep-emotion-streams"])
def test_every_weight_learns_at_every_side(name: str) -> None:
    torch.manual_seed(0)
    net = Classifier(ModelConfig(name))
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.uniform_(parameter, -0.1, 0.1)
    for side in (36, 48, 64):
        net.zero_grad()
        net(torch.rand(8, 1, side, side)).log_softmax(1)[:, 2].sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in net.parameters())


def test_dropout_is_off_when_a_face_is_judged() -> None:
    """The unofficial program drops in tests too."""
    net, faces = Classifier(ModelConfig("deep-emotion")).eval(), torch.rand(2, 1, 48, 48)
    assert torch.equal(net(faces), net(faces))
