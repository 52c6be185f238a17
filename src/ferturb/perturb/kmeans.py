"""Batched K-means in torch: many small problems at once, without a loop over them.

Lloyd's algorithm from k-means++ starts (Arthur & Vassilvitskii, 2007). What makes it fast:

- *Races.* Many starts run on a small even sample of each set's points, the best few of them on a
  larger one, and only the winner on all points, where little is left to do.
- *Matrix products.* With points (x, 1) and rows (c_j − c_0, (‖c_0‖² − ‖c_j‖²)/2), one product
  says how much nearer than the first centre each other centre is. A second product gives the
  sums and sizes of all clusters but the first, which has what is left of the totals. A start's
  inertia follows from the sums, without another look at the points.
- *Long steps.* Clusters that slowly turn about each other come to rest sooner when their centres
  move further than to the mean. Long steps never are the last.
- *Memory.* Batches are cut so that what is computed on stays in the cache, large results go to
  memory that is there already, and sets that have converged leave the batch.

The same draws serve every set of a batch, so a set's result doesn't depend on its company.
Inside, centres are (b, d, k, s): s starts of k centres in d dimensions.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from ferturb.errors import FerturbError


class Race(NamedTuple):
    """Lloyd steps that all remaining starts take on a sample of the points."""

    points: int
    """In the sample, about; `_size` takes more for many clusters."""
    steps: int
    least: int
    """Starts that go on, at least."""
    share: float
    """Starts that go on, as a share of those of the first race."""


RACES = (Race(110, 2, 12, 0.375), Race(461, 2, 1, 0.0))
SEEDS = 57
"""Points of the sample that the starts are drawn from, about."""
STARTS = 64
"""Starts of each set. Fewer cost less and miss the best clusters more often: on attention-like maps
32 starts save a third of the time, and one map in 250 is more than 1 % above the best of ten."""
SAME = 1e-3
"""Starts whose inertia differs by less than this share have found the same clusters."""
REACH = 1.7
"""How far a long step goes, in units of the step of Lloyd's algorithm."""
CACHE = 2**21
"""Numbers that are worked on at a time."""
ALIGNED = 16
"""Products of rows that are a multiple of this long are faster."""


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
    starts: int = STARTS,
    iterations: int = 300,
    tolerance: float = 1e-4,
) -> Clustering:
    """K-means of each of b point sets: labels 0 … k−1 in no particular order.

    A set stops when a step of Lloyd's algorithm would move its centres by no more than
    `tolerance` times the mean variance of its coordinates (squared moves, added up; as in
    scikit-learn), or after `iterations` steps; 0 stops when no centre moves. A cluster that
    loses all its points takes the point farthest from its own centre. Fewer distinct points than
    k leave clusters empty; their centres then stand on points of other clusters. `FerturbError`
    when k isn't 1 … n or a coordinate isn't finite.
    """
    b, n, d = points.shape
    if not 1 <= k <= n:
        raise FerturbError(f"K-means needs 1 to {n} clusters for {n} points, got {k}")
    points = points.detach()
    draws = torch.rand(starts, k, generator=generator, dtype=torch.float64)
    draws = draws.to(points.device, points.dtype)
    labels = torch.empty(b, n, dtype=torch.int64, device=points.device)
    found = Clustering(labels, points.new_empty(b, k, d), points.new_empty(b))
    widest = _widest(n, k, starts)
    size = math.ceil(b / max(1, math.ceil(b * widest / CACHE)))
    memory = points.new_empty(size * ((d + 1) * n + widest))  # in one piece: malloc will reuse it
    home, scratch = memory[: size * (d + 1) * n].view(size, d + 1, n), memory[size * (d + 1) * n :]
    for first in range(0, b, max(1, size)):
        part = slice(first, first + size)
        columns, mean = _columns(points[part], home)
        if not bool(mean.isfinite().all()):
            raise FerturbError("K-means needs finite coordinates, got inf or nan")
        centers = _winner(columns, k, draws, scratch)
        centers = _settled(columns, centers, iterations, tolerance, scratch)
        _finish(columns, mean, centers, Clustering(*(t[part] for t in found)), scratch)
    return found


def _widest(n: int, k: int, starts: int) -> int:
    """How many numbers of scratch memory a set needs at most."""
    widest = max(n * k, 3 * starts * _count(n, _size(SEEDS, k)))
    entrants = starts
    for race in RACES:
        widest = max(widest, k * entrants * (_count(n, _size(race.points, k)) + ALIGNED))
        entrants = _going_on(race, starts)
    return widest


def _going_on(race: Race, starts: int) -> int:
    return min(starts, max(race.least, round(race.share * starts)))


def _columns(
    points: Float[Tensor, "b n d"], memory: Float[Tensor, "c d1 n"]
) -> tuple[Float[Tensor, "b d1 n"], Float[Tensor, "b d 1"]]:
    """One column (x, 1) a point, in `memory`, with x counted from the set's mean; and the mean."""
    columns = memory[: len(points)]
    columns[:, :-1] = points.transpose(1, 2)
    columns[:, -1] = 1
    mean = columns[:, :-1].mean(2, keepdim=True)
    columns[:, :-1] -= mean
    return columns, mean


def _size(size: int, k: int) -> int:
    """How many points a sample has: some for each cluster."""
    return max(size, 16 * k)


@cache
def _stride(n: int, size: int) -> int:
    """Every how many-th of n points to take for an even sample of about `size`.

    Chosen as if the points were the pixels of a square picture, row by row: of the strides
    about a sixth around n/size, the one whose pixels lie farthest apart for their number. A stride
    that divides the width, say, would take few columns, and all pixels of them.
    """
    width = max(1, round(math.sqrt(n)))

    def evenness(stride: int) -> float:
        offsets = ((row, -width * row % stride) for row in range(1, stride))
        squared = (row**2 + min(column, stride - column) ** 2 for row, column in offsets)
        return min(stride**2, *squared) / stride if stride > 1 else 1.0

    nearest = max(1, round(n / size))
    off = max(nearest // 6, int(nearest > 2))
    return max(range(nearest - off, nearest + off + 1), key=evenness)


def _count(n: int, size: int) -> int:
    """How many points the sample of `_sample` has."""
    stride = _stride(n, size)
    return len(range(stride // 2, n, stride))


def _sample(columns: Float[Tensor, "b d1 n"], size: int) -> Float[Tensor, "b d1 m"]:
    """About `size` of the points, evenly apart."""
    stride = _stride(columns.shape[2], size)
    return columns[:, :, stride // 2 :: stride].contiguous()


def _winner(
    columns: Float[Tensor, "b d1 n"], k: int, draws: Float[Tensor, "s k"], scratch: Tensor
) -> Float[Tensor, "b d k 1"]:
    """The start that wins the races, as far as it has come there."""
    centers = _plus_plus(_sample(columns, _size(SEEDS, k)), k, draws, scratch)
    sample, size = columns, 0
    for race in RACES:
        if _size(race.points, k) != size:
            size = _size(race.points, k)
            sample = _sample(columns, size)
            # columns of zeros count for nothing, not even as a point
            sample = F.pad(sample, (0, -sample.shape[2] % ALIGNED))
        centers = _raced(sample, centers, race.steps, _going_on(race, len(draws)), scratch)
    return centers


def _raced(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b d k s"],
    steps: int,
    kept: int,
    scratch: Tensor,
) -> Float[Tensor, "b d k kept"]:
    """Some steps of every start, then the starts of lowest inertia.

    Those that found the same clusters count once. An empty cluster moves to the middle.
    """
    total = columns.sum(2)[:, :, None, None]
    for _ in range(steps - 1):
        centers = torch.lerp(centers, _lloyd_step(columns, total, centers, scratch)[0], REACH)
    centers, sizes = _lloyd_step(columns, total, centers, scratch)
    if centers.shape[3] <= kept:
        return centers
    length = columns[:, :-1].square().sum((1, 2)).unsqueeze(1)
    inertia = length - centers.square().mul_(sizes).sum((1, 2))
    ordered, order = inertia.sort(dim=1)
    again = ordered.diff(dim=1) < SAME * ordered[:, 1:]
    ordered[:, 1:] += again * length  # behind all others
    order = order.gather(1, ordered.topk(kept, dim=1, largest=False).indices)
    return centers.gather(3, order[:, None, None].expand(-1, *centers.shape[1:3], -1))


def _settled(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b d k 1"],
    iterations: int,
    tolerance: float,
    scratch: Tensor,
) -> Float[Tensor, "b d k 1"]:
    """Lloyd's algorithm to its end, every other step a long one."""
    found = centers.clone()
    length = torch.linalg.vector_norm(columns[:, :-1], dim=(1, 2)).square_()
    limit = length * (tolerance / columns[0, :-1].numel())
    total = columns.sum(2)[:, :, None, None]
    active = torch.arange(len(columns), device=columns.device)
    for step in range(iterations):
        means, sizes = _lloyd_step(columns, total, centers, scratch)
        if bool((sizes == 0).any()):
            means = torch.where(sizes > 0, means, _farthest(columns, centers, sizes))
        going = (means - centers).square_().sum((1, 2, 3)) > limit
        long = torch.lerp(centers, means, REACH if step % 2 and step + 1 < iterations else 1.0)
        centers = torch.where(going[:, None, None, None], long, means)
        left = int(going.sum())
        if 2 * left > len(active):
            continue
        found[active] = centers
        if not left:
            return found
        on = going.nonzero()[:, 0]
        columns, centers, total = (t.index_select(0, on) for t in (columns, centers, total))
        active, limit = active[on], limit[on]
    found[active] = centers
    return found


def _members(
    columns: Float[Tensor, "b d1 n"], centers: Float[Tensor, "b d k s"], scratch: Tensor
) -> Float[Tensor, "b (k-1)*s n"]:
    """1 at the points of each cluster but the first, else 0; in `scratch`.

    Points that are equally near to several centres belong to the first of them.
    """
    b, d, k, s = centers.shape
    n = columns.shape[2]
    rows = centers.new_empty(b, d + 1, k - 1, s)
    torch.sub(centers[:, :, 1:], centers[:, :, :1], out=rows[:, :d])
    half = centers.square().sum(1).mul_(0.5)
    torch.sub(half[:, :1], half[:, 1:], out=rows[:, d])
    place, spare = scratch[: b * k * s * n].split([b * (k - 1) * s * n, b * s * n])  # type: ignore[no-untyped-call]
    member = torch.bmm(rows.flatten(2).mT, columns, out=place.view(b, (k - 1) * s, n))
    if k == 1:
        return member
    nearer = member.view(b, k - 1, s * n)  # than the first centre, by how much
    best = torch.clamp_min(nearer[:, 0], 0, out=spare.view(b, s * n))
    nearer[:, 0].gt_(0)
    for j in range(1, k - 1):
        own, before = nearer[:, j], best
        if j < k - 2:
            best = torch.maximum(best, own)
        own.gt_(before)
        nearer[:, :j].gt_(own.unsqueeze(1))  # what a later centre takes from the earlier ones
    return member


def _lloyd_step(
    columns: Float[Tensor, "b d1 n"],
    total: Float[Tensor, "b d1 1 1"],
    centers: Float[Tensor, "b d k s"],
    scratch: Tensor,
) -> tuple[Float[Tensor, "b d k s"], Float[Tensor, "b 1 k s"]]:
    """The means of the points nearest to each centre, and how many these are; 0 of 0 points."""
    b, d, k, s = centers.shape
    member = _members(columns, centers, scratch)
    if member.shape[1] > 2 * d:  # the two are the same; which is faster depends on the shapes
        sums = torch.bmm(columns, member.mT)
    else:
        sums = torch.bmm(member, columns.mT).mT
    others = sums.reshape(b, d + 1, k - 1, s)
    sums = torch.cat([total - others.sum(2, keepdim=True), others], 2)
    sizes = sums[:, d:]
    return sums[:, :d] / sizes.clamp_min(1), sizes


def _farthest(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b d k 1"],
    sizes: Float[Tensor, "b 1 k 1"],
) -> Float[Tensor, "b d k 1"]:
    """For each empty cluster another of the points that lie farthest from their centres."""
    points = columns[:, :-1]
    distance = (points.unsqueeze(2) - centers).square().sum(1).amin(1)
    order = distance.topk(centers.shape[2], dim=1).indices
    empty = sizes[:, 0, :, 0] == 0
    return _taken(points, order.gather(1, (empty.cumsum(1) - 1).clamp_min(0))).unsqueeze(3)


def _finish(
    columns: Float[Tensor, "b d1 n"],
    mean: Float[Tensor, "b d 1"],
    centers: Float[Tensor, "b d k 1"],
    found: Clustering,
    scratch: Tensor,
) -> None:
    """Labels, centres and inertia into `found`. Uses `columns` up."""
    member = _members(columns, centers, scratch)
    centers = centers[..., 0]
    found.centers.copy_((centers + mean).mT)
    offsets = columns[:, :-1].sub_(centers[:, :, :1])
    offsets.baddbmm_(centers[:, :, 1:] - centers[:, :, :1], member, alpha=-1)
    torch.linalg.vector_norm(offsets, dim=(1, 2), out=found.inertia).square_()
    if member.shape[1] == 0:
        found.labels.zero_()
        return
    number = member[:, 0]
    for j in range(1, member.shape[1]):
        number.add_(member[:, j], alpha=j + 1)
    found.labels.copy_(number)


def _plus_plus(
    columns: Float[Tensor, "b d1 n"], k: int, draws: Float[Tensor, "s k"], scratch: Tensor
) -> Float[Tensor, "b d k s"]:
    """k-means++: each next centre drawn with probability ∝ squared distance to the nearest one."""
    b, _, n = columns.shape
    s = len(draws)
    points = columns[:, :-1]
    length = points.square().sum(1, keepdim=True)
    nearest, distance, cumulative = scratch[: 3 * b * s * n].view(3, b, s, n)
    spread = (draws[:, 0] + torch.arange(s, device=draws.device)) / s  # a first point from all over
    centers = [_taken(points, (spread * n).long().clamp_max(n - 1).expand(b, s))]
    nearest.fill_(torch.inf)
    for j in range(1, k):
        rows = torch.cat([-2 * centers[-1], centers[-1].square().sum(1, keepdim=True)], 1)
        torch.bmm(rows.mT, columns, out=distance).add_(length).clamp_min_(0)
        torch.minimum(nearest, distance, out=nearest)
        torch.cumsum(nearest, 2, out=cumulative)
        draw = draws[:, j, None] * cumulative[..., -1:]
        centers.append(
            _taken(points, torch.searchsorted(cumulative, draw).clamp_max_(n - 1)[..., 0])
        )
    return torch.stack(centers, dim=2)


def _taken(points: Float[Tensor, "b d n"], place: Int64[Tensor, "b s"]) -> Float[Tensor, "b d s"]:
    return points.gather(2, place.unsqueeze(1).expand(-1, points.shape[1], -1))
