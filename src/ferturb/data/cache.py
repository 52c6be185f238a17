"""The cache of read sources: one file a source, in a folder of the user's.

A cached file is used only when the source still is what it was (path, sizes, times, and the
version of the readers) and the file has the checksum it was written with. Anything else is read
and written anew. A folder that can't be written only means that nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ferturb.base.errors import FerturbError
from ferturb.base.image_formats import readable_formats
from ferturb.base.storage import cache_folder as cache_folder
from ferturb.base.storage import sources_version
from ferturb.data.faces import Faces
from ferturb.data.readers.source_tree import walk_files

BUILT_ON = (
    "ferturb.base.cells",
    "ferturb.base.decode",
    "ferturb.base.emotions",
    "ferturb.base.image_formats",
    "ferturb.base.pixels",
    "ferturb.base.raster",
    "ferturb.base.shrinking",
)
"""The programs of `ferturb.base` that pixels and labels come from, whatever makes faces of them."""
READ_BY = (
    *BUILT_ON,
    "ferturb.data.faces",
    "ferturb.data.memory",
    "ferturb.data.readers",
    "ferturb.data.splits",
    "ferturb.data.vocabulary",
)
"""The programs that turn a source into faces."""
_KEY = "cache"


def signature(path: Path) -> str:
    """What a source is now: a hash of its absolute path, sizes, modification times and readers.

    For a folder these are those of every file below it.
    """
    readers = f"{sources_version(*READ_BY)} {','.join(readable_formats())}"
    digest = hashlib.sha256(f"{readers} {path.resolve()}\n".encode("utf-8", "surrogateescape"))
    try:
        if path.is_dir():
            files, folders, notes = walk_files(path)
            lines = [f"{n} {s.st_size} {s.st_mtime_ns}" for n, s in sorted(files.items())]
            text = "\n".join([*lines, *sorted(folders), *notes])
            digest.update(text.encode("utf-8", "surrogateescape"))
        else:
            stat = path.stat()
            digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    except OSError as error:
        raise FerturbError(f"can't read {path}: {error.strerror or error}") from error
    return digest.hexdigest()


def cached(name: str, key: str, read: Callable[[], Faces]) -> Faces:
    """`read()`, or what it gave the last time it was called for this `name` and `key`.

    `name` says which source it is (one file in the cache each), `key` what it is now.
    """
    short = re.sub(r"[^A-Za-z0-9._-]", "_", Path(name).name)[:40] or "source"
    file = f"{short}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"
    path = cache_folder() / f"{file}.safetensors"
    found = _load(path, key)
    if found is not None:
        return found
    faces = read()
    entry = {"key": key}
    with contextlib.suppress(FerturbError):  # a cache that can't be written is only slow
        replace(faces, info={**faces.info, _KEY: entry}).save(path)
    return faces


def _load(path: Path, key: str) -> Faces | None:
    try:
        faces = Faces.load(path)
    except FerturbError:
        return None
    if faces.info.get(_KEY) != {"key": key}:
        return None
    return replace(faces, info={k: v for k, v in faces.info.items() if k != _KEY})
