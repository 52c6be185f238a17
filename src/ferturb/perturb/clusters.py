"""From attention to a cluster map: Equation 1 of the paper.

    Dist(P_ij, P_kl) = sqrt((λ(i − k))² + (λ(j − l))² + (α(I_ij − I_kl))²)

This is the Euclidean distance between points (λ·row, λ·column, α·intensity), so K-means on
those coordinates is the paper's clustering. Rows, columns and intensity are scaled to [0, 1]
first, which the paper leaves open. The intensity is the attention map; attention below
`threshold` of its range counts as 0 there (the author's released program).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ferturb.perturb.kmeans import kmeans


def unit_range(maps: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Each map scaled to [0, 1]; a flat map becomes 0."""
    low = maps.amin((1, 2), keepdim=True)
    span = maps.amax((1, 2), keepdim=True) - low
    return torch.where(span > 0, (maps - low) / span.clamp_min(torch.finfo(maps.dtype).tiny), 0.0)


def intensity(attention: Float[Tensor, "b h w"], threshold: float) -> Float[Tensor, "b h w"]:
    """Attention scaled to [0, 1], with everything below `threshold` (0 … 1) set to 0."""
    scaled = unit_range(attention)
    return torch.where(scaled >= threshold, scaled, 0.0)


def coordinates(
    values: Float[Tensor, "b h w"], distance_weight: float, intensity_weight: float
) -> Float[Tensor, "b n 3"]:
    """Points (λ·row, λ·column, α·intensity) of each pixel, row by row, n = h·w.

    Rows and columns run from 0 to 1.
    """
    b, h, w = values.shape
    rows = torch.linspace(0, 1, h, dtype=values.dtype, device=values.device)
    columns = torch.linspace(0, 1, w, dtype=values.dtype, device=values.device)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1) * distance_weight
    third = (values * intensity_weight).unsqueeze(-1)
    return torch.cat([grid.expand(b, h, w, 2), third], dim=-1).reshape(b, h * w, 3)


def cluster_maps(
    attention: Float[Tensor, "b h w"],
    k: int,
    generator: torch.Generator,
    distance_weight: float = 1.5,
    intensity_weight: float = 1.2,
    threshold: float = 0.5,
) -> Int64[Tensor, "b h w"]:
    """A cluster map 0 … k−1 for each attention map, clusters in the order of `by_position`."""
    b, h, w = attention.shape
    points = coordinates(intensity(attention, threshold), distance_weight, intensity_weight)
    labels = kmeans(points, k, generator).labels.view(b, h, w)
    return by_position(labels, k)


def by_position(labels: Int64[Tensor, "b h w"], k: int) -> Int64[Tensor, "b h w"]:
    """Renumber clusters clockwise about the middle of the face, starting at the lower left.

    So with two clusters on the eyes and one on the mouth, 0 is the eye at the image's left, 1
    the eye at its right, 2 the mouth, whatever K-means called them. Empty clusters come last.
    """
    b, h, w = labels.shape
    member = torch.nn.functional.one_hot(labels.reshape(b, h * w), k).to(torch.float64)
    sizes = member.sum(1)
    rows = torch.linspace(-1, 1, h, dtype=torch.float64, device=labels.device)
    columns = torch.linspace(-1, 1, w, dtype=torch.float64, device=labels.device)
    y = (member * rows.repeat_interleave(w)[None, :, None]).sum(1) / sizes.clamp_min(1)
    x = (member * columns.repeat(h)[None, :, None]).sum(1) / sizes.clamp_min(1)
    start = math.radians(200)  # mathematical angle, y upwards: a little below "left"
    clockwise = torch.remainder(start - torch.atan2(-y, x), 2 * math.pi)
    clockwise = torch.where(sizes > 0, clockwise, torch.inf)
    rank = clockwise.argsort(1).argsort(1)
    return rank.gather(1, labels.reshape(b, h * w)).view(b, h, w)
