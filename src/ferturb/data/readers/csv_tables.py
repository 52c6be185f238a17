"""FER2013 as tables of pixels: every CSV form, read and written.

- ``fer2013.csv``: emotion, pixels, Usage.
- ``icml_face_data.csv``: emotion, Usage, pixels; its header names start with a space.
- the challenge's ``train.csv`` (emotion, pixels) and ``test.csv`` (pixels alone: the challenge
  never published its labels there, so it can't be used for more than predicting).

A folder or zip may hold several of them (torchvision's layout does); the one with Usage is read.
pixels are 2,304 numbers from 0 to 255, row by row, with spaces between.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.storage import atomic_path
from ferturb.data.faces import Faces
from ferturb.data.readers import fer2013
from ferturb.data.readers.images import FACE_SIZE, Progress
from ferturb.data.readers.source_tree import MAX_TABLE_BYTES, SourceTree, parsing
from ferturb.data.splits import split_code

PIXELS = FACE_SIZE * FACE_SIZE
COLUMNS = ("emotion", "pixels", "usage")
_LABELS = tuple(str(label) for label in range(len(EMOTIONS)))
_HEADER_BYTES = 4096
_BLOCK_BYTES = 8 * 2**20


def matches(tree: SourceTree) -> bool:
    """True for a single text file, and for a tree with a CSV that has one of FER2013's columns."""
    if len(tree.members) == 1 and not tree.path.is_dir():
        (name,) = tree.members
        return name.lower().endswith((".csv", ".txt")) or bool(_roles(header(tree, name)))
    return any("pixels" in _roles(header(tree, name)) for name in tree.with_suffix(".csv"))


def read(tree: SourceTree, progress: Progress | None = None) -> Faces:
    """The CSV form of FER2013 in this tree as `Faces`; names are ``<Usage>_<row>``.

    A missing column, a row without exactly 2,304 pixels, a pixel outside 0 … 255, a label
    outside 0 … 6 and an unknown Usage raise `FerturbError` with the number of the row (the first
    row below the header is row 1).
    """
    tables = {name: _roles(header(tree, name)) for name in _tables(tree)}
    whole = [name for name, roles in tables.items() if set(COLUMNS) <= set(roles)]
    if whole:
        chosen = [min(whole, key=lambda name: (name.count("/"), name))]
        reason = f"not read: {chosen[0]} has all of it"
    else:
        chosen = [name for name in tables if _is_labelled_part(tree, name, tables[name])]
        reason = "left out: it has no labels (no column emotion)"
    notes = [f"{name} {reason}" for name in tables if name not in chosen]
    parts = [_read_table(tree, name, tables[name], progress) for name in chosen]
    faces = fer2013.joined(parts, notes, {"form": "rows" if whole else "parts", "unreadable": []})
    form = "CSV" if whole else "CSV without Usage"
    return fer2013.finish(faces, form, str(tree.path), official=bool(whole))


def write_csv(faces: Faces, path: Path, *, icml: bool = False) -> None:
    """Write faces as ``fer2013.csv`` (or, with `icml`, as ``icml_face_data.csv``), atomically."""
    if faces.images.shape[1:] != (FACE_SIZE, FACE_SIZE):
        raise FerturbError(
            f"fer2013.csv holds {FACE_SIZE}×{FACE_SIZE} faces, got "
            f"{faces.images.shape[2]}×{faces.images.shape[1]}; resize them first"
        )
    words = [str(value) for value in range(256)]
    rows = zip(faces.images.flatten(1), faces.labels.tolist(), faces.splits.tolist(), strict=True)
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii", newline="") as file:
        file.write("emotion, Usage, pixels\n" if icml else "emotion,pixels,Usage\n")
        for image, label, split in rows:
            pixels = " ".join([words[value] for value in image.tolist()])
            usage = fer2013.USAGES[split]
            file.write(f"{label},{usage},{pixels}\n" if icml else f"{label},{pixels},{usage}\n")


def header(tree: SourceTree, name: str) -> list[str]:
    """The column names of a CSV, lower case, without surrounding space; [] if it is not text."""
    with tree.open(name) as stream:
        start = stream.read(_HEADER_BYTES)
    try:
        line = start.decode("utf-8-sig", "strict" if len(start) < _HEADER_BYTES else "ignore")
    except UnicodeDecodeError:
        return []
    if "\0" in line:
        return []
    first = next(iter(csv.reader(line.splitlines()[:1])), [])
    return [column.strip().lower() for column in first]


def _tables(tree: SourceTree) -> tuple[str, ...]:
    if len(tree.members) == 1 and not tree.path.is_dir():
        return tuple(tree.members)
    return tuple(n for n in tree.with_suffix(".csv") if "pixels" in _roles(header(tree, n)))


def _roles(columns: list[str]) -> dict[str, int]:
    return {column: i for i, column in enumerate(columns) if column in COLUMNS}


def _is_labelled_part(tree: SourceTree, name: str, roles: dict[str, int]) -> bool:
    """True for a table with labels that may come without Usage, False for one without labels."""
    stem = name.rpartition("/")[2].partition(".")[0]
    where = tree.path if len(tree.members) == 1 else f"{tree.path} ({name})"
    code = split_code(stem)
    others = len(_tables(tree)) > 1
    if "emotion" not in roles and "pixels" in roles and "usage" not in roles and code is not None:
        if others:
            return False
        raise FerturbError(
            f"{where} has no column emotion: the challenge's {name.rpartition('/')[2]} carries no "
            "labels; give fer2013.csv or icml_face_data.csv, which carry all of them"
        )
    if {"emotion", "pixels"} <= set(roles) and code is not None:
        return True
    missing = ", ".join(column for column in COLUMNS if column not in roles)
    found = ", ".join(header(tree, name)[:6])[:80] or "none"
    raise FerturbError(
        f"{where}: missing column {missing}; expected emotion, pixels, Usage as in fer2013.csv "
        f"(only train.csv comes without Usage), found {found}"
    )


def _read_table(
    tree: SourceTree, name: str, roles: dict[str, int], progress: Progress | None
) -> tuple[UInt8[np.ndarray, "n 48 48"], Int64[np.ndarray, " n"], np.ndarray, list[str]]:
    where = name if name == tree.path.name else f"{tree.path.name} ({name})"
    default = split_code(name.rpartition("/")[2].partition(".")[0]) or 0
    images: list[UInt8[np.ndarray, "n 48 48"]] = []
    labels: list[int] = []
    splits: list[int] = []
    row, done = 1, 0
    for batch in _batches(tree, name, where):
        columns = {role: batch.column(index) for role, index in roles.items()}
        images.append(_pixels(columns["pixels"], where, row))
        expected = f"an emotion from 0 to {_LABELS[-1]}"
        labels += _codes(columns["emotion"], _LABELS, expected, where, row)
        if "usage" in columns:
            expected = f"Usage {', '.join(fer2013.USAGES)}"
            splits += _codes(columns["usage"], fer2013.USAGES, expected, where, row)
        else:
            splits += [default] * batch.num_rows
        row += batch.num_rows
        done += batch.nbytes
        if progress is not None:
            progress(min(done, tree.members[name]), tree.members[name])
    if row == 1:
        raise FerturbError(f"{where} has a header but no rows; copy or download it again")
    names = [f"{fer2013.USAGES[code]}_{i:05d}" for i, code in enumerate(splits)]
    return np.concatenate(images), np.array(labels), np.array(splits, np.uint8), names


def _batches(tree: SourceTree, name: str, where: str) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if tree.members[name] > MAX_TABLE_BYTES:
        raise FerturbError(f"{where} has {tree.members[name]:,} bytes; too large to read")
    columns = [str(i) for i in range(len(header(tree, name)))]
    with parsing(where, "CSV"), tree.open(name) as stream:
        yield from arrow_csv.open_csv(
            pa.PythonFile(stream),
            arrow_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=columns, skip_rows=1
            ),
            arrow_csv.ParseOptions(),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string())),
        )


def _pixels(column: Any, where: str, row: int) -> UInt8[np.ndarray, "n 48 48"]:
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(column)
    words = pc.split_pattern(trimmed, " ")
    lengths = pc.list_value_length(words)
    try:
        if pc.all(pc.equal(lengths, PIXELS)).as_py():
            flat = words.flatten().cast(pa.uint8())
            return np.asarray(flat).reshape(len(column), FACE_SIZE, FACE_SIZE)
    except pa.ArrowInvalid:
        pass
    return _pixels_one_by_one(trimmed.to_pylist(), where, row)


def _pixels_one_by_one(rows: list[str], where: str, first: int) -> UInt8[np.ndarray, "n 48 48"]:
    """The same for text that is spaced otherwise; names the row when something is wrong."""
    images = np.zeros((len(rows), PIXELS), np.uint8)
    for i, text in enumerate(rows):
        words = text.split()
        if len(words) != PIXELS:
            raise _wrong(where, first + i, f"{PIXELS} pixels (48×48), got {len(words)}")
        for j, word in enumerate(words):
            if not (word.isascii() and word.isdigit() and int(word[:9]) <= 255):
                found = f"{word[:20]!r} at position {j + 1}"
                raise _wrong(where, first + i, f"pixels from 0 to 255, got {found}")
        images[i] = np.array(words, dtype=np.int64)
    return images.reshape(-1, FACE_SIZE, FACE_SIZE)


def _codes(column: Any, known: Sequence[str], what: str, where: str, first: int) -> list[int]:
    """The place of each word of a column among the known ones; names the row of any other."""
    codes = {word: code for code, word in enumerate(known)}
    found = []
    for i, text in enumerate(column.to_pylist()):
        code = codes.get(text.strip())
        if code is None:
            raise _wrong(where, first + i, f"{what}, got {text[:20]!r}")
        found.append(code)
    return found


def _wrong(where: str, row: int, what: str) -> FerturbError:
    return FerturbError(f"{where}, row {row}: expected {what}; correct or remove the row")
