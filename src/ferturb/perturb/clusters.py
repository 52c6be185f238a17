"""From attention to a cluster map: Equation 1 of the paper, in NumPy.

    Dist(P_ij, P_kl) = sqrt((λ(i − k))² + (λ(j − l))² + (α(I_ij − I_kl))²)

This is the Euclidean distance between points (λ·row, λ·column, α·intensity), so K-means on
those coordinates is the paper's clustering. Rows, columns and intensity are scaled to [0, 1]
first, which the paper leaves open. The intensity is the attention map; attention below
`threshold` of its range counts as 0 there. (The released program's threshold acts on a sum over a
batch, which is always above it: in effect it has none.)

K-means names clusters at random. A shared map's clusters are named by where they lie
(`by_position`), every other map's by their overlap with it (`matching.py`).

The training, the report and the web page all take their clusters from here, so the same attention
gives the same clusters in each.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ferturb.perturb.kmeans import STARTS, kmeans

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int64

FLAT = 1e-4
"""Attention with a smaller range is flat: float noise of a gate."""


def unit_range(maps: Float[np.ndarray, "b h w"]) -> Float[np.ndarray, "b h w"]:
    """Each map scaled to [0, 1]; a flat map becomes 0."""
    low = maps.min((1, 2), keepdims=True)
    span = maps.max((1, 2), keepdims=True) - low
    return np.asarray((maps - low) / np.where(span > 0, span, 1))


def intensity(
    attention: Float[np.ndarray, "b h w"], threshold: float
) -> Float[np.ndarray, "b h w"]:
    """Attention scaled to [0, 1], with everything below `threshold` (0 … 1) set to 0."""
    scaled = unit_range(attention)
    return scaled * (scaled >= threshold)


def coordinates(
    values: Float[np.ndarray, "b h w"], distance_weight: float, intensity_weight: float
) -> Float[np.ndarray, "b n 3"]:
    """Points (λ·row, λ·column, α·intensity) of each pixel, row by row, n = h·w.

    Rows and columns run from 0 to 1.
    """
    b, h, w = values.shape
    points = np.empty((b, h, w, 3), values.dtype)
    points[..., 0] = distance_weight * np.linspace(0, 1, h)[:, None]
    points[..., 1] = distance_weight * np.linspace(0, 1, w)
    points[..., 2] = intensity_weight * values
    return points.reshape(b, h * w, 3)


def uninformative(
    attention: Float[np.ndarray, "b h w"], threshold: float
) -> Bool[np.ndarray, " b"]:
    """Attention that says nothing about places: not finite, flat, or lit at almost no pixel.

    Flat is a range below `FLAT`; almost none is fewer than two pixels, or than one in a thousand,
    at or above `threshold` of the range.
    """
    finite = np.isfinite(attention).all((1, 2))
    clean = np.where(finite[:, None, None], attention, 0)
    span = clean.max((1, 2)) - clean.min((1, 2))
    lit = (unit_range(clean) >= max(threshold, 1e-6)).sum((1, 2))
    least = max(2, attention.shape[1] * attention.shape[2] // 1000)
    return np.asarray(~finite | (span < FLAT) | (lit < least))


def cluster_maps(
    attention: Float[np.ndarray, "b h w"],
    k: int,
    seed: int = 0,
    distance_weight: float = 1.5,
    intensity_weight: float = 1.2,
    threshold: float = 0.5,
    threads: int = 1,
    starts: int = STARTS,
) -> Int64[np.ndarray, "b h w"]:
    """A cluster map 0 … k−1 for each attention map, clusters in the order of `by_position`.

    Attention is taken as float32. A map that is `uninformative` is clustered by place alone.
    `FerturbError` when k isn't 1 … h·w or above 256.
    """
    _, h, w = attention.shape
    attention = attention.astype(np.float32, copy=False)
    informative = ~uninformative(attention, threshold)
    values = intensity(np.where(informative[:, None, None], attention, 0), threshold)
    points = coordinates(values, distance_weight, intensity_weight)
    found = kmeans(points, k, seed, starts, picture=(h, w), threads=threads)
    labels = found.labels.reshape(-1, h, w)
    for i in np.flatnonzero(~informative | (intensity_weight == 0)):
        labels[i] = upright(labels[i])
    return by_position(labels, k)


def upright(labels: Int64[np.ndarray, "h w"]) -> Int64[np.ndarray, "h w"]:
    """Of a map's four rotations that with most clusters in the top row and fewest in the bottom.

    By place alone the rotations of a square's best clustering are as good. Upright, three clusters
    are a Y with an eye in each upper part and the mouth in the lower one, as in the paper's
    Figure 4. A map that is not square stays as it is.

    >>> upright(np.array([[0, 1], [0, 2]])).tolist()
    [[1, 2], [0, 0]]
    """
    if labels.shape[0] != labels.shape[1]:
        return labels
    turned = [np.rot90(labels, quarter) for quarter in range(4)]
    return max(turned, key=lambda one: len(np.unique(one[0])) - len(np.unique(one[-1])))


def by_position(labels: Int64[np.ndarray, "b h w"], k: int) -> Int64[np.ndarray, "b h w"]:
    """Renumber clusters clockwise about the middle of the face, starting at the lower left.

    So with two clusters on the eyes and one on the mouth, 0 is the eye at the image's left, 1
    the eye at its right, 2 the mouth, whatever K-means called them. Empty clusters come last.
    """
    _, h, w = labels.shape
    y = cluster_means(labels, np.linspace(-1, 1, h)[:, None], k)
    x = cluster_means(labels, np.linspace(-1, 1, w), k)
    start = math.radians(200)  # mathematical angle, y upwards: a little below "left"
    clockwise = np.remainder(start - np.arctan2(-y, x), 2 * math.pi)
    return renumbered(labels, np.where(np.isnan(x), np.inf, clockwise))


def by_intensity(
    labels: Int64[np.ndarray, "b h w"], values: Float[np.ndarray, "b h w"], k: int
) -> Int64[np.ndarray, "b h w"]:
    """Renumber clusters by falling mean of `values`; equal ones keep their order, empty ones last.

    >>> by_intensity(np.array([[[0, 1, 2]]]), np.array([[[0.1, 0.9, 0.5]]]), 3).tolist()
    [[[2, 0, 1]]]
    """
    means = cluster_means(labels, values, k)
    return renumbered(labels, np.where(np.isnan(means), np.inf, -means))


def cluster_means(
    labels: Int64[np.ndarray, "b h w"], values: Float[np.ndarray, "*shape"], k: int
) -> Float[np.ndarray, "b k"]:
    """The mean of `values` (broadcast to the maps) over each cluster, in float64; nan if empty."""
    with np.errstate(invalid="ignore"):
        return np.asarray(sums_over(labels, values, k) / sums_over(labels, ONES, k))


def renumbered(
    labels: Int64[np.ndarray, "b h w"], keys: Float[np.ndarray, "b k"]
) -> Int64[np.ndarray, "b h w"]:
    """Renumber the clusters of each map by rising key; of equal keys the first comes first."""
    return renamed(labels, keys.argsort(1, kind="stable").argsort(1))


def renamed(
    labels: Int64[np.ndarray, "b h w"], names: Int64[np.ndarray, "b k"]
) -> Int64[np.ndarray, "b h w"]:
    """Each map with name j in place of every pixel's label j."""
    return np.take_along_axis(names, labels.reshape(len(labels), -1), 1).reshape(labels.shape)


ONES = np.ones((1, 1, 1))
"""Summed over a cluster, this is its size."""


def sums_over(
    labels: Int64[np.ndarray, "b h w"], values: Float[np.ndarray, "*shape"], k: int
) -> Float[np.ndarray, "b k"]:
    """The sum of `values` (broadcast to the maps) over each cluster of each map, in float64."""
    places = labels + k * np.arange(len(labels))[:, None, None]
    weights = np.broadcast_to(values, labels.shape).ravel()
    return np.bincount(places.ravel(), weights, k * len(labels)).reshape(-1, k)
