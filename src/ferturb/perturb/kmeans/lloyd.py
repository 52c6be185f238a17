"""One step of Lloyd's algorithm, for many starts of many small problems, by matrix products.

With points (x, 1) and rows (c_j − c_0, (‖c_0‖² − ‖c_j‖²)/2), one product says how much nearer than
the first centre each other centre is. A second product gives the sums and sizes of all clusters but
the first, which has what is left of the totals. A start's inertia follows from the sums, without
another look at the points.

Centres are (b, d, k, s): s starts of k centres in d dimensions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor


class Weighted(NamedTuple):
    """Points with a weight each."""

    columns: Float[Tensor, "b d1 n"]
    """(x, 1) of each point."""
    sums: Float[Tensor, "b d1 n"]
    """(w·x, w); points of no weight count for nothing. The same tensor where all weights are 1."""
    total: Float[Tensor, "b d1 1 1"]
    """Of `sums`."""

    @property
    def length(self) -> Float[Tensor, " b"]:
        """Σ w·‖x‖²."""
        columns, sums = self.columns[:, :-1], self.sums[:, :-1]
        if self.sums is self.columns:
            norm: Tensor = torch.linalg.vector_norm(columns, dim=(1, 2))
            return norm.square_()
        return (columns * sums).sum((1, 2))


def weighted(
    columns: Float[Tensor, "b d1 n"], sums: Float[Tensor, "b d1 n"] | None = None
) -> Weighted:
    """Points of the weights in `sums`, else of weight 1."""
    sums = columns if sums is None else sums
    return Weighted(columns, sums, sums.sum(2)[:, :, None, None])


def members(
    columns: Float[Tensor, "b d1 n"], centers: Float[Tensor, "b d k s"], scratch: Tensor
) -> Float[Tensor, "b (k-1)*s n"]:
    """1 at the points of each cluster but the first, else 0; in `scratch`.

    Points that are equally near to several centres belong to the first of them.
    """
    b, d, k, s = centers.shape
    n = columns.shape[2]
    first, other = centers.split_with_sizes([1, k - 1], 2)
    apart, middle = other - first, other + first
    rows = torch.cat([apart, (apart * middle).sum(1, keepdim=True).mul_(-0.5)], 1)
    place, spare = scratch[: b * k * s * n].split_with_sizes([b * (k - 1) * s * n, b * s * n])
    member = torch.bmm(rows.view(b, d + 1, -1).mT, columns, out=place.view(b, (k - 1) * s, n))
    if k == 1:
        return member
    nearer = member.view(b, k - 1, s * n)  # than the first centre, by how much
    own = nearer[:, 0]
    best = torch.clamp_min(own, 0, out=spare.view(b, s * n))
    own.gt_(0)
    for j in range(1, k - 1):
        own, before = nearer[:, j], best
        if j < k - 2:
            best = torch.maximum(best, own)
        own.gt_(before)
        nearer[:, :j].gt_(own.unsqueeze(1))  # what a later centre takes from the earlier ones
    return member


def lloyd_step(
    points: Weighted, centers: Float[Tensor, "b d k s"], scratch: Tensor
) -> tuple[Float[Tensor, "b d k s"], Float[Tensor, "b 1 k s"], Float[Tensor, "b (k-1)*s n"]]:
    """The means of the points nearest to each centre, how many these are, and their `members`.

    The mean of no points is 0.
    """
    b, d, k, s = centers.shape
    member = members(points.columns, centers, scratch)
    if member.shape[1] > 2 * d:  # the two are the same; which is faster depends on the shapes
        sums = torch.bmm(points.sums, member.mT)
    else:
        sums = torch.bmm(member, points.sums.mT).mT
    others = sums.reshape(b, d + 1, k - 1, s)
    sums = torch.cat([points.total - others.sum(2, keepdim=True), others], 2)
    sizes = sums[:, d:]
    return sums[:, :d] / sizes.clamp_min(1), sizes, member


def farthest(
    columns: Float[Tensor, "b d1 n"],
    centers: Float[Tensor, "b d k 1"],
    sizes: Float[Tensor, "b 1 k 1"],
) -> Float[Tensor, "b d k 1"]:
    """For each empty cluster another of the points that lie farthest from their centres."""
    points = columns[:, :-1]
    distance = (points.unsqueeze(2) - centers).square().sum(1).amin(1)
    order = distance.topk(centers.shape[2], dim=1).indices
    empty = sizes[:, 0, :, 0] == 0
    return taken(points, order.gather(1, (empty.cumsum(1) - 1).clamp_min(0))).unsqueeze(3)


def taken(points: Float[Tensor, "b d n"], place: Int64[Tensor, "b s"]) -> Float[Tensor, "b d s"]:
    """The points at some places of each set."""
    return points.gather(2, place.unsqueeze(1).expand(-1, points.shape[1], -1))
