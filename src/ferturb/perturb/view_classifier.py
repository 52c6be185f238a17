"""A predictor as the Perturb Scheme uses it: the logits of a face's views, summed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ferturb.base.config import MethodConfig
from ferturb.perturb.cluster_maps import FACE_SEED, Finder
from ferturb.perturb.views import views_of

Recut = Callable[[Tensor, int, torch.Generator], Tensor]
"""A control's other map in place of a cluster map: (maps (b, h, w), K, generator) -> (b, h, w)."""


class ViewClassifier(nn.Module):
    """A predictor as the paper uses it: the sum of the logits of a face's K+1 views."""

    cluster_map: Tensor

    def __init__(
        self,
        classifier: nn.Module,
        cluster_map: Int64[Tensor, "h w"],
        k: int,
        config: MethodConfig | None = None,
        find: Finder | None = None,
        recut: Recut | None = None,
    ) -> None:
        """`find` gives each face a map of its own in place of `cluster_map`.

        `config` None stands for the paper's views. `recut` replaces the maps that were found.
        """
        super().__init__()
        self.classifier = classifier
        self.k = k
        self.config = config or MethodConfig("perturb")
        self.find = find
        self.recut = recut
        self.register_buffer("cluster_map", cluster_map.long())

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 7"]:
        """Summed logits."""
        maps = self.cluster_map.unsqueeze(0)
        if self.find is not None:
            maps = self.find(faces).maps
            if self.recut is not None:
                maps = self.recut(maps, self.k, torch.Generator().manual_seed(FACE_SEED))
        views = views_of(faces, maps, self.k, self.config.shows, self.config.fill)
        logits: Tensor = self.classifier(views.flatten(0, 1))
        return logits.float().view(faces.shape[0], self.k + 1, logits.shape[-1]).sum(1)
