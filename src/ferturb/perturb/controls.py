"""Controls: the same views, compute and areas, without what the Perturb Scheme says matters.

- `random_partitions`: in place of clusters, random regions with the clusters' areas.

Plain random erasing is `ferturb.perturb.random_erasing`.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

JITTER = math.radians(30)
"""How far a cut may turn from the direction straight across what is left."""


def random_partitions(
    clusters: Int64[Tensor, "b h w"], k: int, generator: torch.Generator
) -> Int64[Tensor, "b h w"]:
    """A random partition of each face whose region j has exactly as many pixels as cluster j.

    Regions are cut off one after the other, in random order, by straight lines: the first in any
    direction, the others across the longer axis of what is left, give or take 30°. So every
    region is the whole of a convex piece of the face, and connected. An empty cluster stays so.
    """
    b, h, w = clusters.shape
    device = clusters.device
    flat = clusters.flatten(1)
    areas = torch.zeros(b, k, dtype=torch.int64, device=device)
    areas.scatter_add_(1, flat, torch.ones_like(flat))
    order = torch.rand(b, k, generator=generator).argsort(1).to(device)
    turns = torch.rand(b, k, generator=generator).to(device)
    sides = (torch.rand(b, k, generator=generator) < 0.5).to(device)
    rows, columns = torch.meshgrid(*(torch.arange(s, device=device) for s in (h, w)), indexing="ij")
    place = torch.stack([columns.flatten(), rows.flatten()]).float()
    left = torch.ones(b, h * w, dtype=torch.bool, device=device)
    labels = order[:, -1:].expand(b, h * w).clone()
    for step in range(k - 1):
        number = order[:, step]
        across = _longer_axis(place, left) + (2 * turns[:, step] - 1) * JITTER
        angle = across if step else 2 * math.pi * turns[:, step]
        angle = angle + math.pi * sides[:, step]
        along = angle.cos()[:, None] * place[0] + angle.sin()[:, None] * place[1]
        along = torch.where(left, along, torch.inf)
        rank = along.argsort(1).argsort(1)
        cut = rank < areas.gather(1, number[:, None])
        labels = torch.where(cut, number[:, None], labels)
        left &= ~cut
    return labels.view(b, h, w)


def _longer_axis(place: Float[Tensor, "2 n"], left: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """The angle of the direction in which the pixels that are left spread most."""
    weight = left.to(place.dtype)
    mean = weight @ place.T / weight.sum(1, keepdim=True).clamp_min(1)
    second = weight @ torch.stack([place[0] ** 2, place[1] ** 2, place[0] * place[1]]).T
    second = second / weight.sum(1, keepdim=True).clamp_min(1)
    xx = second[:, 0] - mean[:, 0] ** 2
    yy = second[:, 1] - mean[:, 1] ** 2
    xy = second[:, 2] - mean[:, 0] * mean[:, 1]
    return 0.5 * torch.atan2(2 * xy, xx - yy)
