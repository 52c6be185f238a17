"""FER2013 as tables of pixels: every CSV form, read and written.

- ``fer2013.csv``: emotion, pixels, Usage.
- ``icml_face_data.csv``: emotion, Usage, pixels; its header names start with a space.
- the challenge's ``train.csv`` (emotion, pixels) and ``test.csv`` (pixels alone: the challenge
  never published its labels there, so it can't be used for more than predicting).

Columns, splits and classes go by the words of `ferturb.data.vocabulary`; commas, semicolons, tabs
or bars stand between, in UTF-8 or UTF-16. Numbered labels are FER2013's. A folder or zip may hold
several tables (torchvision's layout does): one that has a split column and whose name is not a
split's is read alone, else all with labels are read together.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from ferturb.base.errors import FerturbError
from ferturb.base.raster import FACE_SIZE, PLAIN, Raster
from ferturb.base.storage import atomic_path
from ferturb.data.faces import SPLITS, Faces
from ferturb.data.readers import fer2013
from ferturb.data.readers.images import Progress
from ferturb.data.readers.pixels import parse_text, texts
from ferturb.data.readers.rows import Pixels, Rows, Source, faces_of
from ferturb.data.readers.source_tree import MAX_TABLE_BYTES, SourceTree, named, parsing
from ferturb.data.vocabulary import (
    Class,
    class_of,
    column_roles,
    split_code,
    split_of_path,
)

FORM = "CSV"
SUFFIXES = (".csv", ".tsv")
_HEADER_BYTES = 4096
_BLOCK_BYTES = 8 * 2**20
_BETWEEN = ",;\t|"


@dataclass(frozen=True)
class Table:
    """One CSV of a tree: how it is written, and which column has which role."""

    name: str
    encoding: str
    between: str
    columns: tuple[str, ...]
    roles: Mapping[str, int]
    skipped: int = 1
    """Lines before the first row."""

    @property
    def split(self) -> int | None:
        """The split its name says."""
        return split_of_path(self.name)


def matches(tree: SourceTree) -> bool:
    """True for a single text file, and for a tree with a CSV that has a column of pixels."""
    if tree.single and next(iter(tree.members)).lower().endswith((*SUFFIXES, ".txt")):
        return True
    return bool(_tables(tree))


def read(
    tree: SourceTree,
    progress: Progress | None = None,
    order: Mapping[int, str] | None = None,
    raster: Raster = PLAIN,
) -> Faces:
    """The CSV form of FER2013 in this tree as `Faces`; names are ``<Usage>_<row>``.

    By the rules of `ferturb.data.readers.rows`. A row that is no face is named by its number (the
    first row below the header is row 1) and left out; a missing column raises `FerturbError`.
    """
    tables = _tables(tree)
    labelled = [table for table in tables if "label" in table.roles]
    whole = [table for table in labelled if "split" in table.roles and table.split is None]
    if whole:
        chosen = [min(whole, key=lambda table: (table.name.count("/"), table.name))]
        reason = f"not read: {chosen[0].name} has all of it"
    else:
        chosen, reason = labelled, "left out: it has no labels (no column emotion)"
    if not chosen:
        raise FerturbError(_missing(tree, tables))
    notes = [f"{table.name} {reason}" for table in tables if table not in chosen]
    parts = [_Part(tree, table, progress, raster) for table in chosen]
    notes += [note for part in parts for note in part.notes]
    rows = Rows(
        _unique(parts),
        [c for part in parts for c in part.classes],
        [s for part in parts for s in part.splits],
        lambda chosen: _pixels(parts, chosen),
    )
    info = {"form": "rows" if len(chosen) == 1 and "split" in chosen[0].roles else "parts"}
    form = FORM if info["form"] == "rows" else f"{FORM} without Usage"
    return faces_of(rows, Source(str(tree.path), form, order, True, notes, info))


def write_csv(faces: Faces, path: str | Path, *, icml: bool = False) -> None:
    """Write faces as ``fer2013.csv`` (or, with `icml`, as ``icml_face_data.csv``), atomically."""
    if faces.raster != PLAIN or faces.size != (FACE_SIZE, FACE_SIZE):
        raise FerturbError(
            f"fer2013.csv holds {PLAIN} faces, got {faces.raster}; resize them first (faces.view())"
        )
    words = [str(value) for value in range(256)]
    rows = zip(faces.images.flatten(1), faces.labels.tolist(), faces.splits.tolist(), strict=True)
    with (
        atomic_path(Path(path)) as temporary,
        temporary.open("w", encoding="ascii", newline="") as file,
    ):
        file.write("emotion, Usage, pixels\n" if icml else "emotion,pixels,Usage\n")
        for image, label, split in rows:
            pixels = " ".join([words[value] for value in image.tolist()])
            usage = fer2013.USAGES[split]
            file.write(f"{label},{usage},{pixels}\n" if icml else f"{label},{pixels},{usage}\n")


class _Part:
    """The rows of one table, blank ones left out."""

    def __init__(
        self, tree: SourceTree, table: Table, progress: Progress | None, raster: Raster
    ) -> None:
        self.where = (
            table.name if table.name == tree.path.name else f"{tree.path.name} ({table.name})"
        )
        self.classes: list[Class] = []
        self.splits: list[str | None] = []
        self.numbers: list[int] = []
        """The row of each face, from 0."""
        images, readable = [], []
        self.reasons: dict[int, str] = {}
        own = None if table.split is None else SPLITS[table.split]
        torn: list[str] = []
        row, done = 0, 0
        for batch in _batches(tree, table, self.where, torn):
            columns = {role: batch.column(place) for role, place in table.roles.items()}
            kept, columns = _filled(columns)
            faces, ok, reasons = parse_text(columns["pixels"], raster)
            self.reasons |= {len(self.numbers) + i: reason for i, reason in reasons.items()}
            self.classes += [class_of(cell) for cell in texts(columns["label"])]
            splits = texts(columns["split"]) if "split" in columns else [""] * len(ok)
            self.splits += [word.strip() or own for word in splits]
            self.numbers += (kept + row).tolist()
            images.append(faces)
            readable.append(ok)
            row += batch.num_rows
            done += batch.nbytes
            if progress is not None:
                progress(min(done, tree.members[table.name]), tree.members[table.name])
        if not self.numbers:
            raise FerturbError(f"{self.where} has a header but no rows")
        self.images, self.readable = np.concatenate(images), np.concatenate(readable)
        note = named(
            "{n} row(s) of " + self.where + " with too few or too many cells left out", torn
        )
        self.notes = [note] if note else []

    @property
    def names(self) -> list[str]:
        """``<Usage>_<row>``, as FER+ counts the rows."""
        codes = (split_code(word or "") for word in self.splits)
        return [
            f"{fer2013.USAGES[code or 0]}_{i:05d}"
            for i, code in zip(self.numbers, codes, strict=True)
        ]


def _filled(columns: dict[str, Any]) -> tuple[Int64[np.ndarray, " k"], dict[str, Any]]:
    """The rows that have anything in the columns that count, and their cells."""
    import pyarrow.compute as pc

    trimmed = (pc.ascii_trim_whitespace(column) for column in columns.values())
    filled = np.any([np.asarray(pc.not_equal(column, ""), bool) for column in trimmed], axis=0)
    kept = np.flatnonzero(filled)
    if len(kept) < len(filled):
        columns = {role: column.take(kept) for role, column in columns.items()}
    return kept, columns


def _unique(parts: list[_Part]) -> list[str]:
    """The names of all rows; those of several tables that would be alike begin with the table's."""
    names = [name for part in parts for name in part.names]
    if len(parts) == 1 or len(set(names)) == len(names):
        return names
    return [f"{part.where}/{name}" for part in parts for name in part.names]


def _pixels(parts: list[_Part], chosen: Int64[np.ndarray, " m"]) -> Pixels:
    images = parts[0].images if len(parts) == 1 else np.concatenate([p.images for p in parts])
    readable = np.concatenate([part.readable for part in parts])
    reasons: dict[int, dict[str, str]] = {}
    start = 0
    for part in parts:
        for i, reason in part.reasons.items():
            name = f"{part.where}, row {part.numbers[i] + 1}"
            reasons[start + i] = {"name": name, "reason": reason}
        start += len(part.numbers)
    unreadable = [reasons[i] for i in chosen.tolist() if not readable[i]]
    whole = len(chosen) == len(images)
    return (
        (images, readable, unreadable) if whole else (images[chosen], readable[chosen], unreadable)
    )


def _tables(tree: SourceTree) -> list[Table]:
    """The tables with pixels of a tree, in order."""
    names = tuple(tree.members) if tree.single else tree.with_suffix(*SUFFIXES)
    found = (_table(name, tree.start(name, _HEADER_BYTES)) for name in names)
    return [table for table in found if table is not None and "pixels" in table.roles]


def _table(name: str, start: bytes) -> Table | None:
    """How a CSV is written, by its first bytes; None if it is not text."""
    encoding = _encoding(start)
    text = start.decode(encoding, "ignore").lstrip("\ufeff")
    if "\0" in text or not text.strip():
        return None
    lines = text.splitlines()
    skipped = 1
    if lines[0].lower().startswith("sep=") and len(lines) > 1:  # Excel says so what stands between
        skipped = 2
    tried = []
    for between in _BETWEEN:
        columns = tuple(next(iter(csv.reader([lines[skipped - 1]], delimiter=between)), []))
        tried.append(Table(name, encoding, between, columns, column_roles(columns), skipped))
    return max(tried, key=lambda table: len(table.roles))


def _encoding(start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start[1:200:2].count(0) > len(start[1:200:2]) // 2:
        return "utf-16-le"
    if start[0:200:2].count(0) > len(start[0:200:2]) // 2:
        return "utf-16-be"
    return "utf-8"


def _missing(tree: SourceTree, tables: list[Table]) -> str:
    """Why none of a tree's tables can be read."""
    if tables and tables[0].split == SPLITS.index("test") and "split" not in tables[0].roles:
        return (
            f"{tree.path} ({tables[0].name}) has no column emotion: the challenge's test.csv "
            "carries no labels; give fer2013.csv or icml_face_data.csv, which carry all of them"
        )
    name = next(iter(tree.members))
    table = tables[0] if tables else _table(name, tree.start(name, _HEADER_BYTES))
    roles, columns = ({}, ()) if table is None else (table.roles, table.columns)
    absent = [role for role in ("label", "pixels") if role not in roles]
    words = " and ".join("emotion" if role == "label" else role for role in absent)
    found = ", ".join(column.strip() for column in columns[:6])[:80] or "none"
    return (
        f"{tree.path}: missing column {words}; expected emotion (or label), pixels, and Usage (or "
        f"split), as in fer2013.csv, found {found}"
    )


def _batches(tree: SourceTree, table: Table, where: str, torn: list[str]) -> Iterator[Any]:
    """Batches of rows as text; a row with another number of cells goes into `torn`."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if tree.members[table.name] > MAX_TABLE_BYTES:
        raise FerturbError(f"{where} has {tree.members[table.name]:,} bytes; too large to read")

    def skip(row: Any) -> str:
        if row.text.strip():
            torn.append(f"{row.text[:20].strip()}… ({row.actual_columns} cells)")
        return "skip"

    columns = [str(i) for i in range(len(table.columns))]
    with parsing(where, "CSV"), tree.open(table.name) as stream:
        yield from arrow_csv.open_csv(
            pa.PythonFile(stream),
            arrow_csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                column_names=columns,
                skip_rows=table.skipped,
                encoding=table.encoding,
            ),
            arrow_csv.ParseOptions(
                delimiter=table.between, newlines_in_values=True, invalid_row_handler=skip
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), check_utf8=False
            ),
        )
