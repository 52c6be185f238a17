"""Batched K-means in torch: many small problems at once, without a loop over them.

Lloyd's algorithm from k-means++ starts (Arthur & Vassilvitskii, 2007). Every map of a batch is
clustered from several starts at once, and the start with the lowest inertia is kept. A cluster
that loses all its points takes the point farthest from its own centre.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ferturb.errors import FerturbError


class Clustering(NamedTuple):
    """What `kmeans` returns."""

    labels: Int64[Tensor, "b n"]
    centers: Float[Tensor, "b k d"]
    inertia: Float[Tensor, " b"]
    """Sum of squared distances of the points to their centres."""


def kmeans(
    points: Float[Tensor, "b n d"],
    k: int,
    generator: torch.Generator,
    starts: int = 4,
    iterations: int = 100,
) -> Clustering:
    """K-means of each of b point sets: labels 0 … k−1 in no particular order.

    Stops when no centre moves, or after `iterations`. Fewer distinct points than k leaves
    clusters empty; their centres then stand on points of other clusters.
    """
    b, n, _ = points.shape
    if not 1 <= k <= n:
        raise FerturbError(f"K-means needs 1 to {n} clusters for {n} points, got {k}")
    repeated = points.repeat_interleave(starts, 0)
    centers = _plus_plus(repeated, k, generator)
    active = torch.arange(b * starts, device=points.device)
    for _ in range(iterations):
        moved = _lloyd_step(repeated[active], centers[active])
        change = (moved != centers[active]).flatten(1).any(1)
        centers[active] = moved
        active = active[change]
        if not len(active):
            break
    labels, distances = _assign(repeated, centers)
    inertia = distances.sum(1).view(b, starts)
    best = torch.arange(b, device=points.device) * starts + inertia.argmin(1)
    return Clustering(labels[best], centers[best], inertia.amin(1))


def _assign(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of each point and the squared distance to it."""
    squared = (points.unsqueeze(2) - centers.unsqueeze(1)).square().sum(3)
    distances, labels = squared.min(2)
    return labels, distances


def _lloyd_step(points: Tensor, centers: Tensor) -> Tensor:
    """The means of the points nearest to each centre."""
    b, k, d = centers.shape
    labels, distances = _assign(points, centers)
    member = torch.nn.functional.one_hot(labels, k).to(points.dtype)
    sizes = member.sum(1)
    means = torch.bmm(member.transpose(1, 2), points) / sizes.clamp_min(1).unsqueeze(2)
    empty = sizes == 0
    if empty.any():
        farthest = distances.topk(k, dim=1).indices
        farthest = farthest.gather(1, (empty.cumsum(1) - 1).clamp_min(0))  # the first empty's first
        spare = points.gather(1, farthest.unsqueeze(2).expand(b, k, d))
        means = torch.where(empty.unsqueeze(2), spare, means)
    return means


def _plus_plus(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next centre drawn with probability ∝ squared distance to the nearest one."""
    b, n, _ = points.shape
    rows = torch.arange(b, device=points.device)
    first = torch.randint(n, (b,), generator=generator).to(points.device)
    centers = [points[rows, first]]
    nearest = (points - centers[0].unsqueeze(1)).square().sum(2)
    for _ in range(k - 1):
        draw = torch.rand(b, 1, generator=generator, dtype=points.dtype).to(points.device)
        cumulative = nearest.cumsum(1)
        index = torch.searchsorted(cumulative, draw * cumulative[:, -1:]).clamp_max(n - 1)
        centers.append(points[rows, index.squeeze(1)])
        distance = (points - centers[-1].unsqueeze(1)).square().sum(2)
        nearest = torch.minimum(nearest, distance)
    return torch.stack(centers, dim=1)
