"""Batched K-means in torch: many small problems at once, without a loop over them.

Lloyd's algorithm from k-means++ starts. What makes it fast:

- *Races* (`seeding`). Many starts run on few points that stand for the set
  (`subsample`), and only the winner on all points (`converge`), where little is left
  to do.
- *Matrix products* (`lloyd`). A step is two of them and a few comparisons.
- *Memory.* Batches are cut so that what is computed on stays in the cache, and sets that have
  converged leave the batch. The few that take many steps take them together at the end.
- *Threads.* Each takes a part of the sets; they wait for each other at the end alone.

The same draws serve every set of a batch, so a set's result doesn't depend on its company.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.perturb.kmeans.converge import Clustering, Unsettled, settle, unsettled
from ferturb.perturb.kmeans.seeding import (
    PICTURE_STARTS,
    STARTS,
    widest,
    winner,
    winner_of_picture,
)
from ferturb.perturb.kmeans.subsample import block_side

__all__ = ["PICTURE_STARTS", "STARTS", "Clustering", "kmeans"]

EARLY = 3
"""Steps on all points that a part of the batch takes at once, before its last sets wait."""
CACHE = 2**22
"""Numbers that are worked on at a time."""
LEAST = 2**17
"""Points that are worth a thread."""


def kmeans(
    points: Float[Tensor, "b n d"],
    k: int,
    generator: torch.Generator,
    starts: int | None = None,
    iterations: int = 300,
    tolerance: float = 1e-4,
    picture: tuple[int, int] | None = None,
) -> Clustering:
    """K-means of each of b point sets: labels 0 … k−1 in no particular order.

    A set stops when a step of Lloyd's algorithm would move its centres by no more than
    `tolerance` times the mean variance of its coordinates (squared moves, added up; as in
    scikit-learn), or after `iterations` steps; 0 stops when no centre moves. A cluster that
    loses all its points takes the point farthest from its own centre. Fewer distinct points than
    k leave clusters empty; their centres then stand on points of other clusters.

    `starts` is how many k-means++ starts a set has; None for `STARTS`, or `PICTURE_STARTS`.

    `picture` (height, width) says that a set's points are the pixels of a picture, row by row, and
    their last coordinate is an intensity. It makes the search for good starts much cheaper, and
    changes nothing else. `FerturbError` when k isn't 1 … n, the picture hasn't n pixels, or a
    coordinate isn't finite.
    """
    b, n, d = points.shape
    if not 1 <= k <= n:
        raise FerturbError(f"K-means needs 1 to {n} clusters for {n} points, got {k}")
    if picture and picture[0] * picture[1] != n:
        raise FerturbError(
            f"K-means needs a picture of {n} pixels for {n} points, got {picture[0]}×{picture[1]}"
        )
    if picture and (d < 2 or block_side(picture, k) < 2):
        picture = None  # too few pixels to be worth blocks
    if starts is None:
        starts = PICTURE_STARTS if picture else STARTS
    draws = torch.rand(starts, k, generator=generator, dtype=torch.float64)
    draws = draws.to(points.device, points.dtype)
    labels = torch.empty(b, n, dtype=torch.int64, device=points.device)
    found = Clustering(labels, points.new_empty(b, k, d), points.new_empty(b))
    task = _Task(k, draws, picture, iterations, tolerance)
    each = -(-b // _workers(points))
    parts = [
        (points[i : i + each], Clustering(*(t[i : i + each] for t in found)))
        for i in range(0, b, max(1, each))
    ]
    if len(parts) == 1:
        _solve(*parts[0], task)
    elif parts:
        _at_once(parts, task)
    return found


class _Task(NamedTuple):
    """What is asked about every set."""

    k: int
    draws: Float[Tensor, "s k"]
    picture: tuple[int, int] | None
    iterations: int
    tolerance: float


def _workers(points: Float[Tensor, "b n d"]) -> int:
    """Threads that take a part of the sets each: all of torch's on a CPU, for large batches."""
    if points.device.type != "cpu":
        return 1
    return max(1, min(torch.get_num_threads(), points.shape[0] * points.shape[1] // LEAST))


def _at_once(parts: list[tuple[Tensor, Clustering]], task: _Task) -> None:
    """Each part in a thread of its own, in which torch uses no others.

    Sets don't wait for each other, so this is faster than all threads in every operation.
    """
    threads = torch.get_num_threads()

    def alone(part: tuple[Tensor, Clustering]) -> None:
        torch.set_num_threads(1)
        _solve(*part, task)

    try:
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(alone, parts))
    finally:
        torch.set_num_threads(threads)


def _solve(points: Float[Tensor, "b n d"], found: Clustering, task: _Task) -> None:
    """All sets, a part of the batch at a time; what comes out is written into `found`."""
    b, n, d = points.shape
    k, draws, picture, last, tolerance = task
    needed = max(n * k, widest(n, k, len(draws), picture))
    size = math.ceil(b / max(1, math.ceil(b * ((d + 1) * n + needed) / CACHE)))
    late = []
    with torch.inference_mode():
        home = points.new_empty(size * ((d + 1) * n + needed))  # in one piece: malloc reuses it
        home, scratch = home.split_with_sizes([size * (d + 1) * n, size * needed])
        home = home.view(size, d + 1, n)
        home[:, -1:] = 1
        for first in range(0, b, max(1, size)):
            columns, mean = _columns(points[first : first + size], home)
            if not bool(mean.isfinite().all()):
                raise FerturbError("K-means needs finite coordinates, got inf or nan")
            centers = (
                winner_of_picture(columns, picture, k, draws, scratch)
                if picture
                else winner(columns, k, draws, scratch)
            )
            sets = unsettled(columns, centers, mean, first)
            steps = range(min(EARLY, last + 1))
            late.append(settle(sets, steps, last, tolerance, found, scratch))
        for sets in _together(late, size):
            settle(sets, range(EARLY, last + 1), last, tolerance, found, scratch)


def _columns(
    points: Float[Tensor, "b n d"], memory: Float[Tensor, "c d1 n"]
) -> tuple[Float[Tensor, "b d1 n"], Float[Tensor, "b d"]]:
    """One column (x, 1) a point, in `memory`, with x counted from the set's mean; and the mean."""
    columns = memory[: len(points)]
    places = columns[:, :-1]
    places.copy_(points.transpose(1, 2))
    mean = places.mean(2, keepdim=True)
    places -= mean
    return columns, mean[..., 0]


def _together(parts: list[Unsettled], size: int) -> list[Unsettled]:
    """The same sets in parts of at most `size`."""
    parts = [p for p in parts if len(p.where)]
    if len(parts) < 2:
        return parts
    whole = Unsettled(*(torch.cat(t) for t in zip(*parts, strict=True)))
    pieces = zip(*(torch.split(t, size) for t in whole), strict=True)
    return [Unsettled(*p) for p in pieces]
