"""Predictions as they come: shown in words or in a format for scripts, and their copies written."""

from __future__ import annotations

import contextlib
import csv as csv_format
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferturb.base.errors import FerturbError

if TYPE_CHECKING:
    from ferturb.predict.annotated_video import AnnotatedCopies
    from ferturb.predict.results import PhotoPrediction


@dataclass(frozen=True)
class Shown:
    """What is shown and written of the predictions."""

    json: bool = False
    """Print a JSON list, one entry a photo or frame."""
    jsonl: bool = False
    """Print JSON Lines, the same entries one a line, for streams."""
    csv: bool = False
    """Print CSV, one row a face."""
    tracks: bool = False
    """Of videos, a summary a person in place of the frames; in JSON and CSV of them alone."""
    landmarks: bool = False
    """Also put the 108 landmarks of each face into the JSON."""
    annotate: Path | None = None
    """A folder for copies with boxes, landmarks and emotions drawn on them. Photos and frames stay
    JPEG, PNG, WebP, TIFF, BMP, GIF (in 256 colours) or AVIF; others become PNG. A video becomes an
    MP4 in H.264, or else VP9, or else MPEG-4 part 2 (which browsers don't play), by what OpenCV can
    write; an AVI stays one, in Motion JPEG."""
    quiet: bool = False
    """Say nothing but results and errors."""

    def check(self) -> None:
        """`FerturbError` for what contradicts itself."""
        if self.json + self.jsonl + self.csv > 1:
            raise FerturbError("results have one form; give one of --json, --jsonl and --csv")


class Told:
    """The same predictions as they come; copies are written, errors said at once and counted."""

    def __init__(self, photos: Iterable[PhotoPrediction], copies: AnnotatedCopies | None) -> None:
        self.photos, self.copies = photos, copies
        self.failed: set[str] = set()
        self.good: set[str] = set()

    def __iter__(self) -> Iterator[PhotoPrediction]:
        for photo in self.photos:
            if self.copies is not None:
                try:
                    self.copies.write(photo)
                except FerturbError as error:
                    photo = replace(photo, error=str(error))
            if photo.error is not None:
                self.fail(photo.name, photo.error)
            else:
                self.good.add(photo.name)
            yield photo

    def fail(self, name: str, error: str) -> None:
        """Say what went wrong, and of what."""
        from ferturb.cli import terminal

        terminal.error(f"{name}: {error}")
        self.failed.add(name)

    @property
    def exit_code(self) -> int:
        """0 where all went well, 1 where something failed, 2 where nothing went well."""
        return 2 if not self.good else int(bool(self.failed))


@contextlib.contextmanager
def told(
    photos: Iterable[PhotoPrediction],
    annotate: Path | None,
    files: int,
    progress: Callable[[int, int], None],
) -> Iterator[Told]:
    """`Told` with a progress bar over the files, whose last copy is finished on leaving."""
    copies = None
    if annotate is not None:
        from ferturb.predict.annotated_video import AnnotatedCopies

        copies = AnnotatedCopies(annotate)
    found = Told(_counted(photos, files, progress), copies)
    try:
        yield found
    finally:
        if copies is not None:
            try:
                copies.close()
            except FerturbError as error:
                found.fail(str(annotate), str(error))


def _counted(
    photos: Iterable[PhotoPrediction], files: int, progress: Callable[[int, int], None]
) -> Iterator[PhotoPrediction]:
    seen: set[str] = set()
    for photo in photos:
        seen.add(photo.name)
        progress(len(seen), files)
        yield photo


def show(photos: Iterable[PhotoPrediction], shown: Shown) -> None:
    """Print every prediction as it comes, and of videos what they show of each person."""
    if shown.json:
        _print_json(_entries(photos, shown))
    elif shown.jsonl:
        from ferturb.cli import terminal

        for entry in _entries(photos, shown):
            sys.stdout.write(terminal.json_text(entry) + "\n")
            sys.stdout.flush()
    elif shown.csv:
        _print_csv(photos, shown)
    else:
        _print_words(photos, shown)


def _print_words(photos: Iterable[PhotoPrediction], shown: Shown) -> None:
    from ferturb.cli import terminal
    from ferturb.predict.annotation import lines
    from ferturb.predict.tracks import Tracks

    tracks = Tracks()
    try:
        for photo in photos:
            tracks.add(photo)
            if photo.size is not None and not (shown.tracks and photo.seconds is not None):
                for text in lines(replace(photo, error=None)):
                    terminal.line(text)
    finally:  # a webcam is watched until Ctrl-C
        for track in tracks.summaries():
            terminal.line(track.words())


def _entries(photos: Iterable[PhotoPrediction], shown: Shown) -> Iterator[dict[str, Any]]:
    """What JSON has of the predictions, in order."""
    if not shown.tracks:
        for photo in photos:
            yield photo.to_dict(shown.landmarks)
        return
    for track in _summarised(photos):
        yield track.to_dict()


def _summarised(photos: Iterable[PhotoPrediction]) -> Iterator[Any]:
    """The tracks of all videos, at their end, and after Ctrl-C."""
    from ferturb.predict.tracks import Tracks

    tracks = Tracks()
    try:
        for photo in photos:
            tracks.add(photo)
    except KeyboardInterrupt:
        yield from tracks.summaries()
        raise
    yield from tracks.summaries()


def _print_json(entries: Iterable[dict[str, Any]]) -> None:
    """A JSON list that is written as it grows, so that a long one can be read along.

    It is whole however the predictions end.
    """
    from ferturb.cli import terminal

    start = "["
    try:
        for entry in entries:
            sys.stdout.write(f"{start}\n {terminal.json_text(entry)}")
            sys.stdout.flush()
            start = ","
    finally:
        sys.stdout.write("\n]\n" if start == "," else "[]\n")


def _print_csv(photos: Iterable[PhotoPrediction], shown: Shown) -> None:
    from ferturb.predict import tabular, tracks

    columns = tracks.COLUMNS if shown.tracks else tabular.COLUMNS
    writer = csv_format.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    if shown.tracks:
        writer.writerows(track.row() for track in _summarised(photos))
        return
    for photo in photos:
        writer.writerows(tabular.rows_of(photo))
        sys.stdout.flush()
