"""The probability of an emotion, as saliency and faithfulness ask for it, from any model here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ferturb.base.pixels import at_once
from ferturb.models.ensemble import Ensemble
from ferturb.models.precision import autocast
from ferturb.models.wrapped import Wrapped
from ferturb.perturb.view_classifier import ViewClassifier

BATCH = 256
"""Faces that go through a model at a time where one face is looked at in many versions."""


def probabilities(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Faces (b, 1, h, w) -> probabilities (b, 7): softmax of the *mean* logits.

    A model that sums the logits of K+1 views, or of its members, is that much surer than each of
    them, and its probabilities hardly move; so the sum is divided by how many were summed.
    """
    count = how_many_summed(model)

    def of(faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 7"]:
        logits: Tensor = model(faces)
        if logits.dtype != faces.dtype:  # computed in fewer digits
            logits = logits.float()
        return (logits / count).softmax(1)

    return of


def how_many_summed(model: nn.Module) -> int:
    """How many sets of logits a model adds up: views, members, or one."""
    if isinstance(model, ViewClassifier):
        return (model.config.clusters + 1) * how_many_summed(model.classifier)
    if isinstance(model, Ensemble):
        return len(model.members)
    if isinstance(model, Wrapped) and model.network is not None:
        return how_many_summed(model.network)
    return 1


def at_a_time(model: nn.Module) -> int:
    """How many faces go through a model at once where gradients are kept: fewer of large ones."""
    return model.at_a_time if isinstance(model, Wrapped) else BATCH


@torch.no_grad()
def probability_of(
    model: nn.Module,
    faces: Float[Tensor, "n c h w"],
    target: Int64[Tensor, " n"],
    precision: str = "float32",
) -> Float[Tensor, " n"]:
    """The probability of each face's target emotion, in batches, on the CPU."""
    of, device = probabilities(model), device_of(model)
    parts = []
    for part in faces.split(at_once(BATCH, faces)):  # type: ignore[no-untyped-call]
        with autocast(precision, device):
            parts.append(of(part.to(device)).cpu())
    return torch.cat(parts).gather(1, target.cpu()[:, None])[:, 0]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; afterwards every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def device_of(model: nn.Module) -> torch.device:
    """Where a model's numbers are; the CPU if it has none."""
    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device
