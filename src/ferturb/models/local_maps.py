"""Several maps of local attention over the last feature maps, of which the largest counts.

After TransFER (Xue, Wang and Guo, ICCV 2021), where a transformer follows; here the classifier's
mean over places does. Each map is sigmoid(norm(conv1×1(relu(norm(conv1×1(F)))))), with a 16th of
the channels in between; the features are multiplied by the maps' maximum.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

REDUCTION = 16
"""Channels of the features for each channel inside a map's network."""


class LocalMaps(nn.Module):
    """Features times the largest of their maps of attention."""

    drop_rate = 0.0
    """In training, the share of faces that lose one of their maps (method `mad`), 0 … 1."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.maps = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, inner, 1),
                nn.BatchNorm2d(inner),
                nn.ReLU(),
                nn.Conv2d(inner, 1, 1),
                nn.BatchNorm2d(1),
                nn.Sigmoid(),
            )
            for _ in range(count)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The features where one map or another attends."""
        maps = torch.cat([one(x) for one in self.maps], 1)
        if self.training and self.drop_rate:
            maps = drop_one(maps, self.drop_rate)
        return x * maps.amax(1, keepdim=True)


def drop_one(maps: Float[Tensor, "b n h w"], rate: float) -> Float[Tensor, "b n h w"]:
    """One map of a face, drawn uniformly, set to 0 in this share of faces.

    Draws from torch's global generator, as dropout does.
    """
    b, n = maps.shape[:2]
    hit = torch.rand(b, 1, device=maps.device) < rate
    which = torch.randint(n, (b,), device=maps.device)
    gone = F.one_hot(which, n).bool() & hit
    return maps.masked_fill(gone[:, :, None, None], 0.0)
