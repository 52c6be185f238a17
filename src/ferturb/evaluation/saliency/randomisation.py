"""The randomised-weights sanity check: does a saliency map depend on what the model has learnt?

Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018. The weights are made random and
the face is explained again. A method whose map stays the same shows the face's edges, not the
model: high similarity is a failure. Similarity is Spearman's rank correlation of the pixels, and
SSIM (Wang et al., 2004) of the maps scaled to [0, 1].

In place of drawing new weights, each tensor's own numbers are shuffled: same histogram, so that
activations keep their size, and nothing learnt is left. Batch normalisation takes its statistics
anew from the faces. `share` < 1 randomises only the last layers, from the head down, as the
paper's cascade does.
"""

from __future__ import annotations

import copy
import math
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.evaluation.saliency.networks import networks_of
from ferturb.evaluation.saliency.probability import device_of, evaluating

WINDOW = 7
"""Side of SSIM's window in pixels."""


def randomised(
    model: nn.Module, faces: Float[Tensor, "b c h w"], seed: int = 0, share: float = 1.0
) -> nn.Module:
    """A copy of a model whose last `share` of the layers (rounded up) has shuffled weights.

    Only the networks whose logits count are touched, not one that finds clusters. `faces` set the
    statistics of the batch normalisations.
    """
    fresh = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for network in networks_of(fresh):
        layers = [m for m in network.modules() if any(True for _ in m.parameters(recurse=False))]
        for layer in layers[len(layers) - math.ceil(share * len(layers)) :]:
            for parameter in layer.parameters(recurse=False):
                _shuffle(parameter, generator)
    if share > 0:
        _take_statistics(fresh, faces)
    return fresh.eval()


@torch.no_grad()
def _shuffle(parameter: nn.Parameter, generator: torch.Generator) -> None:
    order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
    parameter.copy_(parameter.flatten()[order].view_as(parameter))


@torch.no_grad()
def _take_statistics(model: nn.Module, faces: Float[Tensor, "b c h w"]) -> None:
    norms = [
        module
        for network in networks_of(model)
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    momenta = [norm.momentum for norm in norms]
    with evaluating(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = 1.0
            norm.train()
        model(faces.to(device_of(model)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = cast(float, momentum)


def rank_correlation(
    first: Float[Tensor, "n h w"], second: Float[Tensor, "n h w"]
) -> Float[np.ndarray, " n"]:
    """Spearman's rank correlation of each pair of maps, −1 … 1; nan where a map is constant."""
    from scipy.stats import spearmanr  # takes a second

    pairs = zip(first.flatten(1).numpy(), second.flatten(1).numpy(), strict=True)
    return np.array(
        [spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else np.nan for a, b in pairs]
    )


def structural_similarity(
    first: Float[Tensor, "n h w"], second: Float[Tensor, "n h w"], window: int = WINDOW
) -> Float[np.ndarray, " n"]:
    """SSIM of each pair of maps, scaled to [0, 1] first; flat windows, C1 = 0.01², C2 = 0.03²."""
    a, b = (_scaled(m.double())[:, None] for m in (first, second))
    mean_a, mean_b = _mean(a, window), _mean(b, window)
    var_a = _mean(a * a, window) - mean_a**2
    var_b = _mean(b * b, window) - mean_b**2
    both = _mean(a * b, window) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    shape = (2 * both + c2) / (var_a + var_b + c2)
    similarity: np.ndarray = (light * shape).mean((1, 2, 3)).numpy()
    return similarity


def _scaled(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-30)


def _mean(maps: Tensor, window: int) -> Tensor:
    return F.avg_pool2d(maps, window, stride=1)
