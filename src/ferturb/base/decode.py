"""Image files to pictures: the one decoder, for training and for prediction.

Any mode comes out as 8-bit grey or RGB: turned as its EXIF orientation says, laid on grey where it
is transparent, 16 bits scaled to 8. A picture is refused before it is decoded when it has too many
bytes or pixels, and made smaller when its longer side is over `LONGEST`: a face of a tenth of that
is still six times the network's.

The ground is grey since it has to serve both: black, or white, would be the strongest edge of many
faces that were cut out by hand, and this grey is the mean that the classifier subtracts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from ferturb.base.errors import FerturbError, first_line
from ferturb.base.image_formats import START, readable_formats, unread
from ferturb.base.image_formats import SUFFIXES as SUFFIXES

if TYPE_CHECKING:
    from jaxtyping import UInt8

FACE_SIZE = 48
"""Side of a face in pixels."""
LONGEST = 3000
"""A picture's longer side after decoding, in pixels, at most."""


@dataclass(frozen=True)
class Limits:
    """What is read at most. A file over a limit is a one-line error, before it is decoded."""

    bytes: int = 64 * 2**20
    pixels: int = 120_000_000
    """Width times height: 10,000 × 10,000 and some."""
    frames: int = 300
    """Of an animated file; what comes after them is left out."""


LIMITS = Limits()

_GROUND = (128, 128, 128, 255)
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
class Picture:
    """One decoded picture, upright.

    - ``image``: of mode L or RGB.
    - ``size``: width and height of the picture as it is shown, before it was made smaller.
    """

    image: Image.Image
    size: tuple[int, int]


def decode(data: bytes, limits: Limits = LIMITS) -> Iterator[Picture]:
    """Every frame of an image file, one for an ordinary photo.

    What can't be read raises `FerturbError`, in a damaged file after the frames before the damage.
    """
    if not data:
        raise FerturbError("the file is empty")
    if len(data) > limits.bytes:
        raise FerturbError(f"over {limits.bytes / 2**20:.0f} MiB; make the file smaller")
    try:
        with Image.open(io.BytesIO(data), formats=readable_formats()) as image:
            _check(image, limits)
            size = image.size
            if max(size) > LONGEST:  # a JPEG at an eighth, a quarter or a half, if that is enough
                image.draft(None, (LONGEST, LONGEST))
            yield from _frames(image, limits, size)
    except FerturbError:
        raise
    except Image.DecompressionBombError as error:  # from 179 million pixels on
        raise FerturbError(f"too many pixels; at most {limits.pixels:,} are read") from error
    except UnidentifiedImageError as error:
        raise FerturbError(unread(data[:START])) from error
    except MemoryError as error:
        raise FerturbError("the image needs more memory than there is") from error
    except Exception as error:  # a damaged file can make a decoder fail in any way
        raise FerturbError(f"damaged image: {first_line(error)}") from error


def upright(image: Image.Image, size: tuple[int, int]) -> Picture:
    """An open image of any mode as a picture; `size` is its own before it was made smaller."""
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    shown = _plain(_made_smaller(image))
    if turn is not None:
        shown = shown.transpose(turn)
        size = size[::-1] if turn in _SIDEWAYS else size
    return Picture(shown, size)


def face_of(image: Image.Image) -> UInt8[np.ndarray, "48 48"]:
    """A picture that is one face: its central square at 48×48, so that no face is distorted.

    Luma (ITU-R 601-2), pixel for pixel where the square has that size, else resized with Pillow's
    antialiased bicubic filter.
    """
    grey = image if image.mode == "L" else image.convert("L")
    if grey.size == (FACE_SIZE, FACE_SIZE):
        return np.asarray(grey)
    left, top, side = central_square(grey.size)
    box = (left, top, left + side, top + side)
    if side == FACE_SIZE:
        return np.asarray(grey.crop(box))
    return np.asarray(grey.resize((FACE_SIZE, FACE_SIZE), Image.Resampling.BICUBIC, box=box))


def central_square(size: tuple[int, int]) -> tuple[int, int, int]:
    """Left, top and side of the largest square in the middle."""
    side = min(size)
    return (size[0] - side) // 2, (size[1] - side) // 2, side


def _check(image: Image.Image, limits: Limits) -> None:
    if image.width * image.height > limits.pixels:
        raise FerturbError(
            f"{image.width}×{image.height} pixels; at most {limits.pixels:,} are read"
        )


def _frames(image: Image.Image, limits: Limits, size: tuple[int, int]) -> Iterator[Picture]:
    """`size` is the first frame's before the decoder made it smaller."""
    for i, frame in enumerate(ImageSequence.Iterator(image)):
        if i >= limits.frames:
            return
        if i:
            _check(frame, limits)  # a TIFF's pages have sizes of their own
            size = frame.size
        yield upright(frame, size)
        if image.format in ("JPEG", "MPO"):  # an MPO's other frames are previews or the other eye
            return


def _made_smaller(image: Image.Image) -> Image.Image:
    """At most `LONGEST` pixels on the longer side, before any conversion takes memory."""
    factor = LONGEST / max(image.size)
    if factor >= 1:
        return image
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    if image.mode in ("1", "P", "PA") or image.mode.startswith("I;"):
        image = _plain(image)
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if "transparency" in image.info:
        small.info["transparency"] = image.info["transparency"]
    return small


def _plain(image: Image.Image) -> Image.Image:
    """Of mode L or RGB, whatever the mode."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _of_deep_grey(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, _GROUND)
        return Image.alpha_composite(ground, image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _of_deep_grey(image: Image.Image) -> Image.Image:
    """16 or 32 bits a pixel, or floats: brought to 0 … 255 by what the mode can hold."""
    wide = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(wide.max(initial=0.0))
    white = 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 else 65535.0
    scaled = wide * np.float32(255.0 / white)
    return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))
