"""Training the last linear layer alone: the backbone and its gates stay as they start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn

from ferturb.base.config import RecipeConfig
from ferturb.models.classifier import Classifier


def in_training(network: nn.Module, recipe: RecipeConfig) -> None:
    """Training mode; what is frozen stays in evaluation mode, running statistics and all."""
    network.train()
    for part in _held(network, recipe):
        part.eval()


@contextlib.contextmanager
def frozen(network: nn.Module, recipe: RecipeConfig) -> Iterator[None]:
    """No gradient reaches what the recipe freezes, if anything; afterwards as before."""
    parts = _held(network, recipe)
    parameters = [p for part in parts for p in part.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _held(network: nn.Module, recipe: RecipeConfig) -> tuple[nn.Module, ...]:
    """What doesn't learn."""
    if recipe.trained == "head" and isinstance(network, Classifier):
        return network.backbone, network.gates
    return ()
