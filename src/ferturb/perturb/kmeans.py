"""K-means of many small point sets at once: Lloyd's algorithm from k-means++ starts, in NumPy.

Arthur & Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007. What makes it
fast is that hardly any step looks at all points of a set:

- *Races.* All starts of a set run some steps side by side on few points that stand for it. The best
  of them that found different clusters go on to more points, and the winner to all of them.
- *Halved blocks.* What stands for a picture is two weighted points for each square block of its
  pixels: the mean of those above the picture's mean intensity, and the mean of the others. Where
  intensity is smooth but for jumps (attention below its threshold counts as 0), this keeps what
  tells good clusters from bad ones; plain block means would blur the jumps.
- *Matrix products.* With points (x, 1) and rows (c_j − c_0, (‖c_0‖² − ‖c_j‖²)/2), one product says
  how much nearer than the first centre every other is, and another adds up the clusters.

The same draws serve every set of a batch, so a set's result doesn't depend on its company.
Inside, centres are (b, k, s, d): k centres in d dimensions for each of s starts.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ferturb.base.errors import FerturbError

if TYPE_CHECKING:
    from jaxtyping import Float, Int64, UInt8

STARTS = 48
"""k-means++ starts of each set. With 32, one map in 2,000 is more than 1 % above the best known."""
BLOCKS = ((16, 5), (64, 8))
"""Blocks of a picture, about: so many, or so many for each cluster. First the coarse ones."""
RACES = ((4, 12), (3, 2), (1, 1))
"""Steps, and starts that go on: on coarse blocks, on fine blocks, on all points."""
SAME = 1e-3
"""Starts whose inertia differs by less than this share have found the same clusters."""
CHUNK = 2**18
"""Points that are worked on at a time."""


class Clustering(NamedTuple):
    """What K-means finds."""

    labels: Int64[np.ndarray, "b n"]
    centers: Float[np.ndarray, "b k d"]
    inertia: Float[np.ndarray, " b"]
    """Sum of squared distances of the points to their centres."""


class Points(NamedTuple):
    """Points with a weight each."""

    columns: Float[np.ndarray, "b d1 n"]
    """(x, 1) of each point."""
    sums: Float[np.ndarray, "b d1 n"]
    """(w·x, w); the same array where all weights are 1."""


def kmeans(
    points: Float[np.ndarray, "b n d"],
    k: int,
    seed: int = 0,
    starts: int = STARTS,
    iterations: int = 300,
    tolerance: float = 1e-4,
    picture: tuple[int, int] | None = None,
    threads: int = 1,
) -> Clustering:
    """K-means of each of b point sets: labels 0 … k−1 (k ≤ 256) in no particular order.

    A set stops when a step of Lloyd's algorithm moves its centres by no more than `tolerance`
    times the mean variance of its coordinates (squared moves, added up; as in scikit-learn), or
    after `iterations` steps; 0 stops when no centre moves. A cluster that loses all its points
    takes the point farthest from its own centre. Fewer distinct points than k leave clusters
    empty; their centres then stand on points of other clusters.

    `picture` (height, width) says that a set's points are the pixels of a picture, row by row, and
    their last coordinate is an intensity; without it the races run on all points. `threads` share
    the sets among them; the result is the same.

    `FerturbError` when k isn't 1 … n or above 256, the picture hasn't n pixels, or a coordinate
    isn't finite.
    """
    b, n, _ = points.shape
    if not 1 <= k <= min(n, 256):
        raise FerturbError(f"K-means needs 1 to {min(n, 256)} clusters for {n} points, got {k}")
    if picture and picture[0] * picture[1] != n:
        raise FerturbError(
            f"K-means needs a picture of {n} pixels for {n} points, got {picture[0]}×{picture[1]}"
        )
    draws = np.random.default_rng(seed).random((starts, k)).astype(points.dtype)
    size = max(1, min(CHUNK // n, -(-b // threads)))
    parts = [points[i : i + size] for i in range(0, b, size)]
    solve = partial(
        _solve, draws=draws, picture=picture, iterations=iterations, tolerance=tolerance
    )
    if threads == 1 or len(parts) == 1:
        found = list(map(solve, parts))
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(solve, parts))
    empty = Clustering(np.empty((0, n), np.int64), points[:0, :k], points[:0, 0, 0])
    return Clustering(*map(np.concatenate, zip(empty, *found, strict=True)))


def _solve(
    points: Float[np.ndarray, "b n d"],
    draws: Float[np.ndarray, "s k"],
    picture: tuple[int, int] | None,
    iterations: int,
    tolerance: float,
) -> Clustering:
    """All sets at once."""
    b, n, d = points.shape
    columns = np.ones((b, d + 1, n), points.dtype)
    x = columns[:, :-1]
    x[:] = points.transpose(0, 2, 1)
    mean = x.mean(2, keepdims=True)
    if not np.isfinite(mean).all():
        raise FerturbError("K-means needs finite coordinates, got inf or nan")
    x -= mean
    whole = Points(columns, columns)
    sketches = _halved_blocks(columns, picture, draws.shape[1]) if picture else [whole, whole]
    centers = _plus_plus(sketches[0], draws)
    for some, (steps, kept) in zip([*sketches, whole], RACES, strict=True):
        centers = _raced(some, centers, steps, kept)
    length = np.square(x).reshape(b, -1).sum(1)
    centers = _settled(columns, centers, iterations, tolerance * length / (n * d))
    labels, gain = _nearest(columns, centers)
    first = np.square(centers[:, 0, 0]).sum(1)  # as the mean is 0, Σ‖x − c_0‖² = Σ‖x‖² + n·‖c_0‖²
    inertia = np.maximum(length + n * first - 2 * gain[:, 0].sum(1), 0)
    return Clustering(
        labels[:, 0].astype(np.int64), centers[:, :, 0] + mean.swapaxes(1, 2), inertia
    )


def _nearest(
    columns: Float[np.ndarray, "b d1 n"], centers: Float[np.ndarray, "b k s d"]
) -> tuple[UInt8[np.ndarray, "b s n"], Float[np.ndarray, "b s n"]]:
    """The centre nearest to each point, the first of equals; and its gain.

    The gain is half of how much smaller the squared distance is than that to the first centre.
    """
    (b, k, s, d), n = centers.shape, columns.shape[2]
    apart, middle = centers[:, 1:] - centers[:, :1], centers[:, 1:] + centers[:, :1]
    rows = np.concatenate([apart, (apart * middle).sum(3, keepdims=True) / -2], 3)
    gains = (rows.reshape(b, (k - 1) * s, d + 1) @ columns).reshape(b, k - 1, s, n)
    best = np.zeros((b, s, n), columns.dtype)
    labels = np.zeros(best.shape, np.uint8)
    for j in range(1, k):
        nearer = gains[:, j - 1] > best
        np.maximum(labels, nearer.view(np.uint8) * np.uint8(j), out=labels)
        np.maximum(best, gains[:, j - 1], out=best)
    return labels, best


def _lloyd_step(
    points: Points, centers: Float[np.ndarray, "b k s d"]
) -> tuple[Float[np.ndarray, "b k s d"], Float[np.ndarray, "b k s 1"]]:
    """The means of the points nearest to each centre, 0 for no points; and their weight."""
    b, k, s, d = centers.shape
    labels, _ = _nearest(points.columns, centers)
    member = labels[:, None] == np.arange(k, dtype=np.uint8)[:, None, None]
    weights = member.reshape(b, k * s, -1).astype(centers.dtype)
    sums = (weights @ points.sums.swapaxes(1, 2)).reshape(b, k, s, d + 1)
    sizes = sums[..., d:]
    return sums[..., :d] / np.maximum(sizes, 1), sizes


def _settled(
    columns: Float[np.ndarray, "b d1 n"],
    centers: Float[np.ndarray, "b k 1 d"],
    iterations: int,
    limit: Float[np.ndarray, " b"],
) -> Float[np.ndarray, "b k 1 d"]:
    """Where the centres come to rest; sets that have leave the batch."""
    found, where = centers.copy(), np.arange(len(centers))
    for _ in range(iterations):
        means, sizes = _lloyd_step(Points(columns, columns), centers)
        if not sizes.all():
            means = np.where(sizes > 0, means, _farthest(columns, centers))
        found[where] = means
        going = np.square(means - centers).reshape(len(means), -1).sum(1) > limit
        if not going.any():
            break
        centers = means
        if not going.all():
            columns, centers, where, limit = (t[going] for t in (columns, means, where, limit))
    return found


def _farthest(
    columns: Float[np.ndarray, "b d1 n"], centers: Float[np.ndarray, "b k 1 d"]
) -> Float[np.ndarray, "b 1 1 d"]:
    """The point of each set that lies farthest from its centre."""
    x = columns[:, :-1].swapaxes(1, 2)
    distance = np.square(x - centers[:, 0]).sum(2) - 2 * _nearest(columns, centers)[1][:, 0]
    return np.asarray(x[np.arange(len(x)), distance.argmax(1)][:, None, None])


def _plus_plus(points: Points, draws: Float[np.ndarray, "s k"]) -> Float[np.ndarray, "b k s d"]:
    """k-means++: each next centre drawn with probability ∝ w · squared distance to the nearest one.

    The first is drawn with probability ∝ w, evenly: one start from each s-th part of the weight.
    """
    columns, weight = points.columns, points.sums[:, -1:]
    x = columns[:, :-1]
    places, length = x.swapaxes(1, 2), np.square(x).sum(1, keepdims=True)
    spread = (draws[:, 0] + np.arange(len(draws), dtype=x.dtype)) / len(draws)
    centers, nearest = [_drawn(places, weight.cumsum(2), spread)], np.inf
    for draw in draws.T[1:]:
        last = centers[-1]
        rows = np.concatenate([-2 * last, np.square(last).sum(2, keepdims=True)], 2)
        nearest = np.minimum(nearest, np.maximum(rows @ columns + length, 0))
        centers.append(_drawn(places, (nearest * weight).cumsum(2), draw))
    return np.stack(centers, 1)


def _drawn(
    places: Float[np.ndarray, "b n d"],
    cumulative: Float[np.ndarray, "b _ n"],
    draws: Float[np.ndarray, " s"],
) -> Float[np.ndarray, "b s d"]:
    """One of the places for each draw (0 … 1), by cumulative weight."""
    index = (cumulative > draws[:, None] * cumulative[:, :, -1:]).argmax(2)
    return np.asarray(places[np.arange(len(places))[:, None], index])


def _raced(
    points: Points, centers: Float[np.ndarray, "b k s d"], steps: int, kept: int
) -> Float[np.ndarray, "b k kept d"]:
    """Some steps of every start, then the starts of lowest inertia.

    Those that found the same clusters count once. An empty cluster moves to the middle.
    """
    for _ in range(steps):
        centers, sizes = _lloyd_step(points, centers)
    squares = points.columns[:, :-1] * points.sums[:, :-1]
    length = squares.reshape(len(squares), -1).sum(1, keepdims=True)
    inertia = length - (np.square(centers) * sizes).sum(3).sum(1)
    order = inertia.argsort(1, kind="stable")
    inertia = np.take_along_axis(inertia, order, 1)
    again = np.diff(inertia, axis=1) < SAME * inertia[:, 1:]
    inertia[:, 1:] += again * length  # behind all others
    best = inertia.argsort(1, kind="stable")[:, :kept]
    order = np.take_along_axis(order, best, 1)
    return np.take_along_axis(centers, order[:, None, :, None], 2)


def _halved_blocks(
    columns: Float[np.ndarray, "b d1 n"], picture: tuple[int, int], k: int
) -> list[Points]:
    """Coarse and fine halved blocks of pixels whose last coordinate is intensity (mean 0)."""
    pixels = columns.reshape(*columns.shape[:2], *picture)
    (coarse, fine) = (max(least, each * k) for least, each in BLOCKS)
    bright, whole = _merged(pixels * (pixels[:, -2:-1] > 0), fine), _merged(pixels, fine)
    sums = np.concatenate([bright, whole - bright], 1)
    return [_points(_merged(sums, coarse)), _points(sums)]


def _points(halves: Float[np.ndarray, "b p r c"]) -> Points:
    """The means of both halves of each block, of their size as weight."""
    b, planes = halves.shape[:2]
    sums = halves.reshape(b, 2, planes // 2, -1).swapaxes(1, 2).reshape(b, planes // 2, -1)
    means = sums / np.maximum(sums[:, -1:], 1)
    means[:, -1] = 1
    return Points(means, sums)


def _merged(planes: Float[np.ndarray, "b p h w"], count: int) -> Float[np.ndarray, "b p r c"]:
    """Sums over about `count` blocks of a picture, as square as they can be."""
    h, w = planes.shape[2:]
    side = math.sqrt(h * w / count)
    down, along = (
        (np.arange(size) * parts // size == np.arange(parts)[:, None]).astype(planes.dtype)
        for size, parts in ((h, max(1, round(h / side))), (w, max(1, round(w / side))))
    )
    merged: Float[np.ndarray, "b p r c"] = down @ planes @ along.T
    return merged
