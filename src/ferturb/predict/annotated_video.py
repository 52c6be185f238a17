"""Annotated copies, written as predictions come: a file a photo, and one video for a video.

A video's copy is an MP4 with the best codec that OpenCV can write (`marked_files.FILMS`), an AVI's
an AVI. It has one frame rate, that of its first two frames; frames stand for as long as they do in
the original, by their time stamps, and a gap of more than ten seconds is cut to ten.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.errors import FerturbError
from ferturb.base.leftovers import temporary_path
from ferturb.base.storage import require_file, writing
from ferturb.predict.annotation import annotated, write_annotated
from ferturb.predict.marked_files import FILMS, mark_film
from ferturb.predict.output_names import mark_of, output_path
from ferturb.predict.results import PhotoPrediction
from ferturb.predict.video import SUFFIXES, opencv

if TYPE_CHECKING:
    from jaxtyping import UInt8

_SLOWEST, _FASTEST = 0.1, 120.0
_LONGEST_GAP = 10.0


class AnnotatedCopies:
    """Writes what it is given into a folder; close it, or use it in a `with` statement."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._given_up: set[str] = set()
        self._film: _Film | None = None

    def __enter__(self) -> AnnotatedCopies:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self, prediction: PhotoPrediction) -> None:
        """Write a photo's copy, or a video's next frame; what was not kept is passed over.

        What goes wrong raises `FerturbError`, of a video once.
        """
        if self._film is not None and self._film.name != prediction.name:
            self.close()
        if prediction.photo is None or prediction.name in self._given_up:
            return
        if prediction.seconds is None or Path(prediction.name).suffix.lower() not in SUFFIXES:
            write_annotated(prediction, self._folder)
            return
        try:
            if self._film is None:
                self._film = _Film(self._folder, prediction.name)
            self._film.add(annotated(prediction.photo, prediction), prediction.seconds)
        except FerturbError:
            self._given_up.add(prediction.name)
            self._film = None
            raise

    def close(self) -> None:
        """Finish the video that is being written."""
        film, self._film = self._film, None
        if film is not None:
            film.close()


class _Film:
    """One video that is being written: into a temporary folder, and moved from there at the end."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self._path = name, output_path(folder, name, film=True)
        with writing(self._path):
            require_file(self._path)
            folder.mkdir(parents=True, exist_ok=True)
            self._place = temporary_path(folder)
            self._place.mkdir()
        self._last: tuple[UInt8[np.ndarray, "h w 3"], float] | None = None
        self._writer: Any = None
        self._rate, self._due, self._written = 1.0, 0.0, 0

    @property
    def _file(self) -> Path:
        return self._place / f"film{self._path.suffix}"

    def add(self, pixels: UInt8[np.ndarray, "h w 3"], seconds: float) -> None:
        """The next frame, and when it is shown."""
        if self._last is not None:
            shown = seconds - self._last[1]
            if self._writer is None:
                self._open(min(max(1 / max(shown, 1e-6), _SLOWEST), _FASTEST))
            self._show(min(shown, _LONGEST_GAP))
        self._last = pixels, seconds

    def close(self) -> None:
        """Write the last frame and put the file in its place."""
        try:
            if self._writer is None:
                self._open(1.0)
            self._show(1 / self._rate)
            self._writer.release()
            with writing(self._path):
                mark_film(self._file, mark_of(self.name, None))
                self._file.replace(self._path)
        finally:
            self._remove()

    def _open(self, rate: float) -> None:
        cv2 = opencv()
        assert self._last is not None
        high, wide = self._last[0].shape[:2]
        size = wide // 2 * 2, high // 2 * 2  # codecs take even sides
        self._rate = rate
        for name in FILMS[self._path.suffix]:
            codec = cv2.VideoWriter.fourcc(*name)
            self._writer = cv2.VideoWriter(str(self._file), codec, rate, size)
            if self._writer.isOpened():
                break
        else:
            self._remove()
            raise FerturbError(f"this OpenCV can't write {self._path.suffix} videos; give photos")

    def _show(self, seconds: float) -> None:
        """Write the last frame as often as it takes to fill the time."""
        assert self._last is not None
        pixels = self._last[0]
        high, wide = (side // 2 * 2 for side in pixels.shape[:2])
        self._due += seconds * self._rate
        while self._written < round(self._due):
            self._writer.write(np.ascontiguousarray(pixels[:high, :wide, ::-1]))
            self._written += 1

    def _remove(self) -> None:
        with contextlib.suppress(Exception):
            self._writer.release()
        shutil.rmtree(self._place, ignore_errors=True)
