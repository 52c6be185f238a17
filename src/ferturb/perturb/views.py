"""From a cluster map to views: what each view keeps, and what stands where it leaves pixels out.

View j < K is about cluster j: all but it (`leave-one-out`, the paper's figure 4) or it alone
(`keep-one`). View K is the face itself.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from ferturb.features.removal import remove
from ferturb.models.device import sent

Shows = Literal["leave-one-out", "keep-one"]


def masks_of(
    cluster_map: Int64[Tensor, "m h w"], drawn: Int64[Tensor, "d n"], k: int, shows: Shows
) -> Bool[Tensor, "b n h w"]:
    """True = keep. Of each face, the masks of the views `drawn` (0 … K); K keeps the whole face.

    Either may be the same for all faces (m = 1, d = 1).
    """
    views = drawn.to(torch.int16)[:, :, None, None]  # short numbers compare several times faster
    about = cluster_map.to(torch.int16).unsqueeze(1) == views
    return ~about if shows == "leave-one-out" else about | (views == k)


def views_of(
    faces: Float[Tensor, "b c h w"],
    cluster_map: Int64[Tensor, "m i j"],
    k: int,
    shows: Shows = "leave-one-out",
    fill: str = "black",
    generator: torch.Generator | None = None,
    drawn: Int64[Tensor, "b n"] | None = None,
) -> Float[Tensor, "b n c h w"]:
    """The views `drawn` (0 … K) of each face; None for all K+1, the face itself last.

    `cluster_map` is one map for all faces (m = 1) or one per face (m = b); a map of another
    size is brought to the faces' by nearest neighbour. `fill` is one of
    `ferturb.features.removal.FILLS`; `generator` feeds the noise (None: the same in every view).
    """
    b, c, h, w = faces.shape
    drawn = torch.arange(k + 1)[None] if drawn is None else drawn
    n = drawn.shape[1]
    masks = masks_of(resized(cluster_map, (h, w)), sent(drawn, cluster_map.device), k, shows)
    many = faces[:, None].expand(b, n, c, h, w).reshape(-1, c, h, w)
    keep = masks.expand(b, n, h, w).reshape(-1, h, w)
    return remove(many, keep, fill, generator).view(b, n, c, h, w)


def resized(cluster_map: Int64[Tensor, "m i j"], size: tuple[int, int]) -> Int64[Tensor, "m h w"]:
    """A cluster map at another size: each pixel takes the label at its own middle."""
    if cluster_map.shape[-2:] == size:
        return cluster_map
    labels = cluster_map.unsqueeze(1).float()
    return F.interpolate(labels, size, mode="nearest-exact")[:, 0].long()
