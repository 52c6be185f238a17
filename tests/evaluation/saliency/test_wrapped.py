"""Saliency of models that ferturb didn't train: by gradients, by a layer, or by asking alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ferturb.base.config import FaithfulnessOptions, ModelConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.evaluation.saliency.benchmark import benchmark_methods
from ferturb.evaluation.saliency.methods import METHODS, raw_saliency
from ferturb.evaluation.saliency.networks import BLACK_BOX, LAYERED, usable
from ferturb.models.class_names import classes_of
from ferturb.models.classifier import Classifier
from ferturb.models.wrapped import InputForm, Wrapped

OWN = classes_of(EMOTIONS)
TARGET = torch.tensor([3, 0])


def faces(n: int = 2) -> Tensor:
    return torch.rand(n, 1, 48, 48, generator=torch.Generator().manual_seed(1))


class Network(nn.Module):
    """Two layers of feature maps at half the face's side, and a head."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.stem = nn.Conv2d(channels, 6, 3, 2, 1)
        self.act = nn.ReLU()
        self.head = nn.Linear(6, 7)

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.act(self.stem(x))
        logits: Tensor = self.head(maps.mean((2, 3)))
        return logits


def ask(x: np.ndarray) -> np.ndarray:
    """A model that looks at the upper left quarter alone."""
    seen = x[:, 0, : x.shape[2] // 2, : x.shape[3] // 2].mean((1, 2))
    return np.asarray(8 * seen[:, None] * np.linspace(-1, 1, 7))


@pytest.mark.parametrize("method", METHODS)
def test_a_wrapped_network_of_ferturbs_is_explained_as_itself(tiny: str, method: str) -> None:
    torch.manual_seed(0)
    network, x = Classifier(ModelConfig(tiny)).eval(), faces()
    expected = raw_saliency(network, x, TARGET, method)
    assert torch.equal(raw_saliency(Wrapped(network, OWN), x, TARGET, method), expected)


def test_gradients_go_through_the_resizing() -> None:
    form = InputForm(side=96, channels=3, mean=(0.5,), std=(0.25,))
    network, x = Network(3), faces()
    found = raw_saliency(Wrapped(network, OWN, form), x, TARGET, "gradient")
    own = x.clone().requires_grad_()
    logits = network(form.prepared(own))
    (slope,) = torch.autograd.grad(logits.gather(1, TARGET[:, None]).sum(), own)
    torch.testing.assert_close(found, slope[:, 0].abs())


def test_grad_cam_of_a_target_layer_by_hand() -> None:
    network, x = Network(), faces()
    model = Wrapped(network, OWN, target_layer="act")
    maps = network.act(network.stem(x))
    # the head takes the mean of each map: the gradient is its weight over the 24×24 positions
    weights = network.head.weight[TARGET] / 576
    cam = (weights[:, :, None, None] * maps).sum(1, keepdim=True).relu()
    expected = nn.functional.interpolate(cam, (48, 48), mode="bilinear")[:, 0].detach()
    torch.testing.assert_close(raw_saliency(model, x, TARGET, "grad-cam"), expected)
    with pytest.raises(FerturbError, match="give its name as target_layer"):
        raw_saliency(Wrapped(network, OWN), x, TARGET, "grad-cam")
    with pytest.raises(FerturbError, match=r"gives maps \(b, c, h, w\)"):
        raw_saliency(Wrapped(network, OWN, target_layer="head"), x, TARGET, "grad-cam")


@pytest.mark.parametrize("method", BLACK_BOX)
def test_a_function_is_explained_by_asking(method: str) -> None:
    bright, neutral = torch.full((1, 1, 48, 48), 0.9), torch.tensor([6])
    found = raw_saliency(Wrapped(ask, OWN, InputForm(side=96)), bright, neutral, method)
    quarters = found[0].view(2, 24, 2, 24).sum((1, 3))
    assert quarters[0, 0] > 0.6 * quarters.sum()


@pytest.mark.parametrize("method", [m for m in METHODS if m not in BLACK_BOX])
def test_a_function_has_no_gradients(method: str) -> None:
    with pytest.raises(FerturbError, match=f"{method} needs a torch module, .* use occlusion or"):
        raw_saliency(Wrapped(ask, OWN), faces(), TARGET, method)


def test_the_methods_of_a_model_are_those_that_can_be_used(tiny: str) -> None:
    every = tuple(METHODS)
    assert usable(Wrapped(Classifier(ModelConfig(tiny)), OWN), every) == every
    assert usable(Wrapped(ask, OWN), every) == BLACK_BOX
    assert set(every) - set(usable(Wrapped(Network(), OWN), every)) == set(LAYERED)
    assert usable(Wrapped(Network(), OWN, target_layer="act"), every) == every


def test_faithfulness_of_a_function_has_no_randomised_weights() -> None:
    drawn = synthetic_faces(70, seed=1)
    found = benchmark_methods(Wrapped(ask, OWN), drawn, FaithfulnessOptions(faces=1))
    assert found.methods == (*BLACK_BOX, "random", "centre")
    assert np.isnan(found.correlation).all()
    network = Wrapped(Network(), OWN)
    options = FaithfulnessOptions(methods=("gradient",), faces=1)
    found = benchmark_methods(network, drawn, options)
    assert np.isfinite(found.correlation[0]).all()
