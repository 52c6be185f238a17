"""Where the annotated copy of a photo is written: never over anything but an earlier copy of it.

A copy keeps its photo's format, where that can be written, and carries a mark of the photo it
shows (`ferturb.predict.marked_files`). A file that is there and has not this mark (an original, or
another photo's copy) is left alone, and the copy gets a longer name. So names are distinct
whatever the photos are called, on any file system, and a second run replaces its own copies.
"""

from __future__ import annotations

import hashlib
import os
from itertools import count
from pathlib import Path

from ferturb.base.errors import FerturbError
from ferturb.predict.marked_files import carries, suffix_of

_LONGEST = 100
"""Bytes of a name's stem at most; file systems take 255, some 143, and more is added to it."""
_FORBIDDEN = '<>:"/\\|?*'
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
_DEVICES |= {f"{port}{i}" for port in ("com", "lpt") for i in "0123456789¹²³"}
"""What Windows keeps for itself, whatever the suffix."""


def mark_of(name: str, frame: int | None) -> str:
    """What tells the copies of two photos or frames apart."""
    place = os.path.abspath(name)  # noqa: PTH100 (a name need not be a path that exists)
    return hashlib.sha256(os.fsencode(f"{place}\0{frame}")).hexdigest()[:16]


def stem_of(name: str) -> str:
    """A photo's name, with its folders, as one that any file system takes.

    >>> stem_of("holiday/a.jpg"), stem_of("../../etc/x.png"), stem_of("/CON.jpg"), stem_of("?:.gif")
    ('holiday_a', 'etc_x', '_CON', '__')
    """
    path = Path(name)
    parts = [part for part in (*path.parent.parts, path.stem) if part.strip("./\\")]
    plain = "".join(
        c if c.isprintable() and c not in _FORBIDDEN else "_" for c in "_".join(parts)
    ).strip(" .")
    stem = plain.encode("utf-8")[-_LONGEST:].decode("utf-8", "ignore").strip(" .") or "photo"
    return f"_{stem}" if stem.partition(".")[0].strip().lower() in _DEVICES else stem


def output_path(folder: Path, name: str, frame: int | None = None, film: bool = False) -> Path:
    """The file in a folder for the annotated copy of a photo, a frame or, as a `film`, a video."""
    if folder.exists() and not folder.is_dir():
        raise FerturbError(f"{folder} is not a folder; give one to write annotated copies into")
    stem, mark, suffix = stem_of(name), mark_of(name, frame), suffix_of(name, film)
    number = "" if frame is None else f"_{frame:06d}"
    for attempt in count():
        more = ("", f"-{mark[:8]}", f"-{mark}")[attempt] if attempt < 3 else f"-{mark}-{attempt}"
        path = folder / f"{stem}{more}{number}{suffix}"
        if not os.path.lexists(path) or carries(path, mark):
            return path
    raise AssertionError
