"""Batched K-means in torch: many small problems at once, without a loop over them.

Lloyd's algorithm from k-means++ starts (Arthur & Vassilvitskii, 2007). What makes it fast:

- *Races.* Many starts run on a small even sample of each set's points, the best few of them for
  longer and then on all points, and only the winner to its end, where little is left to do.
- *Matrix products.* With points and centres written as (x, 1) and (c, −‖c‖²/2), one product
  gives x·c − ‖c‖²/2, which is largest at the nearest centre, and a second product gives the
  sums and sizes of all clusters.
- *Working sets.* Sets that have converged leave the batch; batches are cut so that what is
  computed on stays in the cache.

The same draws serve every set of a batch, so a set's result doesn't depend on its company.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ferturb.errors import FerturbError

RACES = ((461, 3, 6, 0.25), (461, 6, 3, 0.1), (2304, 1, 1, 0.0))
"""(points in the sample, Lloyd steps, how many starts go on at least, and which share of all), in
order. Of a 48×48 picture 461 even points are every fifth pixel: a square lattice, as 5 and 48 are
coprime."""
SAME = 1e-3
"""Starts whose inertia differs by less than this share have found the same clusters."""
CACHE = 2**20
"""Numbers that are worked on at a time."""


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
    starts: int = 12,
    iterations: int = 300,
    tolerance: float = 1e-4,
) -> Clustering:
    """K-means of each of b point sets: labels 0 … k−1 in no particular order.

    A set stops when the squared moves of its centres add up to at most `tolerance` times the
    mean variance of its coordinates (as in scikit-learn), or after `iterations` steps; 0 stops
    when no centre moves. A cluster that loses all its points takes the point farthest from its
    own centre. Fewer distinct points than k leave clusters empty; their centres then stand on
    points of other clusters. `FerturbError` when k isn't 1 … n or a coordinate isn't finite.
    """
    b, n, d = points.shape
    if not 1 <= k <= n:
        raise FerturbError(f"K-means needs 1 to {n} clusters for {n} points, got {k}")
    if not bool(points.sum().isfinite()):
        raise FerturbError("K-means needs finite coordinates, got inf or nan")
    draws = torch.rand(starts, k, generator=generator, dtype=torch.float64)
    draws = draws.to(points.device, points.dtype)
    widest = max(n * k, *(s * k * m for s, m in zip(_entrants(starts), _sizes(n), strict=True)))
    size = min(b, max(1, CACHE // widest))
    scratch = points.new_empty(size * widest)
    parts = points.split(max(1, size))  # type: ignore[no-untyped-call]
    found = [_cluster(part, k, draws, iterations, tolerance, scratch) for part in parts]
    if not found:
        empty = points.new_zeros(0)
        return Clustering(empty.view(0, n).long(), empty.view(0, k, d), empty)
    return Clustering(*(torch.cat(column) for column in zip(*found, strict=True)))


def _entrants(starts: int) -> tuple[int, ...]:
    """How many starts run in each race, and at last on all points."""
    return (starts, *(min(starts, max(least, round(share * starts))) for *_, least, share in RACES))


def _sizes(n: int) -> tuple[int, ...]:
    """How many points each race is run on, and at last all."""
    return (*(min(n, race[0]) for race in RACES), n)


def _cluster(
    points: Float[Tensor, "b n d"],
    k: int,
    draws: Float[Tensor, "s k"],
    iterations: int,
    tolerance: float,
    scratch: Float[Tensor, " m"],
) -> Clustering:
    """`kmeans` of as many sets as fit in the cache. `scratch` is memory for the scores."""
    n = points.shape[1]
    mean = points.mean(1, keepdim=True)
    columns = _columns(points - mean)
    centers: Tensor | None = None
    sample = columns[:, :, :0]
    for (size, steps, *_), kept in zip(RACES, _entrants(len(draws))[1:], strict=True):
        if sample.shape[2] != min(size, n):
            sample = columns if size >= n else columns[:, :, _even(n, size, columns.device)]
        if centers is None:
            centers = _plus_plus(sample, k, draws)
        centers = _race(sample, centers, steps, tolerance, scratch)
        centers = _best(sample, centers, kept, scratch)
    assert centers is not None
    centers = _race(columns, centers, iterations, tolerance, scratch)[:, 0]
    member = _exclusive(_members(columns, centers.unsqueeze(1), scratch)[:, 0])
    number = torch.arange(k, dtype=member.dtype, device=member.device)
    labels = torch.matmul(number, member).long()
    offsets = columns[:, :-1].baddbmm_(centers.transpose(1, 2), member, alpha=-1)
    return Clustering(labels, centers + mean, offsets.square_().sum((1, 2)))


def _columns(points: Float[Tensor, "b n d"]) -> Float[Tensor, "b d1 n"]:
    """One column (x, 1) a point."""
    b, n, d = points.shape
    columns = points.new_ones(b, d + 1, n)
    columns[:, :d] = points.transpose(1, 2)
    return columns


def _even(n: int, size: int, device: torch.device) -> Int64[Tensor, " m"]:
    """`size` of n places, evenly apart."""
    return ((torch.arange(size, device=device) * 2 + 1) * n) // (2 * size)


def _scores(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b s k d"],
    scratch: Float[Tensor, " m"],
) -> Float[Tensor, "b s k n"]:
    """x·c − ‖c‖²/2 of every point and centre, in `scratch`: the larger, the nearer."""
    b, s, k, _ = centers.shape
    n = columns.shape[-1]
    half = centers.square().sum(-1, keepdim=True).mul_(-0.5)
    rows = torch.cat([centers, half], -1).flatten(1, 2)
    out = scratch[: b * s * k * n].view(b, s * k, n)
    return torch.bmm(rows, columns, out=out).view(b, s, k, n)


def _members(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b s k d"],
    scratch: Float[Tensor, " m"],
) -> Float[Tensor, "b s k n"]:
    """1 at the nearest centre (at each of them if several are equally near), else 0."""
    scores = _scores(columns, centers, scratch)
    return scores.ge_(scores.amax(2, keepdim=True))


def _exclusive(member: Float[Tensor, "b k n"]) -> Float[Tensor, "b k n"]:
    """Points that are equally near to several centres belong to the first of them."""
    free = 1 - member[:, 0]
    for j in range(1, member.shape[1]):
        member[:, j].mul_(free)
        free.sub_(member[:, j])
    return member


def _race(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b s k d"],
    steps: int,
    tolerance: float,
    scratch: Float[Tensor, " m"],
) -> Float[Tensor, "b s k d"]:
    """Lloyd's steps of s starts for each set; sets that have converged leave the working set."""
    found = centers.clone()
    limit = tolerance * columns[:, :-1].square().mean((1, 2))
    active = torch.arange(len(columns), device=columns.device)
    for _ in range(steps):
        move = _lloyd_step(columns, centers, scratch) - centers
        going = (move.square().sum((2, 3)) > limit[:, None]).any(1)
        centers = centers + move
        left = int(going.sum())
        if 2 * left > len(active):
            continue
        found[active] = centers
        if not left:
            return found
        active, columns, centers, limit = (t[going] for t in (active, columns, centers, limit))
    found[active] = centers
    return found


def _lloyd_step(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b s k d"],
    scratch: Float[Tensor, " m"],
) -> Float[Tensor, "b s k d"]:
    """The means of the points nearest to each centre."""
    b, s, k, d = centers.shape
    member = _members(columns, centers, scratch)
    sums = torch.bmm(member.flatten(1, 2), columns.transpose(1, 2)).view(b, s, k, d + 1)
    sizes = sums[..., d:]
    means = sums[..., :d] / sizes.clamp_min(1)
    empty = sizes[..., 0] == 0
    if bool(empty.any()):
        return torch.where(empty.unsqueeze(-1), _farthest(columns, centers, empty, scratch), means)
    return means


def _farthest(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b s k d"],
    empty: Bool[Tensor, "b s k"],
    scratch: Float[Tensor, " m"],
) -> Float[Tensor, "b s k d"]:
    """For each empty cluster another of the points that lie farthest from their centres."""
    _, s, k, d = centers.shape
    length = columns[:, :-1].square().sum(1)
    distance = length.unsqueeze(1) - 2 * _scores(columns, centers, scratch).amax(2)
    order = distance.topk(k, dim=2).indices
    order = order.gather(2, (empty.cumsum(2) - 1).clamp_min(0))
    places = order.flatten(1).unsqueeze(1).expand(-1, d, -1)
    return columns[:, :-1].gather(2, places).transpose(1, 2).reshape(-1, s, k, d)


def _best(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b s k d"],
    kept: int,
    scratch: Float[Tensor, " m"],
) -> Float[Tensor, "b kept k d"]:
    """The starts of lowest inertia, those that found the same clusters counted once."""
    s, k, d = centers.shape[1:]
    if s <= kept:
        return centers
    length = columns[:, :-1].square().sum((1, 2)).unsqueeze(1)
    inertia = length - 2 * _scores(columns, centers, scratch).amax(2).sum(2)
    ordered, order = inertia.sort(dim=1)
    again = (ordered.diff(dim=1) < SAME * ordered[:, 1:]).to(ordered.dtype)
    ordered[:, 1:] += again * length  # behind all others
    order = order.gather(1, ordered.topk(kept, dim=1, largest=False).indices)
    return centers.gather(1, order[:, :, None, None].expand(-1, -1, k, d))


def _plus_plus(
    columns: Float[Tensor, "b d1 n"], k: int, draws: Float[Tensor, "s k"]
) -> Float[Tensor, "b s k d"]:
    """k-means++: each next centre drawn with probability ∝ squared distance to the nearest one."""
    b, _, n = columns.shape
    s = len(draws)
    points = columns[:, :-1]
    length = points.square().sum(1).unsqueeze(1)
    spread = (draws[:, 0] + torch.arange(s, device=draws.device)) / s  # a first point from all over
    place = (spread * n).long().clamp_max(n - 1).expand(b, s)
    centers = [_taken(points, place)]
    nearest = length.new_full((b, s, n), torch.inf)
    for j in range(1, k):
        rows = torch.cat([centers[-1], -0.5 * centers[-1].square().sum(2, keepdim=True)], 2)
        score = torch.bmm(rows, columns)
        nearest = torch.minimum(nearest, (length - 2 * score).clamp_min_(0))
        cumulative = nearest.cumsum(2)
        draw = (draws[None, :, j, None] * cumulative[..., -1:]).contiguous()
        place = torch.searchsorted(cumulative, draw).clamp_max_(n - 1)[..., 0]
        centers.append(_taken(points, place))
    return torch.stack(centers, dim=2)


def _taken(points: Float[Tensor, "b d n"], place: Int64[Tensor, "b s"]) -> Float[Tensor, "b s d"]:
    return points.gather(2, place.unsqueeze(1).expand(-1, points.shape[1], -1)).transpose(1, 2)
