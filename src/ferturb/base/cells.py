"""A cell of a table as a picture, whatever its type: an image file, text, lists, arrays, bytes.

One rule for training and for prediction: numbers are grey levels from 0 to 255 (fractions, all
from 0 to 1, are shares of white), row by row, or colours, the channel first or last; those that
lie in one row are a square.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ferturb.base.errors import FerturbError
from ferturb.base.image_formats import START, format_of
from ferturb.base.raster import FACE_SIZE

if TYPE_CHECKING:
    from jaxtyping import UInt8

PIXELS = FACE_SIZE * FACE_SIZE
_BETWEEN = re.compile(r"[\s,;\[\]()]+")
_CHANNELS = (1, 3, 4)


def picture_of(cell: Any) -> bytes | UInt8[np.ndarray, "h w *c"]:
    """An image file's bytes, or pixels: grey (h, w), RGB (h, w, 3) or RGBA (h, w, 4).

    A struct with ``bytes``, as Hugging Face's `datasets` keeps an image, is those. What is no
    picture raises `FerturbError` with the reason.
    """
    if isinstance(cell, Mapping):
        path = cell.get("path")
        if not cell.get("bytes"):
            raise FerturbError(f"no image bytes, only the path {path}" if path else "no image")
        cell = cell["bytes"]
    if isinstance(cell, bytes | bytearray | memoryview):
        data = bytes(cell)
        side = math.isqrt(len(data))
        if side > 1 and side * side == len(data) and format_of(data[:START]) is None:
            return np.frombuffer(data, np.uint8).reshape(side, side)
        return data
    if isinstance(cell, str):
        return _pixels(_numbers(cell))
    try:
        return _pixels(np.array([] if cell is None else cell))
    except ValueError as error:
        if isinstance(error, FerturbError):
            raise
        raise FerturbError(
            f"expected {PIXELS} pixels (48×48), got rows of different lengths"
        ) from error


def _numbers(text: str) -> np.ndarray:
    words = [word for word in _BETWEEN.split(text) if word]
    for i, word in enumerate(words):
        if not (word.isascii() and word.isdecimal() and len(word) < 10 and int(word) <= 255):
            raise FerturbError(
                f"expected pixels from 0 to 255, got {word[:20]!r} at position {i + 1}"
            )
    return np.array(words, np.int64)


def _pixels(values: np.ndarray) -> UInt8[np.ndarray, "h w *c"]:
    """Numbers of any kind and order as pixels."""
    if values.dtype.kind not in "uifb" or not np.isfinite(values).all():
        raise FerturbError("expected pixels from 0 to 255, got something else than numbers")
    if values.ndim == 1 and math.isqrt(len(values)) ** 2 == len(values) > 1:
        values = values.reshape(math.isqrt(len(values)), -1)
    if values.ndim == 3 and values.shape[0] in _CHANNELS and values.shape[2] not in _CHANNELS:
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    shaped = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in _CHANNELS)
    if not shaped or min(values.shape) < 2:
        count = values.size if values.ndim < 2 else "×".join(map(str, values.shape))
        raise FerturbError(f"expected {PIXELS} pixels (48×48), got {count}")
    if values.dtype.kind in "fb" and values.min() >= 0 and values.max() <= 1:
        values = values * 255
    if values.min() < 0 or values.max() > 255:
        worst = values.min() if values.min() < 0 else values.max()
        raise FerturbError(f"expected pixels from 0 to 255, got {worst:g}")
    return np.ascontiguousarray(values.round().astype(np.uint8))
