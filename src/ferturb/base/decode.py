"""Image files to pictures: the one decoder, for training and for prediction.

Any mode comes out as 8-bit grey or RGB: turned as its EXIF orientation says, laid on grey where it
is transparent, 16 bits scaled to 8. A picture is refused before it is decoded when it has too many
bytes or pixels or would take too much memory, and made smaller when its longer side is over
`LONGEST`: a face of a tenth of that is still six times the network's.

The ground is grey since it has to serve both: black, or white, would be the strongest edge of many
faces that were cut out by hand, and this grey is the mean that the classifier subtracts.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from ferturb.base.errors import FerturbError, first_line
from ferturb.base.image_formats import START, readable_formats, unread
from ferturb.base.raster import FACE_SIZE as FACE_SIZE
from ferturb.base.raster import PLAIN, Raster
from ferturb.base.shrinking import decoded_bytes, plain

if TYPE_CHECKING:
    from jaxtyping import UInt8

# What there is to say of a file is an error. Once and for all, since threads share the filters.
warnings.filterwarnings("ignore", module=r"PIL\.")

LONGEST = 3000
"""A picture's longer side after decoding, in pixels, at most."""


@dataclass(frozen=True)
class Limits:
    """What is read at most. A file over a limit is a one-line error, before it is decoded."""

    bytes: int = 64 * 2**20
    pixels: int = 120_000_000
    """Width times height: 10,000 × 10,000 and some."""
    memory: int = 512 * 2**20
    """Bytes that decoding may take, of any kind of image (`shrinking.decoded_bytes`)."""
    frames: int = 300
    """Of an animated file; what comes after them is left out."""


LIMITS = Limits()

_MANY_BYTES = 64 * 2**20
_LARGE = threading.Lock()
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
        raise FerturbError(
            f"too many pixels; at most {megapixels(limits.pixels)} are read"
        ) from error
    except UnidentifiedImageError as error:
        raise FerturbError(unread(data[:START])) from error
    except MemoryError as error:
        raise FerturbError("the image needs more memory than there is") from error
    except Exception as error:  # a damaged file can make a decoder fail in any way
        raise FerturbError(f"damaged image: {first_line(error)}") from error


def upright(image: Image.Image, size: tuple[int, int]) -> Picture:
    """An open image of any mode as a picture; `size` is its own before it was made smaller."""
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    shown = plain(image, LONGEST)
    if turn is not None:
        shown = shown.transpose(turn)
        size = size[::-1] if turn in _SIDEWAYS else size
    return Picture(shown, size)


def face_of(image: Image.Image, raster: Raster = PLAIN) -> UInt8[np.ndarray, "*c s s"]:
    """A picture that is one face: its central square on a raster, so that no face is distorted.

    Grey is luma (ITU-R 601-2), colour (3, side, side). Pixel for pixel where the square has that
    side, else resized with Pillow's antialiased bicubic filter.
    """
    mode, size = "L" if raster.channels == 1 else "RGB", (raster.side, raster.side)
    plain = image if image.mode == mode else image.convert(mode)
    if plain.size != size:
        left, top, side = central_square(plain.size)
        box = (left, top, left + side, top + side)
        same = side == raster.side
        plain = plain.crop(box) if same else plain.resize(size, Image.Resampling.BICUBIC, box=box)
    pixels = np.asarray(plain)
    return pixels if raster.channels == 1 else pixels.transpose(2, 0, 1)


def central_square(size: tuple[int, int]) -> tuple[int, int, int]:
    """Left, top and side of the largest square in the middle."""
    side = min(size)
    return (size[0] - side) // 2, (size[1] - side) // 2, side


def megapixels(pixels: int) -> str:
    """A number of pixels in words.

    >>> megapixels(144_000_000), megapixels(2400)
    ('144 megapixels', '0.0024 megapixels')
    """
    millions = pixels / 1e6
    return f"{millions:.0f} megapixels" if millions >= 10 else f"{millions:.2g} megapixels"


def _check(image: Image.Image, limits: Limits) -> None:
    if image.width * image.height > limits.pixels:
        raise FerturbError(
            f"{image.width}×{image.height} are {megapixels(image.width * image.height)}; at most "
            f"{megapixels(limits.pixels)} are read; make the picture smaller"
        )
    if decoded_bytes(image) > limits.memory:
        raise FerturbError(
            f"{image.width}×{image.height}, {megapixels(image.width * image.height)} of this kind, "
            f"take over "
            f"{limits.memory / 2**20:.0f} MiB to decode; make the picture smaller"
        )


def _frames(image: Image.Image, limits: Limits, size: tuple[int, int]) -> Iterator[Picture]:
    """`size` is the first frame's before the decoder made it smaller."""
    # An MPO's other frames are previews or the other eye.
    if image.format in ("JPEG", "MPO") or not getattr(image, "is_animated", False):
        with _one_at_a_time(image):
            picture = upright(image, size)
            image.close()  # before whoever asks goes on: a decoded picture may be large
        yield picture
        return
    for i in range(limits.frames):
        try:
            image.seek(i)
        except EOFError:
            return
        if i:
            _check(image, limits)  # a TIFF's pages have sizes of their own
            size = image.size
        with _one_at_a_time(image):
            picture = upright(image, size)
        yield picture


def _one_at_a_time(image: Image.Image) -> contextlib.AbstractContextManager[object]:
    """Large pictures that several threads decode wait for each other."""
    return _LARGE if decoded_bytes(image) > _MANY_BYTES else contextlib.nullcontext()
