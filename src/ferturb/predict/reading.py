"""How photos and videos are looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """How photos and videos are looked at."""

    cropped: bool = False
    """Each image is one face already; none is dropped."""
    frames: bool = False
    """Every frame of animated files, in place of the first."""
    every: int = 1
    """Of a video, look at every N-th frame."""
    smoothing: float = 0.5
    """Of a video, the seconds over which a face's emotions are averaged."""


READING = Reading()
"""Photos whose faces are to be found, and all frames of videos."""
