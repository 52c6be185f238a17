"""Which files are looked at: those that are given, and the images in folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferturb.base.errors import FerturbError
from ferturb.base.image_formats import SUFFIXES
from ferturb.predict.video import SUFFIXES as VIDEOS

_NAMED = 3
"""Files of a folder that a note names, at most."""


@dataclass(frozen=True)
class FoundFiles:
    """What is looked at.

    - ``paths``: files as they are given, and the images in folders and their folders, by name.
    - ``notes``: what was passed over in folders, a line each.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


def find_files(paths: str | Path | Iterable[str | Path]) -> FoundFiles:
    """The files behind paths; one path is a list of one.

    A folder that may not be read is given as a path, so that reading it says why. Links to
    folders are not followed, but for those that are given.
    """
    notes: list[str] = []
    hints = {"video": "; give videos by name", "file": ": no image by its suffix"}
    return FoundFiles(tuple(walked(paths_of(paths), SUFFIXES, notes, hints)), tuple(notes))


def walked(
    paths: Iterable[Path], suffixes: Collection[str], notes: list[str], hints: Mapping[str, str]
) -> Iterator[Path]:
    """The files behind paths as they are met, as `find_files` has them, those with these suffixes.

    What is passed over in a folder is said in `notes` once it is walked: a line for videos
    and one for other files, each with its hint.
    """
    for path in paths:
        if not _is_folder(path):
            yield path
            continue
        counts, named = dict.fromkeys(hints, 0), {what: list[str]() for what in hints}
        for found, closed in _inside(path):
            suffix = found.suffix.lower()
            what = "video" if suffix in VIDEOS else "file"
            if closed or suffix in suffixes:
                yield found
            elif what == "video" or not found.name.startswith("."):
                counts[what] += 1
                if counts[what] <= _NAMED:
                    named[what].append(found.relative_to(path).as_posix())
        notes += [
            f"{path}: {_passed_over(what, count, named[what])}{hints[what]}"
            for what, count in counts.items()
            if count
        ]


def paths_of(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """One path or several as a list; anything else raises `FerturbError`."""
    several: Any = [paths] if isinstance(paths, str | os.PathLike) else paths
    if isinstance(several, bytes) or not isinstance(several, Iterable):
        raise FerturbError(f"expected a path or a list of paths, got {type(paths).__name__}")
    listed = list(several)
    for path in listed:
        if not isinstance(path, str | os.PathLike):
            raise FerturbError(
                f"a path is a text or a Path, got {type(path).__name__}; "
                "photos in memory are for Predictor.predict"
            )
    return [Path(path) for path in listed]


def _inside(folder: Path) -> Iterator[tuple[Path, bool]]:
    """The files in a folder and its folders by name, and whether each is a folder that can't be
    read."""
    waiting = [(folder, True)]
    while waiting:
        place, is_folder = waiting.pop()
        if not is_folder:
            yield place, False
            continue
        try:
            with os.scandir(place) as entries:
                inside = [(place / e.name, _kind(e)) for e in entries]
        except OSError:
            yield place, True
            continue
        waiting += sorted(((p, kind == "folder") for p, kind in inside if kind), reverse=True)


def _kind(entry: os.DirEntry[str]) -> str:
    """What it is: folder, file, or "" for what is neither, such as a link that leads nowhere."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "file" if entry.is_file() else ""
    except OSError:  # a link to itself
        return ""


def _is_folder(path: Path) -> bool:
    """Whether it is one, as far as can be told; a name that can't be one's is none's."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _passed_over(what: str, count: int, named: Sequence[str]) -> str:
    shown = ", ".join(named) + (", …" if count > len(named) else "")
    return f"{f'1 {what} was' if count == 1 else f'{count} {what}s were'} passed over ({shown})"
