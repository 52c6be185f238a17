"""Where an attention network looks, and its clusters (Equation 1), with onnxruntime alone.

The network is phase 1 of the Perturb Scheme: a small classifier with spatial attention between
its stages, trained on FER2013 by `ferturb train --method attention` and shipped by
`tools/ship_attention.py`. It is a network of its own: what it attends to is not what *clean* or
another model looks at.

The clustering is `ferturb.perturb.clusters` without torch, for one face at a time: K-means on
(λ·row, λ·column, α·attention), λ = 1.5, α = 1.2, each coordinate scaled to [0, 1], attention
below half of its range counted as 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.errors import FerturbError
from ferturb.predict.onnx_session import OnnxModel

if TYPE_CHECKING:
    from jaxtyping import Float, Int64, UInt8


GRAPH = Path(__file__).with_name("weights") / "attention.onnx"
DISTANCE_WEIGHT, INTENSITY_WEIGHT, THRESHOLD = 1.5, 1.2, 0.5
MOST_CLUSTERS = 8
_STARTS, _STEPS, _FLAT = 8, 100, 1e-4


class AttentionFinder:
    """Faces to attention maps; keeps its session open."""

    def __init__(self, path: Path = GRAPH, threads: int | None = None) -> None:
        """`FerturbError` if the file isn't there or is none of ferturb's."""
        self._model = OnnxModel(path, threads)

    @property
    def about(self) -> dict[str, Any]:
        """The network's name, data and accuracy."""
        return self._model.meta

    def __call__(self, faces: UInt8[np.ndarray, "n 48 48"]) -> Float[np.ndarray, "n 48 48"]:
        """Attention, 0 … 1."""
        return self._model.run({"faces": np.ascontiguousarray(faces)})[0]


def attention_clusters(
    attention: Float[np.ndarray, "h w"], k: int = 3, seed: int = 0
) -> Int64[np.ndarray, "h w"]:
    """A cluster map 0 … k−1, the most attended cluster first.

    Attention that is the same everywhere counts as none: clusters follow from place alone.
    """
    if not 1 <= k <= MOST_CLUSTERS:
        raise FerturbError(f"the number of clusters must be 1 … {MOST_CLUSTERS}, got {k}")
    values = attention.astype(np.float64)
    low, span = float(values.min()), float(values.max() - values.min())
    values = (values - low) / span if span >= _FLAT else np.zeros_like(values)
    values = np.where(values >= THRESHOLD, values, 0.0)
    h, w = values.shape
    rows, columns = np.meshgrid(np.linspace(0, 1, h), np.linspace(0, 1, w), indexing="ij")
    scaled = (DISTANCE_WEIGHT * rows, DISTANCE_WEIGHT * columns, INTENSITY_WEIGHT * values)
    points = np.stack([plane.ravel() for plane in scaled], 1)
    generator = np.random.default_rng(seed)
    found = [_lloyd(points, _plus_plus(points, k, generator)) for _ in range(_STARTS)]
    labels = min(found, key=lambda pair: pair[1])[0]
    means = [attention.ravel()[labels == j].mean() if (labels == j).any() else -1 for j in range(k)]
    rank = np.argsort(np.argsort(-np.array(means), kind="stable"), kind="stable")
    return np.asarray(rank[labels].reshape(h, w))


def _plus_plus(points: np.ndarray, k: int, generator: np.random.Generator) -> np.ndarray:
    """k-means++ (Arthur and Vassilvitskii, 2007): centres drawn by squared distance."""
    centers = [points[generator.integers(len(points))]]
    nearest = np.full(len(points), np.inf)
    for _ in range(k - 1):
        nearest = np.minimum(nearest, np.square(points - centers[-1]).sum(1))
        centers.append(points[generator.choice(len(points), p=nearest / nearest.sum())])
    return np.array(centers)


def _lloyd(points: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, float]:
    """Lloyd's algorithm: labels and the sum of squared distances. An empty cluster stays put."""
    labels = np.zeros(len(points), np.int64)
    for _ in range(_STEPS):
        distance = np.square(points[:, None] - centers[None]).sum(2)
        nearest = distance.argmin(1)
        if (nearest == labels).all():
            break
        labels = nearest
        for j in range(len(centers)):
            if (labels == j).any():
                centers[j] = points[labels == j].mean(0)
    return labels, float(np.square(points - centers[labels]).sum())
