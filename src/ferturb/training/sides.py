"""The sides in pixels of the faces that a training shows, and whether its network takes them."""

from __future__ import annotations

import torch

from ferturb.base.config import RecipeConfig
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.raster import Raster
from ferturb.models.classifier import Classifier
from ferturb.models.inference import logits_of
from ferturb.models.test_time import AUGMENTATIONS


def training_size(recipe: RecipeConfig, epoch: int, side: int) -> int:
    """The side in pixels at which an epoch (from 1) trains: progressive resizing, else `side`."""
    for share, size in recipe.progressive_sizes:
        if epoch <= share * recipe.epochs:
            return size
    return side


def shown_sides(recipe: RecipeConfig, side: int) -> set[int]:
    """What faces of `side` pixels are shown at, in the epochs and in the tests."""
    firsts = {1, *(int(share * recipe.epochs) + 1 for share, _ in recipe.progressive_sizes)}
    trained = {training_size(recipe, first, side) for first in firsts if first <= recipe.epochs}
    if recipe.augment.crop is not None:
        trained = {recipe.augment.crop}
    face, names = torch.zeros(1, 1, side, side), {recipe.validate_with, *recipe.evaluate}
    tested = {view.shape[-1] for name in names for view in AUGMENTATIONS[name](face)}
    return trained | tested


def require_sides(
    network: Classifier, recipe: RecipeConfig, side: int, device: torch.device
) -> None:
    """Raise `FerturbError` for a side that a recipe shows and the network can't take."""
    for own in sorted(shown_sides(recipe, side)):
        raster = Raster(own, network.raster.channels)
        face = torch.zeros(1, *raster.shape, dtype=torch.uint8)
        try:
            logits_of(network, face, device=device)
        except FerturbError:
            raise
        except (AssertionError, RuntimeError, ValueError) as error:  # as each network has it
            raise FerturbError(
                f"{network.config.name} can't take the faces of {own}×{own} pixels that the recipe "
                f"shows ({first_line(error)}); give larger ones in its progressive_sizes or "
                "augment.crop, or another network"
            ) from error
