"""Which files are looked at: those that are given, and the images in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
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
    found: list[Path] = []
    notes: list[str] = []
    for path in paths_of(paths):
        if not path.is_dir():
            found.append(path)
            continue
        inside, closed = _walked(path)
        images = {p for p in inside if p.suffix.lower() in SUFFIXES}
        videos = {p for p in inside if p.suffix.lower() in VIDEOS}
        others = {p for p in inside - images - videos if not p.name.startswith(".")}
        found += sorted(images | closed)
        notes += _passed_over(path, videos, "video", "; give videos by name")
        notes += _passed_over(path, others, "file", ": no image by its suffix")
    return FoundFiles(tuple(found), tuple(notes))


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


def _walked(folder: Path) -> tuple[set[Path], set[Path]]:
    """The files in a folder and its folders, and the folders that can't be read."""
    files, closed, waiting = set(), set(), [folder]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(place / entry.name)
                    elif entry.is_file():
                        files.add(place / entry.name)
        except OSError:
            closed.add(place)
    return files, closed


def _passed_over(folder: Path, files: set[Path], what: str, hint: str) -> list[str]:
    if not files:
        return []
    names = sorted(p.relative_to(folder).as_posix() for p in files)
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    count = f"1 {what} was" if len(names) == 1 else f"{len(names)} {what}s were"
    return [f"{folder}: {count} passed over ({shown}){hint}"]
