"""How photos and videos are looked at."""

from __future__ import annotations

from dataclasses import dataclass

from ferturb.base.checks import require_number, require_whole

_LONGEST = 3600.0


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

    def __post_init__(self) -> None:
        """`FerturbError` for numbers that make no sense."""
        require_whole("every", self.every, 1, 10**9)
        require_number("smoothing", self.smoothing, 0.0, _LONGEST)


READING = Reading()
"""Photos whose faces are to be found, and all frames of videos."""
