"""Frames of video files and webcams, by OpenCV (extra `video`)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.decode import LONGEST
from ferturb.base.errors import FerturbError
from ferturb.predict.photos import Photo, photo_of

if TYPE_CHECKING:
    from jaxtyping import UInt8

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ogv")
_FRAMES_PER_SECOND = 25.0
_LARGEST = 8192


@dataclass(frozen=True)
class Frame:
    """One picture of a video: its number, from 0, its time, and of how many (None: unknown)."""

    photo: Photo
    number: int
    seconds: float
    frames: int | None


def read_video(source: Path | int, every: int = 1) -> Iterator[Frame]:
    """Each `every`-th frame of a video file, or of the webcam with this number until it ends.

    A file's frames lie a frame rate apart; a webcam's have the time at which they came, since it
    gives as many as are asked for.
    A file that is not a video, and a camera that can't be opened, raise `FerturbError`.
    """
    if every < 1:
        raise FerturbError(f"every is how many frames to go on by, from 1, got {every}")
    capture = _open(source)
    try:
        yield from _frames(capture, source, every)
    finally:
        capture.release()


def _frames(capture: Any, source: Path | int, every: int) -> Iterator[Frame]:
    import cv2

    webcam = isinstance(source, int)
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if 0.1 <= rate <= 1000 else _FRAMES_PER_SECOND
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    number, start = 0, time.monotonic()
    while capture.grab():
        if number % every == 0:
            good, pixels = capture.retrieve()
            if good:
                photo = _photo(np.asarray(pixels))
                seconds = time.monotonic() - start if webcam else number / rate
                yield Frame(photo, number, seconds, count if count > 0 else None)
        number += 1
    if number == 0:
        hint = "is it in use elsewhere?" if webcam else "is the file whole?"
        raise FerturbError(f"{_named(source)} gives no frames; {hint}")


def _photo(bgr: UInt8[np.ndarray, "h w 3"]) -> Photo:
    rgb = bgr[..., ::-1] if bgr.ndim == 3 else bgr
    step = -(-max(rgb.shape[:2]) // LONGEST)
    small = photo_of(np.ascontiguousarray(rgb[::step, ::step]))
    return Photo(small.pixels, (rgb.shape[1], rgb.shape[0]))


def _named(source: Path | int) -> str:
    return f"webcam {source}" if isinstance(source, int) else str(source)


def _open(source: Path | int) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise FerturbError(
            "videos and webcams need OpenCV; pip install 'ferturb[video]'"
        ) from error
    if isinstance(source, Path) and not source.is_file():
        raise FerturbError(f"{source} does not exist")
    with contextlib.suppress(AttributeError):  # not every OpenCV can be told to be silent
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    if not capture.isOpened():
        raise FerturbError(f"{_named(source)} can't be opened as a video")
    sides = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if max(sides) > _LARGEST:
        capture.release()
        raise FerturbError(f"{source}: frames of over {_LARGEST} pixels a side are not read")
    return capture
