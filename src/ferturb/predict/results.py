"""What a predictor finds in a photo and in each face of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.tabular import Rows, Tabular, frame
from ferturb.base.text import encodable
from ferturb.predict.photos import Photo

if TYPE_CHECKING:
    from jaxtyping import Float32, UInt8


@dataclass(frozen=True)
class FacePrediction(Tabular):
    """One face of a photo.

    - ``box``: left, top, right, bottom in the photo's pixels, as it is shown; (0, 0, width,
      height) is the whole photo. The box may reach beyond the photo's edge.
    - ``landmarks``: float32 (108, 2), x and y in the photo's pixels (`ferturb.features.points`).
    - ``face``: uint8 (48, 48), what the classifier saw.
    """

    box: tuple[float, float, float, float]
    score: float
    """How sure the detector is, 0 … 1; 1 where the photo was given as a face."""
    landmarks: Float32[np.ndarray, "p 2"] = field(repr=False)
    landmark_confidence: float
    """The probability that the landmarks are right, 0 … 1."""
    probabilities: Mapping[str, float]
    """Calibrated, by emotion; they add up to 1."""
    emotion: str | None
    """The most probable emotion, or None: the predictor doesn't know."""
    hidden: Mapping[str, float] | None
    """The probability that each facial feature can't be seen; None without an estimate."""
    face: UInt8[np.ndarray, "48 48"] = field(repr=False)
    track: int | None = None
    """In a video, which person: the same number from frame to frame."""

    @property
    def confidence(self) -> float:
        """The largest of the probabilities."""
        return max(self.probabilities.values())

    @property
    def most_probable(self) -> str:
        """The most probable emotion, sure or not."""
        return max(self.probabilities, key=lambda emotion: self.probabilities[emotion])

    def records(self) -> list[Mapping[str, Any]]:
        """Its one row, with those columns of `tabular.COLUMNS` that are of a face."""
        from ferturb.predict.tabular import row_of

        return [row_of(self)]

    def to_dict(self, landmarks: bool = False) -> dict[str, Any]:
        """As JSON keeps it."""
        hidden = None if self.hidden is None else {k: round(v, 3) for k, v in self.hidden.items()}
        found: dict[str, Any] = {
            "box": [round(v, 1) for v in self.box],
            "score": round(self.score, 4),
            "emotion": self.emotion,
            "most_probable": self.most_probable,
            "confidence": round(self.confidence, 4),
            "probabilities": {k: round(v, 4) for k, v in self.probabilities.items()},
            "landmark_confidence": round(self.landmark_confidence, 4),
            "hidden": hidden,
        }
        if self.track is not None:
            found["track"] = self.track
        if landmarks:
            found["landmarks"] = self.landmarks.round(2).tolist()
        return found


@dataclass(frozen=True)
class PhotoPrediction(Tabular):
    """One photo, or one frame: its faces, as one reads (rows from top to bottom, each from left to
    right), or why it could not be read."""

    name: str
    size: tuple[int, int] | None = None
    """Width and height in pixels; None if it could not be read."""
    faces: tuple[FacePrediction, ...] = ()
    error: str | None = None
    """Why the photo could not be read, or its annotated copy not written."""
    frame: int | None = None
    """Of an animation or a video, from 0."""
    seconds: float | None = None
    """Where in a video."""
    photo: Photo | None = field(default=None, repr=False)
    """The photo itself, if it was to be kept."""
    model: str | None = None
    """The model's name."""
    head: str | None = None
    """Which of its heads answered: `votes` or `label`."""
    threshold: float | None = None
    """The probability from which the model answers."""

    def numbered(self) -> list[tuple[int, FacePrediction]]:
        """The faces with their numbers: from 1, as one reads, or a video's tracks."""
        return [(face.track or i, face) for i, face in enumerate(self.faces, 1)]

    def origin(self) -> dict[str, Any]:
        """Model, head, ferturb's version, and threshold, as JSON keeps them; empty without a
        model."""
        if self.model is None:
            return {}
        from ferturb import __version__

        return {
            "model": self.model,
            "head": self.head,
            "version": __version__,
            "threshold": round(self.threshold or 0.0, 4),
        }

    def records(self) -> list[dict[str, Any]]:
        """A row a face, or one without any (`tabular.COLUMNS`)."""
        from ferturb.predict.tabular import rows_of

        return rows_of(self)

    def to_dict(self, landmarks: bool = False) -> dict[str, Any]:
        """As JSON keeps it."""
        found: dict[str, Any] = {"name": encodable(self.name), **self.origin()}
        if self.error is not None:
            found["error"] = encodable(self.error)
        if self.error is not None and self.size is None:
            return found
        if self.frame is not None:
            found["frame"] = self.frame
        if self.seconds is not None:
            found["seconds"] = round(self.seconds, 3)
        faces = [{"face": i, **face.to_dict(landmarks)} for i, face in enumerate(self.faces, 1)]
        return found | {"size": list(self.size or ()), "faces": faces}


class Predictions(Rows[PhotoPrediction]):
    """Photos and frames in order, as a list, and as a table."""

    def to_pandas(self) -> Any:
        """A DataFrame with a row a face, and one for a photo without any (`tabular.COLUMNS`).

        Without pandas it raises `FerturbError`.
        """
        from ferturb.predict.tabular import COLUMNS

        return frame(self.records(), COLUMNS)
