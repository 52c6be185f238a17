"""Image files to faces: any mode and size to 48×48 grayscale.

A 48×48 8-bit grayscale file is taken as it is, pixel for pixel. Everything else is turned as
its EXIF orientation says, laid on black where it is transparent, reduced to luma (ITU-R 601-2,
Pillow's ``convert("L")``), cropped to its central square, so that no face is distorted, and
resized with Pillow's antialiased bicubic filter.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from ferturb.base.errors import FerturbError

FACE_SIZE = 48
"""Side of a face in pixels."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
MAX_IMAGE_BYTES = 64 * 2**20
"""Largest image file, in bytes."""
MAX_IMAGE_PIXELS = 100_000_000
"""Largest image, width times height; checked before anything is decoded."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (faces read, faces in all)."""

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # an MPO opens as a JPEG
_CHUNK = 256
_THREADS_FROM_BYTES = 10_000


def decode_face(data: bytes) -> UInt8[np.ndarray, "48 48"]:
    """One image file's bytes as a face, 0 … 255. What can't be decoded raises `FerturbError`."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise FerturbError(
                    f"{image.width}×{image.height} pixels; at most {MAX_IMAGE_PIXELS:,} are read"
                )
            if image.mode == "L" and image.size == (FACE_SIZE, FACE_SIZE) and not _turned(image):
                return np.asarray(image)
            return np.asarray(_fit(_gray(ImageOps.exif_transpose(image))))
    except FerturbError:
        raise
    except UnidentifiedImageError as error:
        raise FerturbError("no image, or one of an unknown format") from error
    except Exception as error:  # a damaged file can make a decoder fail in any way
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise FerturbError(reason) from error


def decode_faces(
    read: Callable[[str], bytes],
    sizes: Mapping[str, int],
    progress: Progress | None = None,
) -> tuple[UInt8[np.ndarray, "n 48 48"], Bool[np.ndarray, " n"], tuple[dict[str, str], ...]]:
    """Read and decode many images: (faces, which could be read, what could not and why).

    `sizes` gives the names and their size in bytes; `read` gives the bytes of one name and may be
    called from several threads (which pay only for larger files than FER2013's). A file that can't
    be read leaves a black face, False in the second result, and ``{"name", "reason"}`` in the
    third.
    """
    names = tuple(sizes)
    faces = np.zeros((len(names), FACE_SIZE, FACE_SIZE), np.uint8)
    readable = np.ones(len(names), bool)
    unreadable: list[dict[str, str]] = []

    def fill(start: int) -> list[dict[str, str]]:
        failed = []
        for i in range(start, min(start + _CHUNK, len(names))):
            try:
                faces[i] = decode_face(read(names[i]))
            except Exception as error:  # the rest of the files must still be read
                readable[i] = False
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                failed.append({"name": names[i], "reason": reason})
        return failed

    starts = range(0, len(names), _CHUNK)
    large = sum(sizes.values()) > _THREADS_FROM_BYTES * len(names)
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
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


def _turned(image: Image.Image) -> bool:
    return "exif" in image.info and image.getexif().get(0x0112, 1) != 1


def _gray(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise FerturbError("pixels are floating-point numbers; save it as an 8-bit image")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.float64)
        scale = 257.0 if image.mode != "I" or wide.max() > 255 else 1.0
        return Image.fromarray((wide / scale).round().clip(0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    return image.convert("L")


def _fit(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = (left, top, left + side, top + side)
    if side == FACE_SIZE:
        return image.crop(square)
    return image.resize((FACE_SIZE, FACE_SIZE), Image.Resampling.BICUBIC, box=square)
