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
        self.drop = DropOne()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The features where one map or another attends."""
        maps: Tensor = self.drop(torch.cat([one(x) for one in self.maps], 1))
        return x * maps.amax(1, keepdim=True)


class DropOne(nn.Module):
    """In training, `drop_one`; nothing unless method `mad` sets the rate."""

    rate = 0.0
    """The share of faces that lose one of their maps, 0 … 1."""

    def forward(self, maps: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n h w"]:
        """The maps that are left."""
        return drop_one(maps, self.rate) if self.training and self.rate else maps


def drop_one(maps: Float[Tensor, "b n h w"], rate: float) -> Float[Tensor, "b n h w"]:
    """One map of a face, drawn uniformly, set to 0 in this share of faces.

    Draws from torch's global generator, as dropout does.
    """
    b, n = maps.shape[:2]
    hit = torch.rand(b, 1, device=maps.device) < rate
    which = torch.randint(n, (b,), device=maps.device)
    gone = F.one_hot(which, n).bool() & hit
    return maps.masked_fill(gone[:, :, None, None], 0.0)
