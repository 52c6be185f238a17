"""Control `random-erasing`: a random rectangle in place of a cluster.

Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ferturb.base.config import MethodConfig
from ferturb.perturb.views import drawn_views
from ferturb.training.augment import random_rectangles
from ferturb.training.inputs import WholeFaces


class ErasedViews(WholeFaces):
    """Control `random-erasing`: as many views, each with one random rectangle erased."""

    def __init__(self, config: MethodConfig) -> None:
        self.config = config

    def __call__(
        self,
        faces: Float[Tensor, "b 1 h w"],
        generator: torch.Generator,
        maps: Int64[Tensor, "b h w"] | None = None,
    ) -> Float[Tensor, "v 1 h w"]:
        """Faces without a rectangle (their cluster 0), drawn anew for every view, or whole."""
        c, k, (b, _, h, w) = self.config, self.config.clusters, faces.shape
        if not c.train_views:
            return faces
        copies = {"all": k + 1, "pair": 2, "sample": 1}[c.views]
        many = faces.repeat_interleave(copies, 0)
        rectangles = random_rectangles(len(many), h, w, generator, c.erased).to(faces.device)
        if c.views == "sample":
            drawn = torch.randint(k + 1, (b,), generator=generator) // k  # 1, the face, once in K+1
        else:
            drawn = (torch.arange(len(many)) % copies) // (copies - 1)
        maps = torch.where(rectangles, 0, 2)
        drawn = drawn.to(faces.device)
        return drawn_views(many, maps, drawn, 1, "leave-one-out", c.fill, generator)
