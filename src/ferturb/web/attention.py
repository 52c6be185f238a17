"""Where an attention network looks, and its clusters (Equation 1), with onnxruntime alone.

The network is phase 1 of the Perturb Scheme: a small classifier with spatial attention between
its stages, trained on FER2013 by `ferturb train --method attention` and shipped by
`tools/ship_attention.py`. It is a network of its own: what it attends to is not what *clean* or
another model looks at. The clusters are those of `ferturb.perturb.clusters`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.errors import FerturbError
from ferturb.perturb.clusters import by_intensity, cluster_maps
from ferturb.predict.onnx_session import OnnxModel

if TYPE_CHECKING:
    from jaxtyping import Float, Int64, UInt8

GRAPH = Path(__file__).with_name("weights") / "attention.onnx"
MOST_CLUSTERS = 8


class AttentionFinder:
    """Faces to attention maps; keeps its session open."""

    def __init__(self, path: Path = GRAPH, threads: int | None = None) -> None:
        """`FerturbError` if the file isn't there or isn't one of ferturb's."""
        self._model = OnnxModel(path, threads)

    @property
    def about(self) -> dict[str, Any]:
        """The network's name, data and accuracy."""
        return self._model.meta

    def __call__(self, faces: UInt8[np.ndarray, "n 48 48"]) -> Float[np.ndarray, "n 48 48"]:
        """Attention, 0 … 1."""
        return self._model.run({"faces": np.ascontiguousarray(faces)})[0]


def attention_clusters(attention: Float[np.ndarray, "h w"], k: int = 3) -> Int64[np.ndarray, "h w"]:
    """A cluster map 0 … k−1, the most attended cluster first.

    Attention that is `uninformative` counts as none: clusters follow from place alone.
    `FerturbError` when k isn't 1 … `MOST_CLUSTERS`.
    """
    if not 1 <= k <= MOST_CLUSTERS:
        raise FerturbError(f"the number of clusters must be 1 … {MOST_CLUSTERS}, got {k}")
    maps = attention[None]
    return np.asarray(by_intensity(cluster_maps(maps, k), np.nan_to_num(maps), k)[0])
