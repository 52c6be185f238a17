"""Frames of video files and webcams, by OpenCV (extra `video`)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.checks import require_whole
from ferturb.base.decode import LONGEST
from ferturb.base.errors import FerturbError
from ferturb.base.installation import install
from ferturb.predict.photos import Photo, photo_of

if TYPE_CHECKING:
    from jaxtyping import UInt8

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ogv")
_FRAMES_PER_SECOND = 25.0
_LARGEST = 8192
_LONGEST_FILM = 30 * 24 * 3600.0
"""Seconds; a time stamp beyond is not believed."""
_LAST_CAMERA = 99
"""OpenCV keeps what comes after for other things than cameras."""
_ENOUGH = 0.9
"""The share of its frames that a file has to give; many only estimate how many they have."""
_SILENT = {"OPENCV_FFMPEG_LOGLEVEL": "-8"}
"""Environment variable -> the level at which nothing is said."""


@dataclass(frozen=True)
class Frame:
    """One picture of a video: its number, from 0, its time, and of how many (None: unknown)."""

    photo: Photo
    number: int
    seconds: float
    frames: int | None


def read_video(source: Path | int, every: int = 1) -> Iterator[Frame]:
    """Each `every`-th frame of a video file, or of the webcam with this number until it ends.

    A file's frames have its own time stamps (where it has none that go forward, they lie a frame
    rate apart); a webcam's have the time at which they came, since it gives as many as are asked
    for. A file that is not a video, one that ends long before it says, and a camera that can't be
    opened raise `FerturbError`.
    """
    require_whole("every", every, 1)
    capture = _open(source)
    try:
        yield from _frames(capture, source, every)
    finally:
        capture.release()


def opencv() -> Any:
    """OpenCV, which says nothing unless it is asked to; `FerturbError` where it isn't installed."""
    for name, silent in _SILENT.items():
        os.environ.setdefault(name, silent)  # FFmpeg's own lines, unless they are asked for
    try:
        import cv2
    except ImportError as error:
        raise FerturbError(f"videos and webcams need OpenCV; {install('video')}") from error
    if "OPENCV_LOG_LEVEL" not in os.environ:
        with contextlib.suppress(AttributeError):  # not every OpenCV can be told to be silent
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def _frames(capture: Any, source: Path | int, every: int) -> Iterator[Frame]:
    import cv2

    webcam = isinstance(source, int)
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if 0.1 <= rate <= 1000 else _FRAMES_PER_SECOND
    promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    number, start, seconds = 0, time.monotonic(), 0.0
    while capture.grab():
        if not webcam and number > 0:
            seconds = _next_time(seconds, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, rate)
        if number % every == 0:
            good, pixels = capture.retrieve()
            if good:
                photo = _photo(np.asarray(pixels))
                came = time.monotonic() - start if webcam else seconds
                yield Frame(photo, number, came, promised if promised > 0 else None)
        number += 1
    if number == 0:
        hint = "is it in use elsewhere?" if webcam else "is the file whole?"
        raise FerturbError(f"{_named(source)} gives no frames; {hint}")
    if not webcam and number < _ENOUGH * promised:
        raise FerturbError(
            f"{source} gives {number} of the {promised} frames that it promises; "
            "the others are missing, damaged or cut out"
        )


def _next_time(last: float, stamp: float, rate: float) -> float:
    """Seconds of a frame: its time stamp, if it lies after the `last` frame's."""
    return stamp if last < stamp < _LONGEST_FILM else last + 1 / rate


def _photo(bgr: UInt8[np.ndarray, "h w 3"]) -> Photo:
    rgb = bgr[..., ::-1] if bgr.ndim == 3 else bgr
    step = -(-max(rgb.shape[:2]) // LONGEST)
    small = photo_of(np.ascontiguousarray(rgb[::step, ::step]))
    return Photo(small.pixels, (rgb.shape[1], rgb.shape[0]))


def _named(source: Path | int) -> str:
    return f"webcam {source}" if isinstance(source, int) else str(source)


def checked(source: object) -> Path | int:
    """What videos are read from: a path, or a camera's number; anything else raises
    `FerturbError`."""
    if isinstance(source, str | os.PathLike):
        return Path(source)
    if isinstance(source, int | np.integer) and not isinstance(source, bool):
        if 0 <= int(source) <= _LAST_CAMERA:
            return int(source)
        raise FerturbError(f"a webcam's number is 0 … {_LAST_CAMERA}, got {source!s:.40}")
    raise FerturbError(
        f"a video is a file's path or a webcam's number, got {type(source).__name__}"
    )


def _open(source: Path | int) -> Any:
    if isinstance(source, Path) and not source.is_file():
        wrong = "is not a file" if source.exists() else "does not exist"
        raise FerturbError(f"{source} {wrong}")
    cv2 = opencv()
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    if not capture.isOpened():
        raise FerturbError(f"{_named(source)} can't be opened as a video")
    sides = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if max(sides) > _LARGEST:
        capture.release()
        raise FerturbError(f"{source} has frames of over {_LARGEST} pixels a side; make it smaller")
    return capture
