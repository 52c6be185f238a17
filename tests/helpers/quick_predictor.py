"""A predictor for tests with very many faces: *tiny*, and landmarks that cost nothing."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ferturb.features.points import COUNT
from ferturb.predict.landmark_finder import FoundLandmarks
from ferturb.predict.predictor import Predictor


def quick() -> Predictor:
    """One thread; can be pickled by its name."""
    predictor = Predictor("tiny", "whole", threads=1)
    predictor.__dict__["finder"] = landmarks
    return predictor


def landmarks(faces: np.ndarray) -> FoundLandmarks:
    """Sure of the face's middle."""
    points = np.full((len(faces), COUNT, 2), 24, np.float32)
    return FoundLandmarks(
        points, np.ones(len(faces), np.float32), np.ones((len(faces), COUNT), np.float32)
    )


def write_faces(path: str, n: int, distinct: int, group: int) -> np.ndarray:
    """A parquet file of n drawn faces as PNG, so many of them distinct; (distinct, 48, 48)."""
    from ferturb.data.drawn.synthetic import draw  # torch, which predicting processes do without

    faces = draw(distinct, seed=3).images.numpy()
    files = []
    for face in faces:
        buffer = io.BytesIO()
        Image.fromarray(face).save(buffer, "PNG", compress_level=1)
        files.append({"bytes": buffer.getvalue(), "path": None})
    pq.write_table(
        pa.table({"image": [files[i % distinct] for i in range(n)]}), path, row_group_size=group
    )
    return faces
