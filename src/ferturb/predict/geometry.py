"""Boxes and similarity transforms.

Points are (x, y) in pixels, (0, 0) the centre of the top left pixel. A box is (left, top, right,
bottom) of the lines around its pixels: (0, 0, 2, 2) are the four pixels at the top left. A
similarity is a 2×3 matrix that maps (x, y, 1) to (x', y').
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

OVERLAP = 0.3
"""Intersection over union from which two boxes are one face."""


def overlap(
    boxes: Float[np.ndarray, "n 4"], others: Float[np.ndarray, "m 4"]
) -> Float[np.ndarray, "n m"]:
    """Intersection over union of each box with each other box, 0 … 1."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1)
    other = np.clip(others[:, 2:] - others[:, :2], 0, None).prod(1)
    return np.asarray(both / np.maximum(area[:, None] + other[None] - both, 1e-9))


def suppressed(
    boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"], most: float = OVERLAP
) -> Int[np.ndarray, " m"]:
    """Non-maximum suppression: the boxes that overlap no higher-scored kept one by over `most`."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    free: Bool[np.ndarray, " n"] = np.ones(len(boxes), bool)
    for i in order:
        if free[i]:
            kept.append(int(i))
            free &= overlap(boxes[i : i + 1], boxes)[0] <= most
    return np.array(kept, np.int64)


def reading_order(boxes: Float[np.ndarray, "n 4"]) -> Int[np.ndarray, " n"]:
    """Faces as one reads: rows from top to bottom, from left to right within a row.

    From the highest face down, each joins the first row whose face nearest to it, across, stands
    beside it: the middle of either is at the height of the other. What stands beside none begins a
    row. So a row may slant, and two rows that do stay two. `alone/geometry.js` orders alike.

    >>> reading_order(np.array([[9.0, 8, 11, 10], [9, 1, 11, 3], [0, 0, 2, 2]])).tolist()
    [2, 1, 0]
    """
    sides = boxes.astype(np.float64)
    across, middle = sides[:, ::2].sum(1) / 2, sides[:, 1::2].sum(1) / 2
    rows: list[list[int]] = []
    for i in map(int, np.argsort(middle, kind="stable")):
        for row in rows:
            near = row[int(np.abs(across[row] - across[i]).argmin())]
            if middle[i] < sides[near, 3] or sides[i, 1] < middle[near]:
                row.append(i)
                break
        else:
            rows.append([i])
    return np.array([i for row in rows for i in sorted(row, key=across.__getitem__)], np.int64)


def similarity(
    source: Float[np.ndarray, "p 2"], target: Float[np.ndarray, "p 2"]
) -> Float[np.ndarray, "2 3"]:
    """The rotation, scale and shift that bring source points nearest to target points.

    Least squares, without reflection (Umeyama, "Least-squares estimation of transformation
    parameters between two point patterns", PAMI 1991; in two dimensions it is a complex number).

    >>> similarity(np.array([[0.0, 0], [1, 0]]), np.array([[1.0, 1], [1, 3]])).round(3)
    array([[ 0., -2.,  1.],
           [ 2.,  0.,  1.]])
    """
    w = 1 / len(source)
    from_middle, to_middle = (w * source).sum(0), (w * target).sum(0)
    a, b = source - from_middle, target - to_middle
    spread = float((w * a * a).sum())
    if spread < 1e-12:
        return np.concatenate([np.eye(2), (to_middle - from_middle)[:, None]], axis=1)
    re = float((w * a * b).sum()) / spread
    im = float((w * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])).sum()) / spread
    turn = np.array([[re, -im], [im, re]])
    return np.concatenate([turn, (to_middle - turn @ from_middle)[:, None]], axis=1)


def inverse(matrix: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """The similarity that undoes another."""
    turn = np.linalg.inv(matrix[:, :2])
    return np.concatenate([turn, -turn @ matrix[:, 2:]], axis=1)


def applied(
    matrix: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "*n 2"]
) -> Float[np.ndarray, "*n 2"]:
    """The points where a similarity takes them."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])
