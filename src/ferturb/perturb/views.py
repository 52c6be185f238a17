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

Shows = Literal["leave-one-out", "keep-one"]


def left_out_masks(cluster_map: Int64[Tensor, "b h w"], k: int) -> Bool[Tensor, "b k1 h w"]:
    """True = keep. Mask j < K leaves cluster j out; the last keeps the whole face."""
    index = torch.arange(k + 1, device=cluster_map.device)
    return cluster_map.unsqueeze(1) != index[None, :, None, None]


def kept_masks(cluster_map: Int64[Tensor, "b h w"], k: int) -> Bool[Tensor, "b k1 h w"]:
    """True = keep. Mask j < K keeps cluster j alone; the last keeps the whole face."""
    index = torch.arange(k + 1, device=cluster_map.device)[None, :, None, None]
    return (cluster_map.unsqueeze(1) == index) | (index == k)


MASKS = {"leave-one-out": left_out_masks, "keep-one": kept_masks}
"""What a view shows -> its masks."""


def views_of(
    faces: Float[Tensor, "b 1 h w"],
    cluster_map: Int64[Tensor, "m i j"],
    k: int,
    shows: Shows = "leave-one-out",
    fill: str = "black",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b k1 1 h w"]:
    """The K+1 views of each face; the face itself comes last.

    `cluster_map` is one map for all faces (m = 1) or one per face (m = b); a map of another
    size is brought to the faces' by nearest neighbour. `fill` is one of
    `ferturb.features.removal.FILLS`; `generator` feeds the noise (None: seeded with 0).
    """
    b, _, h, w = faces.shape
    masks = MASKS[shows](resized(cluster_map, (h, w)), k).expand(b, k + 1, h, w)
    copies = faces.expand(b, k + 1, h, w).reshape(-1, 1, h, w)
    return remove(copies, masks.reshape(-1, h, w), fill, generator).view(b, k + 1, 1, h, w)


def drawn_views(
    faces: Float[Tensor, "b 1 h w"],
    cluster_map: Int64[Tensor, "m i j"],
    drawn: Int64[Tensor, " b"],
    k: int,
    shows: Shows = "leave-one-out",
    fill: str = "black",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b 1 h w"]:
    """View `drawn` (0 … K) of each face, as in `views_of`."""
    size = (faces.shape[-2], faces.shape[-1])
    about = resized(cluster_map, size) == drawn[:, None, None]
    keep = ~about if shows == "leave-one-out" else about | (drawn == k)[:, None, None]
    return remove(faces, keep, fill, generator)


def resized(cluster_map: Int64[Tensor, "m i j"], size: tuple[int, int]) -> Int64[Tensor, "m h w"]:
    """A cluster map at another size: each pixel takes the label at its own middle."""
    if cluster_map.shape[-2:] == size:
        return cluster_map
    labels = cluster_map.unsqueeze(1).float()
    return F.interpolate(labels, size, mode="nearest-exact")[:, 0].long()
