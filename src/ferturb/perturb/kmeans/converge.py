"""The last part of K-means: Lloyd's algorithm on all points, from one good start to its end.

Clusters that slowly turn about each other come to rest sooner when their centres move further than
to the mean. Such long steps never are the last, and every third step is a plain one, without which
centres would come ever nearer to where they stay and never get there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ferturb.perturb.kmeans.lloyd import Weighted, farthest, lloyd_step

REACHES = (1.4, 1.4, 1.0)
"""How far the steps go in turn, in units of the step of Lloyd's algorithm."""
SMALL = 0.03
"""Inertia that is less than this share of the points' squares is added up point by point."""


class Clustering(NamedTuple):
    """What K-means finds."""

    labels: Int64[Tensor, "b n"]
    centers: Float[Tensor, "b k d"]
    inertia: Float[Tensor, " b"]
    """Sum of squared distances of the points to their centres."""


class Unsettled(NamedTuple):
    """Sets whose centres still move."""

    columns: Float[Tensor, "b d1 n"]
    """(x, 1) of each point, x counted from the set's mean."""
    centers: Float[Tensor, "b d k 1"]
    mean: Float[Tensor, "b d"]
    length: Float[Tensor, " b"]
    """Squares of all coordinates."""
    where: Int64[Tensor, " b"]
    """Their places in the whole batch."""

    def at(self, some: Int64[Tensor, " m"]) -> Unsettled:
        """Copies of some of them."""
        return Unsettled(*(t.index_select(0, some) for t in self))


def unsettled(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b d k 1"],
    mean: Float[Tensor, "b d"],
    first: int,
) -> Unsettled:
    """Sets that are `first` … in the batch."""
    length = torch.linalg.vector_norm(columns[:, :-1], dim=(1, 2)).square_()
    where = torch.arange(first, first + len(columns), device=columns.device)
    return Unsettled(columns, centers, mean, length, where)


def settle(
    sets: Unsettled,
    steps: range,
    last: int,
    tolerance: float,
    found: Clustering,
    scratch: Tensor,
) -> Unsettled:
    """Take some steps, of those up to `last`; what comes to rest goes to its place in `found`.

    Returns copies of the sets that still move; of none after the last step.
    """
    points = _centred(sets.columns)
    for step in steps:
        means, sizes, member = lloyd_step(points, sets.centers, scratch)
        goal = means
        if not bool(sizes.all()):
            goal = torch.where(sizes > 0, means, farthest(sets.columns, sets.centers, sizes))
        moves = (goal - sets.centers).square_().sum((1, 2, 3))
        going = moves > sets.length * (tolerance / sets.columns[0, :-1].numel())
        if step == last:
            going.zero_()
        left = int(going.sum())
        if 2 * left <= len(going) or step == steps[-1]:  # else those at rest wait: they stay
            rest = (~going).nonzero()[:, 0]
            _note(sets, Ended(sets.centers, means, sizes, member), rest, found)
            on = going.nonzero()[:, 0]
            sets, goal, going = sets.at(on), goal[on], going[on]
            if not left:
                break
            points = _centred(sets.columns)
        reach = REACHES[step % len(REACHES)] if step + 1 < last else 1.0
        weight = (going.to(goal.dtype) * reach)[:, None, None, None]  # those at rest stay
        centers = torch.lerp(sets.centers, goal, weight)
        sets = sets._replace(centers=centers)
    return sets


def _centred(columns: Float[Tensor, "b d1 n"]) -> Weighted:
    """Points whose total is known: 0, and n of them."""
    total = columns.new_zeros(columns.shape[1], 1, 1)
    total[-1] = columns.shape[2]
    return Weighted(columns, columns, total.expand(len(columns), -1, -1, -1))


class Ended(NamedTuple):
    """A step from centres that hardly move."""

    centers: Float[Tensor, "b d k 1"]
    means: Float[Tensor, "b d k 1"]
    sizes: Float[Tensor, "b 1 k 1"]
    member: Float[Tensor, "b k-1 n"]


def _note(sets: Unsettled, end: Ended, some: Int64[Tensor, " m"], found: Clustering) -> None:
    """Labels, centres and inertia of some sets to their places in `found`."""
    if len(some) < len(sets.where):
        end = Ended(*(t.index_select(0, some) for t in end))
    centers, member = end.centers[..., 0], end.member
    where, length = sets.where[some], sets.length[some]
    apart = (end.means - end.centers).square_()
    inertia = length - (end.means.square() - apart).mul_(end.sizes).sum((1, 2, 3))
    small = (inertia < SMALL * length).nonzero()[:, 0]  # rounding would show
    if len(small):
        offsets = sets.columns[some[small], :-1] - centers[small, :, :1]
        offsets.baddbmm_(centers[small, :, 1:] - centers[small, :, :1], member[small], alpha=-1)
        inertia[small] = torch.linalg.vector_norm(offsets, dim=(1, 2)).square_()
    found.inertia[where] = inertia
    found.centers[where] = centers.mT + sets.mean[some].unsqueeze(1)
    if not member.shape[1]:
        found.labels[where] = 0
        return
    number = member[:, 0]
    for j in range(1, member.shape[1]):
        number.add_(member[:, j], alpha=j + 1)
    found.labels[where] = number.long()
