"""FER2013, or any faces, as Hugging Face keeps them: parquet, or the Arrow files of a saved set.

One file or a folder of them. Columns go by the words of `ferturb.data.vocabulary`: an image (a
struct with ``bytes``, the bytes themselves, an array of numbers) or pixels as text, a label (a
number, or an emotion's name), and perhaps the split; without that column the file's name or folder
says it (``data/train-00000-of-00001.parquet``). Label names that the file stores decide what its
numbers mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int64

from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN, Raster
from ferturb.data.faces import SPLITS, Faces
from ferturb.data.readers.images import Progress, decode_faces
from ferturb.data.readers.pixels import face, parse_text
from ferturb.data.readers.rows import Pixels, Rows, Source, faces_of
from ferturb.data.readers.source_tree import SourceTree, parsing
from ferturb.data.vocabulary import COLUMNS, Class, class_of, column_roles, split_of_path

FORM = "parquet"
SUFFIXES = (".parquet", ".arrow")
_MAGIC = {b"PAR1": "parquet", b"ARRO": "Arrow", b"\xff\xff\xff\xff": "Arrow"}


def matches(tree: SourceTree) -> bool:
    """True for a parquet or Arrow file (told by its content) and for a tree that holds some."""
    if tree.single and tree.start(next(iter(tree.members)), 4) in _MAGIC:
        return True
    return bool(_files(tree))


def read(
    tree: SourceTree,
    progress: Progress | None = None,
    order: Mapping[int, str] | None = None,
    raster: Raster = PLAIN,
) -> Faces:
    """The parquet files of a tree as `Faces`, by the rules of `ferturb.data.readers.rows`; names
    are ``<file>#<row>``.

    A missing column and a damaged file raise `FerturbError`.
    """
    parts = [_Part(tree, name) for name in _files(tree) or tuple(tree.members)]
    rows = Rows(
        [f"{part.name}#{row}" for part in parts for row in range(len(part.classes))],
        [c for part in parts for c in part.classes],
        [s for part in parts for s in part.splits],
        lambda chosen: _pixels(parts, chosen, progress, raster),
    )
    own = all(part.as_fer2013 for part in parts)
    return faces_of(rows, Source(str(tree.path), FORM, order, own, (), {"form": "parquet"}))


class _Part:
    """The rows of one file, its images still as they are stored."""

    def __init__(self, tree: SourceTree, name: str) -> None:
        self.name = name
        where = name if name == tree.path.name else f"{tree.path.name} ({name})"
        with parsing(where, _MAGIC.get(tree.start(name, 4), "parquet")):
            table = _table(tree, name, where)
            roles = column_roles(table.column_names)
            shown = "image" if "image" in roles else "pixels"
            columns = {role: table.column(place) for role, place in roles.items()}
            self.images = columns[shown].combine_chunks()
            classes = columns["label"].to_pylist()
            splits = columns["split"].to_pylist() if "split" in columns else [None] * len(classes)
        self.as_fer2013 = "pixels" in roles
        """Whether the columns are those of fer2013.csv, whose numbers have an order."""
        meant = _class_names(table.schema.metadata, table.column_names[roles["label"]])
        self.classes = [_class(value, meant) for value in classes]
        self.splits = _split_words(splits, name)

    def faces(
        self, chosen: Int64[np.ndarray, " m"], progress: Progress | None, raster: Raster
    ) -> Pixels:
        """The faces of some rows."""
        import pyarrow as pa

        images = self.images.take(chosen) if len(chosen) < len(self.images) else self.images
        names = [f"{self.name}#{row}" for row in chosen.tolist()]
        if pa.types.is_string(images.type) or pa.types.is_large_string(images.type):
            pixels, readable, reasons = parse_text(images, raster)
            return pixels, readable, [{"name": names[i], "reason": reasons[i]} for i in reasons]
        if isinstance(images, pa.ExtensionArray):
            images = images.storage
        with parsing(self.name, FORM):  # a text in a cell may be no UTF-8
            cells = dict(zip(names, images.to_pylist(), strict=True))
        sizes = {name: images.nbytes // len(names) for name in names}
        return decode_faces(cells.__getitem__, sizes, progress, face, raster)


def _pixels(
    parts: list[_Part], chosen: Int64[np.ndarray, " m"], progress: Progress | None, raster: Raster
) -> Pixels:
    found: list[Pixels] = []
    start = 0
    for part in parts:
        end = start + len(part.classes)
        found.append(
            part.faces(chosen[(chosen >= start) & (chosen < end)] - start, progress, raster)
        )
        start = end
    images, readable = (np.concatenate([pixels[i] for pixels in found]) for i in (0, 1))
    return images, readable, [row for pixels in found for row in pixels[2]]


def _files(tree: SourceTree) -> tuple[str, ...]:
    found = tree.with_suffix(*SUFFIXES)
    return tuple(name for name in found if not name.rpartition("/")[2].startswith("cache-"))


def _table(tree: SourceTree, name: str, where: str) -> Any:
    """The columns that count of one file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data, start = pa.BufferReader(tree.read(name)), tree.start(name, 4)
    if _MAGIC.get(start) == "Arrow":
        opened = (pa.ipc.open_file if start == b"ARRO" else pa.ipc.open_stream)(data)
        names = opened.schema.names
        _require_columns(names, where)
        return opened.read_all()
    file = pq.ParquetFile(data)
    names = file.schema_arrow.names
    return file.read([names[i] for i in _require_columns(names, where).values()])


def _require_columns(names: list[str], where: str) -> dict[str, int]:
    """The columns' roles; without an image or a label `FerturbError`."""
    roles = column_roles(names)
    for what in ("image", "label"):
        if what not in roles and not (what == "image" and "pixels" in roles):
            raise FerturbError(
                f"{where}: expected a column {what} (or {', '.join(COLUMNS[what][1:])}), "
                f"found {', '.join(names[:8])}"
            )
    return roles


def _class_names(metadata: Mapping[bytes, bytes] | None, column: str) -> list[str] | None:
    """The label names that the `datasets` library stores beside a column, if any."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError):
        return None


def _class(value: Any, names: list[str] | None) -> Class:
    """A stored label as a class: by the stored names, where it is a number that has one."""
    own = class_of(value)
    if names is not None and isinstance(own, int) and 0 <= own < len(names):
        return class_of(names[own])
    return own


def _split_words(cells: list[Any], name: str) -> list[str | None]:
    """The split of each row: its cell, else what the file's name or folder says."""
    code = split_of_path(name)
    own = None if code is None else SPLITS[code]
    return [str(cell).strip() or own if cell is not None else own for cell in cells]
