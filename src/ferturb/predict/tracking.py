"""The same faces from frame to frame, and their emotions smoothed over time.

A face of a frame belongs to the track whose last box it overlaps most (intersection over union),
taken greedily from the largest overlap down; a track that is not seen for a while ends. The
probabilities of a track are an exponential moving average with a time constant: what was seen
one time constant ago counts 1/e of what is seen now, so frame rate and dropped frames don't
matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.predict.abstention import answered
from ferturb.predict.geometry import overlap
from ferturb.predict.results import FacePrediction

if TYPE_CHECKING:
    from jaxtyping import Float

_LEAST_OVERLAP = 0.2


@dataclass
class _Track:
    number: int
    box: tuple[float, float, float, float]
    seen: float
    total: Float[np.ndarray, " 7"] = field(default_factory=lambda: np.zeros(len(EMOTIONS)))
    weight: float = 0.0


class Tracker:
    """Numbers and smooths the faces of one video; give it the frames in order."""

    def __init__(
        self, smoothing: float = 0.5, patience: float = 1.0, abstain_below: float = 0.0
    ) -> None:
        """`smoothing` is the time constant and `patience` how long a track lives unseen, both in
        seconds; `smoothing` 0 leaves every frame to itself."""
        if smoothing < 0 or patience < 0:
            raise FerturbError(
                f"smoothing and patience are seconds from 0, got {smoothing} and {patience}"
            )
        self.smoothing, self.patience, self.abstain_below = smoothing, patience, abstain_below
        self._tracks: list[_Track] = []
        self._next = 1

    def update(
        self, faces: tuple[FacePrediction, ...], seconds: float
    ) -> tuple[FacePrediction, ...]:
        """The faces of the frame at `seconds`, with their tracks and smoothed probabilities."""
        self._tracks = [t for t in self._tracks if seconds - t.seen <= self.patience]
        chosen = self._matches(faces)
        return tuple(
            self._followed(face, chosen.get(i) or self._begin(face, seconds), seconds)
            for i, face in enumerate(faces)
        )

    def _matches(self, faces: tuple[FacePrediction, ...]) -> dict[int, _Track]:
        if not faces or not self._tracks:
            return {}
        boxes = np.array([face.box for face in faces], np.float64)
        overlaps = overlap(boxes, np.array([track.box for track in self._tracks], np.float64))
        found: dict[int, _Track] = {}
        taken: set[int] = set()
        for flat in np.argsort(-overlaps, axis=None, kind="stable"):
            i, j = divmod(int(flat), len(self._tracks))
            if overlaps[i, j] < _LEAST_OVERLAP:
                break
            if i not in found and j not in taken:
                found[i] = self._tracks[j]
                taken.add(j)
        return found

    def _begin(self, face: FacePrediction, seconds: float) -> _Track:
        track = _Track(self._next, face.box, seconds)
        self._next += 1
        self._tracks.append(track)
        return track

    def _followed(self, face: FacePrediction, track: _Track, seconds: float) -> FacePrediction:
        now = np.array([face.probabilities[emotion] for emotion in EMOTIONS])
        past = seconds - track.seen
        keep = math.exp(-past / self.smoothing) if self.smoothing > 0 else 0.0
        track.total = keep * track.total + now
        track.weight = keep * track.weight + 1.0
        track.box, track.seen = face.box, seconds
        smooth = track.total / track.weight
        return replace(
            face,
            probabilities=dict(zip(EMOTIONS, map(float, smooth), strict=True)),
            emotion=answered(smooth, face.landmark_confidence, self.abstain_below),
            track=track.number,
        )
