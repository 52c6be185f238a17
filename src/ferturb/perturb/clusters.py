"""From attention to a cluster map: Equation 1 of the paper.

    Dist(P_ij, P_kl) = sqrt((λ(i − k))² + (λ(j − l))² + (α(I_ij − I_kl))²)

This is the Euclidean distance between points (λ·row, λ·column, α·intensity), so K-means on
those coordinates is the paper's clustering. Rows, columns and intensity are scaled to [0, 1]
first, which the paper leaves open. The intensity is the attention map; attention below
`threshold` of its range counts as 0 there (the author's released program).

K-means names clusters at random. A shared map's clusters are named by where they lie
(`by_position`), every other map's by their overlap with it (`matched`).
"""

from __future__ import annotations

import math
from itertools import permutations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ferturb.perturb.kmeans.kmeans import kmeans


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


def degenerate(attention: Float[Tensor, "b h w"], threshold: float) -> Bool[Tensor, " b"]:
    """Attention that says nothing about places: not finite, flat, or lit at almost no pixel.

    Flat is a range below 1e-4 (float noise of a gate); almost none is fewer than two pixels, or
    than one in a thousand, at or above `threshold` of the range.
    """
    finite = attention.isfinite().all(2).all(1)
    clean = torch.where(finite[:, None, None], attention, 0.0)
    span = clean.amax((1, 2)) - clean.amin((1, 2))
    lit = (unit_range(clean) >= max(threshold, 1e-6)).sum((1, 2))
    least = max(2, attention.shape[1] * attention.shape[2] // 1000)
    return ~finite | (span < 1e-4) | (lit < least)


def cluster_maps(
    attention: Float[Tensor, "b h w"],
    k: int,
    generator: torch.Generator,
    distance_weight: float = 1.5,
    intensity_weight: float = 1.2,
    threshold: float = 0.5,
    starts: int | None = None,
) -> Int64[Tensor, "b h w"]:
    """A cluster map 0 … k−1 for each attention map, clusters in the order of `by_position`.

    Degenerate attention (`degenerate`) counts as none: such a map is clustered by place alone.
    """
    b, h, w = attention.shape
    usable = ~degenerate(attention, threshold)[:, None, None]
    values = intensity(torch.where(usable, attention, 0.0), threshold)
    points = coordinates(values, distance_weight, intensity_weight)
    labels = kmeans(points, k, generator, starts, picture=(h, w)).labels.view(b, h, w)
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


def by_intensity(
    labels: Int64[Tensor, "b h w"], values: Float[Tensor, "b h w"], k: int
) -> Int64[Tensor, "b h w"]:
    """Renumber clusters by falling mean of `values`; equal ones keep their order, empty ones last.

    >>> by_intensity(torch.tensor([[[0, 1, 2]]]), torch.tensor([[[0.1, 0.9, 0.5]]]), 3).tolist()
    [[[2, 0, 1]]]
    """
    flat = labels.flatten(1)
    zero = torch.zeros(len(labels), k, dtype=torch.float64, device=labels.device)
    sizes = zero.scatter_add(1, flat, torch.ones_like(flat, dtype=torch.float64))
    means = zero.scatter_add(1, flat, values.flatten(1).double()) / sizes.clamp_min(1)
    means = torch.where(sizes > 0, means, -torch.inf)
    rank = means.argsort(dim=1, descending=True, stable=True).argsort(1)
    renamed: Tensor = rank.gather(1, flat).view_as(labels)
    return renamed


MATCHED_EXACTLY = 6
"""Up to this K every renaming is tried; above it the largest overlaps are paired first."""


def matched(
    labels: Int64[Tensor, "b h w"], reference: Int64[Tensor, "h w"], k: int
) -> Int64[Tensor, "b h w"]:
    """Rename each map's clusters so that they overlap most with the reference's of the same name.

    So cluster j is the same part of the face in every map, also where a cluster's middle lies
    near the face's and its angle (`by_position`) says little.
    """
    pairs = labels.flatten(1) * k + reference.flatten()
    count = torch.zeros(len(labels), k * k, dtype=torch.int64, device=labels.device)
    overlap = count.scatter_add(1, pairs, torch.ones_like(pairs)).view(-1, k, k)
    names = _all_renamings(overlap) if k <= MATCHED_EXACTLY else _largest_first(overlap)
    return names.gather(1, labels.flatten(1)).view_as(labels)


def _all_renamings(overlap: Int64[Tensor, "b k k"]) -> Int64[Tensor, "b k"]:
    """The renaming of largest total overlap; of equals the first in lexicographic order."""
    k = overlap.shape[1]
    renamings = torch.tensor(list(permutations(range(k))), device=overlap.device)
    old = torch.arange(k, device=overlap.device)
    total = overlap[:, old, renamings].sum(2)
    first = (total == total.amax(1, keepdim=True)).int().argmax(1)
    return renamings[first]


def _largest_first(overlap: Int64[Tensor, "b k k"]) -> Int64[Tensor, "b k"]:
    b, k, _ = overlap.shape
    left = overlap.clone()
    names = torch.zeros(b, k, dtype=torch.int64, device=overlap.device)
    rows = torch.arange(b, device=overlap.device)
    for _ in range(k):
        best = left.flatten(1).argmax(1)
        old, new = best // k, best % k
        names[rows, old] = new
        left[rows, old, :] = -1
        left[rows, :, new] = -1
    return names
