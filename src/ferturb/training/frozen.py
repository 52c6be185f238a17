"""Training the last linear layer alone: the backbone stays as it starts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn

from ferturb.base.config import RecipeConfig
from ferturb.models.classifier import Classifier


def in_training(network: nn.Module, recipe: RecipeConfig) -> None:
    """Training mode; a frozen backbone stays in evaluation mode, running statistics and all."""
    network.train()
    if recipe.trained == "head" and isinstance(network, Classifier):
        network.backbone.eval()


@contextlib.contextmanager
def frozen(network: nn.Module, recipe: RecipeConfig) -> Iterator[None]:
    """No gradient reaches the backbone, if the recipe has it so; afterwards as before."""
    backbone: list[nn.Parameter] = []
    if recipe.trained == "head" and isinstance(network, Classifier):
        backbone = [p for p in network.backbone.parameters() if p.requires_grad]
    for parameter in backbone:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in backbone:
            parameter.requires_grad_(True)
