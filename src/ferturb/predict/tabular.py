"""Predictions as rows of a table: one a face, and one for a photo without any."""

from __future__ import annotations

from typing import Any

from ferturb.base.emotions import EMOTIONS
from ferturb.base.text import encodable
from ferturb.predict.hidden_features import FEATURES
from ferturb.predict.results import FacePrediction, PhotoPrediction

COLUMNS: tuple[str, ...] = (
    *("name", "frame", "seconds", "face", "track", "left", "top", "right", "bottom", "score"),
    *("emotion", "most_probable", "confidence", *EMOTIONS, "landmark_confidence"),
    *(f"hidden_{feature}" for feature in FEATURES),
    *("error", "model", "head", "version", "threshold"),
)
"""What a row holds; what does not apply is left empty. `face` counts from 1, as one reads."""


def rows_of(photo: PhotoPrediction) -> list[dict[str, Any]]:
    """The rows of one photo or frame."""
    start: dict[str, Any] = {"name": encodable(photo.name), "frame": photo.frame}
    start |= photo.origin()
    start["error"] = None if photo.error is None else encodable(photo.error)
    if photo.seconds is not None:
        start["seconds"] = round(photo.seconds, 3)
    rows = [start | {"face": i} | row_of(face) for i, face in enumerate(photo.faces, 1)]
    return rows or [start]


def row_of(face: FacePrediction) -> dict[str, Any]:
    """What is said of one face."""
    left, top, right, bottom = (round(v, 1) for v in face.box)
    return {
        **{"track": face.track, "score": round(face.score, 4)},
        **{"left": left, "top": top, "right": right, "bottom": bottom},
        **{"emotion": face.emotion, "most_probable": face.most_probable},
        "confidence": round(face.confidence, 4),
        **{emotion: round(p, 4) for emotion, p in face.probabilities.items()},
        "landmark_confidence": round(face.landmark_confidence, 4),
        **{f"hidden_{k}": round(p, 3) for k, p in (face.hidden or {}).items()},
    }
