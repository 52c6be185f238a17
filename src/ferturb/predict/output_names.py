"""Where the annotated copy of a photo is written: never over anything but an earlier copy of it.

A copy is a PNG that carries a mark of the photo it shows. A file that is there and has not this
mark (an original, or another photo's copy) is left alone, and the copy gets a longer name. So
names are distinct whatever the photos are called, on any file system, and a second run replaces
its own copies.
"""

from __future__ import annotations

import hashlib
import os
from itertools import count
from pathlib import Path

from PIL import Image

from ferturb.base.errors import FerturbError

MARK = "ferturb"
"""The key of a copy's text chunk; its value is `mark_of` the photo."""
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


def output_path(folder: Path, name: str, frame: int | None = None) -> Path:
    """The file in a folder for the annotated copy of a photo or frame."""
    if folder.exists() and not folder.is_dir():
        raise FerturbError(f"{folder} is not a folder; give one to write annotated copies into")
    stem, mark = stem_of(name), mark_of(name, frame)
    number = "" if frame is None else f"_{frame:06d}"
    for attempt in count():
        more = ("", f"-{mark[:8]}", f"-{mark}")[attempt] if attempt < 3 else f"-{mark}-{attempt}"
        path = folder / f"{stem}{more}{number}.png"
        if not os.path.lexists(path) or _carries(path, mark):
            return path
    raise AssertionError


def _carries(path: Path, mark: str) -> bool:
    """Whether a file is an earlier copy of the same photo."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.info.get(MARK) == mark
    except Exception:  # a damaged file can make a decoder fail in any way
        return False
