"""Large pictures made small and plain, a band of rows at a time.

A decoded picture takes what its mode takes; everything else that is made of it (colours of a
palette, a ground under transparent pixels, 8 bits of 16) is made of one band after the other, so
that no second picture of its size ever exists. How much decoding takes is told from a file's head
(`decoded_bytes`); `tests/base/test_shrinking.py` measures it as the peak of a process's memory.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

GROUND = 128
"""The grey that lies under transparent pixels."""
_GROUND = (GROUND, GROUND, GROUND, 255)
_BAND = 2**21
"""Pixels of a band."""
_REACH = 2
"""Rows of the small picture that a row of it is mixed from, on either side, at most."""
_NARROW = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Mode -> bytes of a pixel in memory; 4 in all others."""
_WHOLE = {"WEBP": 16, "AVIF": 14, "HEIF": 14}
"""Format -> bytes of a pixel while its decoder, which takes the picture whole, is at work."""
_ANIMATED = 18
"""The same of a frame of an animation, which is laid over those before it."""


def decoded_bytes(image: Image.Image) -> int:
    """Bytes that decoding an open, not yet decoded, image takes, as far as its head tells."""
    pixel = _NARROW.get(image.mode, 4)
    if image.format == "JPEG" and "progressive" in image.info:  # all coefficients are kept
        pixel = 1 + 2 * len(image.getbands())
    pixel = max(pixel, _WHOLE.get(image.format or "", 0))
    if getattr(image, "is_animated", False) and image.format not in ("JPEG", "MPO", "TIFF"):
        pixel = _ANIMATED
    return image.width * image.height * pixel + _strip_bytes(image)


def _strip_bytes(image: Image.Image) -> int:
    """What a TIFF's largest strip or tile takes, which is decoded whole."""
    tags = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None:
        return 0
    rows, wide, high = (_number(tags.get(key)) for key in (278, 322, 323))
    area = wide * high if wide and high else image.width * min(rows or image.height, image.height)
    bits = tags.get(258, (8,))
    deep = max(map(_number, bits if isinstance(bits, tuple) else (bits,)), default=8)
    return area * len(image.getbands()) * -(-deep // 8)


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def plain(image: Image.Image, longest: int) -> Image.Image:
    """An image of any mode as L or RGB, of at most `longest` pixels on its longer side.

    16 or 32 bits a pixel, and floats, are brought to 0 … 255 by what the mode can hold; what is
    transparent lies on grey.
    """
    white = _white(image) if _is_deep(image) else None
    factor = longest / max(image.size)
    if factor >= 1:
        return _plain(image, white)
    width, height = (max(1, round(side * factor)) for side in image.size)
    scale, step = image.height / height, max(1, _BAND * height // (image.width * image.height))
    shown = None
    for first in range(0, height, step):
        last = min(height, first + step)
        above, below = max(0, first - _REACH), min(height, last + _REACH)
        low, high = int(above * scale), min(image.height, int(np.ceil(below * scale)))
        band = _plain(image.crop((0, low, image.width, high)), white)
        box = (0, above * scale - low, image.width, min(below * scale - low, high - low))
        small = band.resize((width, below - above), Image.Resampling.BILINEAR, box=box)
        shown = shown or Image.new(small.mode, (width, height))
        shown.paste(small.crop((0, first - above, width, last - above)), (0, first))
    assert shown is not None
    return shown


def _plain(image: Image.Image, white: float | None) -> Image.Image:
    """Of mode L or RGB, whatever the mode; `white` is of deep grey."""
    if white is not None:
        wide = _wide(image).clip(0, white) * np.float32(255.0 / white)
        return Image.fromarray(wide.round().astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, _GROUND)
        return Image.alpha_composite(ground, image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _is_deep(image: Image.Image) -> bool:
    return image.mode == "F" or image.mode.startswith("I")


def _white(image: Image.Image) -> float:
    """The value of white in a picture of deep grey: the least usual one that holds its largest."""
    rows = max(1, _BAND // image.width)
    starts = range(0, image.height, rows)
    boxes = ((0, row, image.width, min(image.height, row + rows)) for row in starts)
    top = max(float(_wide(image.crop(box)).max(initial=0.0)) for box in boxes)
    return 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 else 65535.0


def _wide(image: Image.Image) -> np.ndarray:
    values = np.asarray(image).astype(np.float32)
    return np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
