"""Control `random-erasing`: a random rectangle in place of a cluster.

Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ferturb.base.config import MethodConfig
from ferturb.features.removal import remove
from ferturb.models.device import sent
from ferturb.training.augment import random_rectangles
from ferturb.training.inputs import Batch, TrainingInputs


class RandomErasing(TrainingInputs):
    """As many views as the Perturb Scheme has, each with one random rectangle erased."""

    def __init__(self, config: MethodConfig) -> None:
        self.config = config

    def __call__(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "v c h w"]:
        """Faces without a rectangle, drawn anew for every view, or whole (one view in K+1)."""
        c, n, draws = self.config, self.config.views_per_face, batch.generator
        faces = batch.augmented()
        if not c.train_views:
            return faces
        many = faces.repeat_interleave(n, 0)
        rectangles = random_rectangles(len(many), many.shape[2], many.shape[3], draws, c.erased)
        if c.views == "sample":
            whole = torch.randint(c.clusters + 1, (len(many),), generator=draws) == c.clusters
        else:
            whole = torch.arange(len(many)) % n == n - 1
        keep = ~rectangles | whole[:, None, None]
        return remove(many, sent(keep, many.device), c.fill, draws)
