"""What a video shows of each person: a summary a track."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ferturb.base.emotions import EMOTIONS
from ferturb.base.tabular import Rows, Tabular
from ferturb.base.text import encodable
from ferturb.predict.results import PhotoPrediction

UNKNOWN = "unknown"
"""What stands for the frames in which the model doesn't know."""
COLUMNS: tuple[str, ...] = (
    *("name", "track", "frames", "first", "last", "most_frequent"),
    *(f"share_{answer}" for answer in (*EMOTIONS, UNKNOWN)),
    *(f"mean_{emotion}" for emotion in EMOTIONS),
    *("model", "head", "version", "threshold"),
)
"""What a row of a table holds."""


@dataclass(frozen=True)
class TrackSummary(Tabular):
    """One person in one video.

    - ``first``, ``last``: seconds of the first and the last frame with the person.
    - ``shares``: the share of the frames with each answer, 0 … 1, the most frequent first.
    - ``probabilities``: their mean over the frames, by emotion.
    """

    name: str
    track: int
    frames: int
    first: float
    last: float
    shares: Mapping[str, float]
    probabilities: Mapping[str, float]
    origin: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            **{"name": encodable(self.name), **self.origin, "track": self.track},
            **{"frames": self.frames, "first": round(self.first, 3), "last": round(self.last, 3)},
            "shares": {answer: round(share, 4) for answer, share in self.shares.items()},
            "probabilities": {e: round(p, 4) for e, p in self.probabilities.items()},
        }

    def row(self) -> dict[str, Any]:
        """As a table has it (`COLUMNS`)."""
        found = self.to_dict()
        shares, means = found.pop("shares"), found.pop("probabilities")
        found["most_frequent"] = next(iter(shares))
        found |= {f"share_{answer}": shares.get(answer, 0.0) for answer in (*EMOTIONS, UNKNOWN)}
        return found | {f"mean_{emotion}": p for emotion, p in means.items()}

    def records(self) -> list[Mapping[str, Any]]:
        """Its one row."""
        return [self.row()]

    def words(self) -> str:
        """In one line: "film.mp4, face 1: 0.00 to 9.60 s, 97 frames: happy 83 %, unknown 17 %"."""
        shares = ", ".join(f"{answer} {100 * share:.0f} %" for answer, share in self.shares.items())
        frames = "1 frame" if self.frames == 1 else f"{self.frames} frames"
        when = f"{self.first:.2f} to {self.last:.2f} s"
        return f"{self.name}, face {self.track}: {when}, {frames}: {shares}"


class Tracks:
    """Gathers the tracks of videos, frame by frame; keeps no frame."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], _Seen] = {}

    def add(self, frame: PhotoPrediction) -> None:
        """Take in the faces of a frame that have a track."""
        for face in frame.faces:
            if face.track is None or frame.seconds is None:
                continue
            fresh = _Seen(frame.seconds, frame.origin())
            seen = self._seen.setdefault((frame.name, face.track), fresh)
            seen.last = frame.seconds
            seen.answers[face.emotion or UNKNOWN] += 1
            for emotion, p in face.probabilities.items():
                seen.total[emotion] += p

    def summaries(self) -> Rows[TrackSummary]:
        """One a track, in the order in which they came."""
        return Rows(seen.summary(*place) for place, seen in self._seen.items())


@dataclass
class _Seen:
    first: float
    origin: Mapping[str, Any]
    last: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    total: dict[str, float] = field(default_factory=lambda: dict.fromkeys(EMOTIONS, 0.0))

    def summary(self, name: str, track: int) -> TrackSummary:
        frames = self.answers.total()
        shares = {answer: n / frames for answer, n in self.answers.most_common()}
        means = {emotion: p / frames for emotion, p in self.total.items()}
        return TrackSummary(name, track, frames, self.first, self.last, shares, means, self.origin)
