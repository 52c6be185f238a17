"""Where K-means starts: many k-means++ starts, of which races on few points leave the best.

k-means++ is Arthur & Vassilvitskii, 2007. Each race is some steps of Lloyd's algorithm on points
that stand for the set (`subsample`); what goes on are the starts of lowest inertia that found
different clusters. The same draws serve every set of a batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ferturb.perturb.kmeans.lloyd import Weighted, lloyd_step, taken, weighted
from ferturb.perturb.kmeans.subsample import (
    ALIGNED,
    aligned,
    block_side,
    coarse_shape,
    count_of,
    halved_blocks,
    sample,
    size_for,
)

STARTS, PICTURE_STARTS = 64, 32
"""Starts of each set. Fewer cost less and miss the best clusters more often: of samples with 32 one
map in 250 is more than 1 % above scikit-learn's best of ten."""


class Race(NamedTuple):
    """Lloyd steps that all remaining starts take."""

    points: int
    """In the sample, about; without meaning for the blocks of a picture."""
    steps: int
    least: int
    """Starts that go on, at least."""
    share: float
    """Starts that go on, as a share of those of the first race."""

    def going_on(self, starts: int) -> int:
        """How many of all starts go on to the next race."""
        return min(starts, max(self.least, round(self.share * starts)))


RACES = (Race(110, 2, 12, 0.375), Race(461, 2, 1, 0.0))
"""On samples of points in any order."""
PICTURE_RACES = (Race(0, 4, 12, 0.0), Race(0, 3, 1, 0.0))
"""On the coarse and the fine blocks of a picture."""
SEEDS = 57
"""Points of the sample that the starts are drawn from, about."""
SAME = 1e-3
"""Starts whose inertia differs by less than this share have found the same clusters."""
REACH = 1.7
"""How far a long step goes, in units of the step of Lloyd's algorithm."""


def widest(n: int, k: int, starts: int, picture: tuple[int, int] | None) -> int:
    """How many numbers of scratch memory a set needs at most."""
    if picture:
        side = block_side(picture, k)
        fine = (-(-picture[0] // side), -(-picture[1] // side))
        sizes = [2 * h * w for h, w in (coarse_shape(*fine, k), fine)]
        planes = 3 * fine[0] * fine[1] * side**2
        found, entrants = max(planes, 3 * starts * sizes[0]), starts
        for size, race in zip(sizes, PICTURE_RACES, strict=True):
            found = max(found, k * entrants * size)
            entrants = race.going_on(starts)
        return found
    found = 3 * starts * count_of(n, size_for(SEEDS, k))
    entrants = starts
    for race in RACES:
        found = max(found, k * entrants * (count_of(n, size_for(race.points, k)) + ALIGNED))
        entrants = race.going_on(starts)
    return found


def winner_of_picture(
    columns: Float[Tensor, "b d1 n"],
    picture: tuple[int, int],
    k: int,
    draws: Float[Tensor, "s k"],
    scratch: Tensor,
) -> Float[Tensor, "b d k 1"]:
    """The start that wins the races on a picture's blocks, as far as it has come there."""
    blocks = halved_blocks(columns, picture, k, scratch)
    centers = plus_plus(blocks[0], k, draws, scratch)
    for points, race in zip(blocks, PICTURE_RACES, strict=True):
        centers = raced(points, centers, race.steps, race.going_on(len(draws)), scratch)
    return centers


def winner(
    columns: Float[Tensor, "b d1 n"], k: int, draws: Float[Tensor, "s k"], scratch: Tensor
) -> Float[Tensor, "b d k 1"]:
    """The start that wins the races on samples, as far as it has come there."""
    centers = plus_plus(sample(columns, size_for(SEEDS, k)), k, draws, scratch)
    points, size = weighted(columns), 0
    for race in RACES:
        if size_for(race.points, k) != size:
            size = size_for(race.points, k)
            points = aligned(sample(columns, size))
        centers = raced(points, centers, race.steps, race.going_on(len(draws)), scratch)
    return centers


def raced(
    points: Weighted,
    centers: Float[Tensor, "b d k s"],
    steps: int,
    kept: int,
    scratch: Tensor,
) -> Float[Tensor, "b d k kept"]:
    """Some steps of every start, then the starts of lowest inertia.

    Those that found the same clusters count once. An empty cluster moves to the middle.
    """
    for _ in range(steps - 1):
        centers = torch.lerp(centers, lloyd_step(points, centers, scratch)[0], REACH)
    centers, sizes, _ = lloyd_step(points, centers, scratch)
    if centers.shape[3] <= kept:
        return centers
    length = points.length.unsqueeze(1)
    inertia = length - centers.square().mul_(sizes).sum((1, 2))
    ordered, order = inertia.sort(dim=1)
    again = ordered.diff(dim=1) < SAME * ordered[:, 1:]
    ordered[:, 1:] += again * length  # behind all others
    order = order.gather(1, ordered.topk(kept, dim=1, largest=False).indices)
    return centers.gather(3, order[:, None, None].expand(-1, *centers.shape[1:3], -1))


def plus_plus(
    points: Weighted, k: int, draws: Float[Tensor, "s k"], scratch: Tensor
) -> Float[Tensor, "b d k s"]:
    """k-means++: each next centre drawn with probability ∝ w · squared distance to the nearest one.

    The first is drawn with probability ∝ w, evenly: one start from each s-th part of the weight.
    """
    columns, weight = points.columns, points.sums[:, -1:]
    b, _, n = columns.shape
    s = len(draws)
    places = columns[:, :-1]
    length = places.square().sum(1, keepdim=True)
    nearest, distance, cumulative = scratch[: 3 * b * s * n].view(3, b, s, n)
    spread = (draws[:, 0] + torch.arange(s, device=draws.device)) / s
    so_far = weight[:, 0].cumsum(1)
    first = torch.searchsorted(so_far, spread * so_far[:, -1:])
    centers = [taken(places, first.clamp_max_(n - 1))]
    nearest.fill_(torch.inf)
    for j in range(1, k):
        rows = torch.cat([-2 * centers[-1], centers[-1].square().sum(1, keepdim=True)], 1)
        torch.bmm(rows.mT, columns, out=distance).add_(length).clamp_min_(0)
        torch.minimum(nearest, distance, out=nearest)
        if points.sums is columns:
            torch.cumsum(nearest, 2, out=cumulative)
        else:
            torch.cumsum(torch.mul(nearest, weight, out=distance), 2, out=cumulative)
        draw = draws[:, j, None] * cumulative[..., -1:]
        place = torch.searchsorted(cumulative, draw).clamp_max_(n - 1)
        centers.append(taken(places, place[..., 0]))
    return torch.stack(centers, dim=2)
