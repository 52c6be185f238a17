"""The landmarks of 48×48 faces with onnxruntime alone: what `find_landmarks` gives with torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferturb.features import points
from ferturb.features.points import COUNT
from ferturb.predict.onnx_session import OnnxModel, threads_of
from ferturb.predict.photos import faces_of
from ferturb.predict.sharing import shared_out

if TYPE_CHECKING:
    from jaxtyping import Float32, UInt8

GRAPH = Path(points.__file__).with_name("landmarks.onnx")
"""It reads its numbers from the file that torch reads, which so has to lie beside it."""
_BATCH = 16


@dataclass(frozen=True)
class FoundLandmarks:
    """The landmarks of n faces.

    - ``points``: float32 (n, 108, 2), x and y in pixels of the 48×48 face.
    - ``confidence``: float32 (n,), the calibrated probability that the inner points are off by
      less than 2 pixels on average; 0 where there was nothing to see and the mean shape stands.
    - ``errors``: float32 (n, 108), the expected absolute error of x and of y, in pixels.
    """

    points: Float32[np.ndarray, "n p 2"]
    confidence: Float32[np.ndarray, " n"]
    errors: Float32[np.ndarray, "n p"]


class LandmarkFinder:
    """Faces to landmarks; keeps its session open. So many threads share the faces out."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads_of(threads)
        self.model = OnnxModel(GRAPH, 1)
        self.mean_shape: Float32[np.ndarray, "p 2"] = np.array(
            self.model.meta["mean_shape"], np.float32
        )

    def __call__(self, faces: UInt8[np.ndarray, "n h w"]) -> FoundLandmarks:
        """The landmarks of every 48×48 face; none is dropped."""
        faces = faces_of(faces)
        batches = [{"faces": faces[i : i + _BATCH]} for i in range(0, len(faces), _BATCH)]
        parts = shared_out(self.model.run, batches, self.threads)
        if not parts:
            shapes = ((0, COUNT, 2), (0,), (0, COUNT))
            return FoundLandmarks(*(np.zeros(shape, np.float32) for shape in shapes))
        return FoundLandmarks(*(np.concatenate(part) for part in zip(*parts, strict=True)))
