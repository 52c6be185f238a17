"""Columns of pixels to faces, whatever the type: text, lists, arrays, bytes, image files.

One rule for all of them: a face is a square of grey levels from 0 to 255, row by row (or of
colours, the channel first or last), and one of another size than asked for is resized as a photo
is.
What is not gives the reason for its row and hinders no other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from ferturb.base.decode import face_of
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.image_formats import START, format_of
from ferturb.base.raster import FACE_SIZE, PLAIN, Raster
from ferturb.data.memory import room
from ferturb.data.readers.images import MAX_IMAGE_BYTES, decode_face

PIXELS = FACE_SIZE * FACE_SIZE
_BETWEEN = re.compile(r"[\s,;\[\]()]+")

Parsed = tuple[UInt8[np.ndarray, "n *c s s"], Bool[np.ndarray, " n"], dict[int, str]]
"""Faces, which rows could be read, and why the others could not, by row."""


def parse_text(column: Any, raster: Raster = PLAIN) -> Parsed:
    """An Arrow column of text: 48 × 48 numbers a row, with spaces (or commas) between.

    The ordinary case is split and cast by Arrow; where a row is spaced otherwise, or wrong, they
    are looked at one by one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.ascii_trim_whitespace(pc.fill_null(column, ""))
    words = pc.split_pattern(trimmed, " ")
    try:
        as_they_are = pc.all(pc.equal(pc.list_value_length(words), PIXELS)).as_py()
        if as_they_are and raster == PLAIN:
            flat = pc.list_flatten(words).cast(pa.uint8())
            images = np.asarray(flat).reshape(len(column), FACE_SIZE, FACE_SIZE)
            return images, np.ones(len(column), bool), {}
    except pa.ArrowInvalid:
        pass
    rows = texts(trimmed)
    images = room((len(rows), *raster.shape))
    readable, reasons = np.ones(len(rows), bool), {}
    for i, row in enumerate(rows):
        try:
            images[i] = face(row, raster)
        except Exception as error:  # a row that is no face hinders no other
            readable[i], reasons[i] = False, first_line(error)
    return images, readable, reasons


def texts(column: Any) -> list[str]:
    """An Arrow column of text as texts, whatever the bytes: what is not UTF-8 is replaced."""
    import pyarrow as pa

    return [cell.decode("utf-8", "replace") for cell in column.cast(pa.binary()).to_pylist()]


def face(value: Any, raster: Raster = PLAIN) -> UInt8[np.ndarray, "*c s s"]:
    """One cell as a face; what is none raises `FerturbError` with the reason."""
    if isinstance(value, Mapping):  # as Hugging Face's `datasets` keeps an image
        path = value.get("path")
        if not value.get("bytes"):
            raise FerturbError(f"no image bytes, only the path {path}" if path else "no image")
        value = value["bytes"]
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        side = math.isqrt(len(data))
        if side > 1 and side * side == len(data) and format_of(data[:START]) is None:
            return _square(np.frombuffer(data, np.uint8), raster)
        return decode_face(data if len(data) <= MAX_IMAGE_BYTES else b"", raster)
    if isinstance(value, str):
        return _square(_numbers(value), raster)
    return _square(np.array([] if value is None else value), raster)


def _numbers(text: str) -> np.ndarray:
    words = [word for word in _BETWEEN.split(text) if word]
    for i, word in enumerate(words):
        if not (word.isascii() and word.isdecimal() and len(word) < 10 and int(word) <= 255):
            raise FerturbError(
                f"expected pixels from 0 to 255, got {word[:20]!r} at position {i + 1}"
            )
    return np.array(words, np.int64)


def _square(values: np.ndarray, raster: Raster) -> UInt8[np.ndarray, "*c s s"]:
    """A square of grey levels, or of colours, as a face."""
    if values.dtype.kind not in "uifb" or not np.isfinite(values).all():
        raise FerturbError("expected pixels from 0 to 255, got something else than numbers")
    if values.ndim == 1 and math.isqrt(len(values)) ** 2 == len(values) > 1:
        values = values.reshape(math.isqrt(len(values)), -1)
    if values.ndim == 3 and values.shape[0] in (1, 3) and values.shape[2] not in (1, 3):
        values = np.moveaxis(values, 0, 2)
    grey = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if not (grey.ndim == 2 or (grey.ndim == 3 and grey.shape[2] == 3)) or min(grey.shape) < 2:
        count = values.size if values.ndim == 1 else "×".join(map(str, values.shape))
        raise FerturbError(f"expected {PIXELS} pixels (48×48), got {count}")
    if grey.dtype.kind == "f" and grey.min() >= 0 and grey.max() <= 1:
        grey = grey * 255
    if grey.min() < 0 or grey.max() > 255:
        worst = grey.min() if grey.min() < 0 else grey.max()
        raise FerturbError(f"expected pixels from 0 to 255, got {worst:g}")
    return face_of(Image.fromarray(grey.round().astype(np.uint8)), raster)
