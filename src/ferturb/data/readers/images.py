"""Image files to faces: any mode and size to a raster, 48×48 in grey unless said otherwise.

A file of that size and mode is taken as it is, pixel for pixel. Everything else is read as a photo
is for prediction (`ferturb.base.decode`): upright, on grey where it is transparent, as luma (or
RGB), its central square resized.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, UInt8

from ferturb.base.decode import Limits, decode, face_of
from ferturb.base.errors import first_line
from ferturb.base.raster import FACE_SIZE as FACE_SIZE
from ferturb.base.raster import PLAIN, Raster
from ferturb.data.memory import room

LIMITS = Limits(frames=1)
MAX_IMAGE_BYTES = LIMITS.bytes

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (faces read, faces in all)."""

_CHUNK = 256
_THREADS_FROM_BYTES = 10_000


def decode_face(
    data: bytes, raster: Raster = PLAIN, limits: Limits = LIMITS
) -> UInt8[np.ndarray, "*c s s"]:
    """One image file's bytes as a face, 0 … 255. What can't be decoded raises `FerturbError`."""
    return face_of(next(decode(data, limits)).image, raster)


def decode_faces(
    read: Callable[[str], Any],
    sizes: Mapping[str, int],
    progress: Progress | None = None,
    face: Callable[[Any, Raster], UInt8[np.ndarray, "*c s s"]] = decode_face,
    raster: Raster = PLAIN,
) -> tuple[UInt8[np.ndarray, "n *c s s"], Bool[np.ndarray, " n"], tuple[dict[str, str], ...]]:
    """Read and decode many images: (faces, which could be read, what could not and why).

    `sizes` gives the names and their size in bytes; `read` gives the bytes of one name (or
    whatever `face` makes a face of) and may be called from several threads (which pay only for
    larger files than FER2013's). A file that can't be read leaves a black face, False in the
    second result, and ``{"name", "reason"}`` in the third.
    """
    names = tuple(sizes)
    faces = room((len(names), *raster.shape))
    readable = np.ones(len(names), bool)
    unreadable: list[dict[str, str]] = []

    def fill(start: int) -> list[dict[str, str]]:
        failed = []
        for i in range(start, min(start + _CHUNK, len(names))):
            try:
                faces[i] = face(read(names[i]), raster)
            except Exception as error:  # the rest of the files must still be read
                readable[i] = False
                failed.append({"name": names[i], "reason": first_line(error)})
        return failed

    starts = range(0, len(names), _CHUNK)
    large = sum(sizes.values()) > _THREADS_FROM_BYTES * len(names)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        done = pool.map(fill, starts) if large else map(fill, starts)
        for start, failed in zip(starts, done, strict=True):
            unreadable.extend(failed)
            if progress is not None:
                progress(min(start + _CHUNK, len(names)), len(names))
    return faces, readable, tuple(unreadable)


def unreadable_note(unreadable: Sequence[dict[str, str]]) -> str:
    """One line that names the files left out because they can't be read (the first five)."""
    shown = "; ".join(f"{item['name']} ({item['reason']})" for item in unreadable[:5])
    more = f"; and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
    noun = "file" if len(unreadable) == 1 else "files"
    return f"{len(unreadable)} unreadable {noun} left out: {shown}{more}"
