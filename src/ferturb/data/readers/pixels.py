"""Columns of pixels to faces, whatever the type: text, lists, arrays, bytes, image files.

`ferturb.base.cells` says what a cell is; a face of another size than asked for is resized as a
photo is. What is no face gives the reason for its row and hinders no other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from ferturb.base.cells import PIXELS, picture_of
from ferturb.base.decode import face_of, upright
from ferturb.base.errors import first_line
from ferturb.base.raster import FACE_SIZE, PLAIN, Raster
from ferturb.data.memory import room
from ferturb.data.readers.images import decode_face

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
    found = picture_of(value)
    if isinstance(found, bytes):
        return decode_face(found, raster)
    picture = Image.fromarray(found)
    return face_of(upright(picture, picture.size).image, raster)
