"""How large a source's pictures are, and whether they are in colour: told from some of them."""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Iterator
from itertools import islice

from PIL import Image

from ferturb.base.image_formats import SUFFIXES, readable_formats
from ferturb.base.raster import FACE_SIDES, PLAIN, Raster
from ferturb.data.readers.images import MAX_IMAGE_BYTES
from ferturb.data.readers.source_tree import SourceTree
from ferturb.data.vocabulary import column_roles

_SAMPLE = 32
_GREY = ("1", "L", "LA", "F", "I")


def full_raster_of(tree: SourceTree) -> Raster:
    """The grid on which a tree's pictures lose nothing, within `FACE_SIDES`.

    The side is the middle one among `_SAMPLE` pictures' shorter sides; they are in colour where
    any of them is. Pixels in a table, and what can't be read, are 48×48 in grey.
    """
    sides, coloured = [], False
    for data in _pictures(tree):
        with contextlib.suppress(Exception):  # a damaged picture says nothing
            image = Image.open(io.BytesIO(data), formats=readable_formats())
            sides.append(min(image.size))
            coloured |= not image.mode.startswith(_GREY)
    if not sides:
        return PLAIN
    low, high = FACE_SIDES
    return Raster(min(max(statistics.median_low(sides), low), high), 3 if coloured else 1)


def _pictures(tree: SourceTree) -> Iterator[bytes]:
    names = tree.with_suffix(*SUFFIXES)
    for name in names[:: -(-len(names) // _SAMPLE) or 1]:
        data = b""
        with contextlib.suppress(Exception):  # it is damaged in the archive, or too large
            data = tree.read(name, MAX_IMAGE_BYTES)
        yield data
    tables = tree.with_suffix(".parquet")
    if tables and not names:
        yield from _of_parquet(tree, tables[0])


def _of_parquet(tree: SourceTree, name: str) -> Iterator[bytes]:
    import pyarrow.parquet as pq

    with tree.open(name) as stream:
        file = pq.ParquetFile(stream)
        names = file.schema_arrow.names
        place = column_roles(names).get("image")
        if place is None:  # pixels as text
            return
        for batch in islice(file.iter_batches(_SAMPLE, columns=[names[place]]), 1):
            for cell in batch[0].to_pylist():
                cell = cell.get("bytes") if isinstance(cell, dict) else cell
                if isinstance(cell, bytes):
                    yield cell
