"""Photos from files: any mode and orientation, animated or not, bounded in bytes and pixels.

A file is refused before it is decoded when it has too many bytes or pixels. What is decoded is
turned as its EXIF orientation says, laid on grey where it is transparent, and made smaller when
its longer side is over `LONGEST`: a face of a tenth of that is still six times the network's.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageSequence, UnidentifiedImageError

from ferturb.base.errors import FerturbError

FACE_SIZE = 48
LONGEST = 3000
"""A photo's longer side after reading, in pixels, at most."""
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF")  # MPO is a JPEG
_STILL = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".pgm", ".ppm", ".mpo", ".avif")
SUFFIXES = (*_STILL, ".apng", ".gif", ".webp", ".tif", ".tiff")
"""The suffixes by which photos are picked out of a folder."""


@dataclass(frozen=True)
class Limits:
    """What is read at most. A file over a limit is a one-line error, before it is decoded."""

    bytes: int = 64 * 2**20
    pixels: int = 120_000_000
    """Width times height: 10,000 × 10,000 and some."""
    frames: int = 300
    """Of an animated file; what comes after them is left out."""


LIMITS = Limits()

_ORIENTATION = 0x0112
_T = Image.Transpose
_TURNS = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_270,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_90,
}
"""EXIF orientation -> what turns the picture upright."""
_SIDEWAYS = (_T.TRANSPOSE, _T.ROTATE_270, _T.TRANSVERSE, _T.ROTATE_90)


@dataclass(frozen=True)
class Photo:
    """One decoded picture.

    - ``pixels``: uint8 (h, w, 3), red, green, blue.
    - ``size``: width and height of the picture as it is shown, before it was made smaller.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the picture a pixel of ``pixels`` stands for."""
        return float(self.size[0] / self.pixels.shape[1])


def read_photo(source: Path | bytes, limits: Limits = LIMITS) -> Photo:
    """The photo in a file or in a file's bytes; of an animated file the first frame."""
    return next(read_frames(source, limits))


def read_frames(source: Path | bytes, limits: Limits = LIMITS) -> Iterator[Photo]:
    """Every frame of a file, one for an ordinary photo; `FerturbError` for what can't be read."""
    data = file_bytes(source, limits) if isinstance(source, Path) else _bounded(source, limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check(image, limits)
                size = image.size
                # A JPEG is decoded at an eighth, a quarter or a half where that is enough.
                image.draft(None, (LONGEST, LONGEST))
                yield from _frames(image, limits, size)
    except FerturbError:
        raise
    except Image.DecompressionBombError as error:  # from 179 million pixels on
        raise FerturbError(f"too many pixels; at most {limits.pixels:,} are read") from error
    except UnidentifiedImageError as error:
        raise FerturbError("no image, or one of an unknown format") from error
    except MemoryError as error:
        raise FerturbError("the image needs more memory than there is") from error
    except Exception as error:  # a damaged file can make a decoder fail in any way
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise FerturbError(f"damaged image: {reason}") from error


def photo_of(array: Any) -> Photo:
    """A photo from an array: uint8 (h, w) grayscale, (h, w, 3) RGB or (h, w, 4) RGBA."""
    pixels = np.asarray(array)
    shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if pixels.dtype != np.uint8 or not shaped or 0 in pixels.shape:
        raise FerturbError(
            "a photo is uint8 (height, width), (height, width, 3) or (height, width, 4), got "
            f"{pixels.dtype} {pixels.shape}; convert it first"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    return _photo(Image.fromarray(pixels), (pixels.shape[1], pixels.shape[0]))


def grey(pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """Luma (ITU-R 601-2), as the faces of a dataset are made."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def whole_face(photo: Photo) -> UInt8[np.ndarray, "48 48"]:
    """A photo that is one face: its central square at 48×48, pixel for pixel if it has that size.

    Pillow's antialiased bicubic filter, as datasets are read (`ferturb.data.readers.images`).
    """
    image = Image.fromarray(photo.pixels).convert("L")
    left, top, side = central_square(image.size)
    box = (left, top, left + side, top + side)
    if side == FACE_SIZE:
        return np.asarray(image.crop(box))
    return np.asarray(image.resize((FACE_SIZE, FACE_SIZE), Image.Resampling.BICUBIC, box=box))


def central_square(size: tuple[int, int]) -> tuple[int, int, int]:
    """Left, top and side of the largest square in the middle."""
    side = min(size)
    return (size[0] - side) // 2, (size[1] - side) // 2, side


def file_bytes(path: Path, limits: Limits = LIMITS) -> bytes:
    """A file's bytes; a missing, special, empty or too large file raises `FerturbError`."""
    try:
        if not path.is_file():  # a folder, a device, a pipe that would never end
            raise FerturbError("is no file" if path.exists() else "does not exist")
        with path.open("rb") as file:
            data = file.read(limits.bytes + 1)
    except OSError as error:
        raise FerturbError(f"can't be read: {error.strerror or error}") from error
    return _bounded(data, limits)


def _bounded(data: bytes, limits: Limits) -> bytes:
    if not data:
        raise FerturbError("the file is empty")
    if len(data) > limits.bytes:
        raise FerturbError(f"over {limits.bytes / 2**20:.0f} MiB; make the file smaller")
    return data


def _check(image: Image.Image, limits: Limits) -> None:
    if image.width * image.height > limits.pixels:
        raise FerturbError(
            f"{image.width}×{image.height} pixels; at most {limits.pixels:,} are read"
        )


def _frames(image: Image.Image, limits: Limits, size: tuple[int, int]) -> Iterator[Photo]:
    """`size` is the first frame's before the decoder made it smaller."""
    for i, frame in enumerate(ImageSequence.Iterator(image)):
        if i >= limits.frames:
            return
        if i:
            _check(frame, limits)  # a TIFF's pages have sizes of their own
            size = frame.size
        yield _photo(frame, size)
        if image.format in ("JPEG", "MPO"):  # an MPO's other frames are previews or the other eye
            return


def _photo(image: Image.Image, size: tuple[int, int]) -> Photo:
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    shown = _rgb(_made_smaller(image))
    if turn is not None:
        shown = shown.transpose(turn)
        size = size[::-1] if turn in _SIDEWAYS else size
    return Photo(np.asarray(shown), size)


def _made_smaller(image: Image.Image) -> Image.Image:
    """At most `LONGEST` pixels on the longer side, before any conversion takes memory."""
    factor = LONGEST / max(image.size)
    if factor >= 1:
        return image
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    if image.mode in ("1", "P", "PA") or image.mode.startswith("I;"):
        image = _rgb(image)
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if "transparency" in image.info:
        small.info["transparency"] = image.info["transparency"]
    return small


def _rgb(image: Image.Image) -> Image.Image:
    """RGB, whatever the mode."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _of_deep_grey(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (128, 128, 128, 255))
        return Image.alpha_composite(ground, image).convert("RGB")
    return image.convert("RGB")


def _of_deep_grey(image: Image.Image) -> Image.Image:
    """16 or 32 bits a pixel, or floats: brought to 0 … 255 by what the mode can hold."""
    wide = np.asarray(image).astype(np.float32)
    if not np.isfinite(wide).all():
        wide = np.nan_to_num(wide, nan=0.0, posinf=0.0, neginf=0.0)
    top = float(wide.max(initial=0.0))
    white = 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 else 65535.0
    scaled = wide * np.float32(255.0 / white)
    return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8)).convert("RGB")
