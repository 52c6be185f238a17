"""Predictions as rows of a table: one a face, and one for a photo without any."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.text import encodable
from ferturb.predict.hidden_features import FEATURES
from ferturb.predict.results import PhotoPrediction

COLUMNS: tuple[str, ...] = (
    *("name", "frame", "seconds", "face", "track", "left", "top", "right", "bottom", "score"),
    *("emotion", "most_probable", "confidence", *EMOTIONS, "landmark_confidence"),
    *(f"hidden_{feature}" for feature in FEATURES),
    *("error", "model", "head", "version", "threshold"),
)
"""What a row holds; what does not apply is left empty. `face` counts from 1, from left to right."""


def rows_of(photo: PhotoPrediction) -> list[dict[str, Any]]:
    """The rows of one photo or frame."""
    start: dict[str, Any] = {"name": encodable(photo.name), "frame": photo.frame}
    start |= photo.origin()
    start["error"] = None if photo.error is None else encodable(photo.error)
    if photo.seconds is not None:
        start["seconds"] = round(photo.seconds, 3)
    rows = []
    for i, face in enumerate(photo.faces, 1):
        left, top, right, bottom = (round(v, 1) for v in face.box)
        rows.append(
            start
            | {"face": i, "track": face.track, "score": round(face.score, 4)}
            | {"left": left, "top": top, "right": right, "bottom": bottom}
            | {"emotion": face.emotion, "most_probable": face.most_probable}
            | {"confidence": round(face.confidence, 4)}
            | {emotion: round(p, 4) for emotion, p in face.probabilities.items()}
            | {"landmark_confidence": round(face.landmark_confidence, 4)}
            | {f"hidden_{k}": round(p, 3) for k, p in (face.hidden or {}).items()}
        )
    return rows or [start]


def frame_of(photos: Iterable[PhotoPrediction]) -> Any:
    """The rows of photos as a pandas DataFrame; `FerturbError` without pandas."""
    try:
        import pandas
    except ImportError as error:
        raise FerturbError("a DataFrame needs pandas; pip install pandas") from error
    return pandas.DataFrame([row for photo in photos for row in rows_of(photo)], columns=COLUMNS)
