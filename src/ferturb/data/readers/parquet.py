"""FER2013, or any faces, as Hugging Face parquet files.

One file or a folder of them, named after their splits (``data/train-00000-of-00001.parquet``).
Columns: an image (a struct with ``bytes``, or the bytes themselves) and a label (a number, or an
emotion's name). Label names stored in the file decide what its numbers mean. Where there are
none, numbers 0 … 6 mean FER2013's order, and the notes say that this was assumed.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from ferturb.base.emotions import EMOTIONS, emotion_label
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.readers import fer2013
from ferturb.data.readers.images import MAX_IMAGE_BYTES, Progress, decode_faces, unreadable_note
from ferturb.data.readers.source_tree import SourceTree, parsing
from ferturb.data.splits import split_code

_IMAGES = ("image", "img", "jpg", "png")
_ASSUMED = "labels without names"
_LABELS = ("label", "labels", "emotion", "emotions")


def matches(tree: SourceTree) -> bool:
    """True for a parquet file (told by its content) and for a tree that holds some."""
    if len(tree.members) == 1:
        (name,) = tree.members
        with tree.open(name) as stream:
            return stream.read(4) == b"PAR1" or name.lower().endswith(".parquet")
    return bool(tree.with_suffix(".parquet"))


def read(tree: SourceTree, progress: Progress | None = None) -> Faces:
    """The parquet files of a tree as `Faces`; names are ``<file>#<row>``.

    A missing column, a label outside 0 … 6 and a damaged file raise `FerturbError`; single
    images that can't be read, and classes that are none of the seven emotions, are left out and
    noted.
    """
    files = tree.with_suffix(".parquet") or tuple(tree.members)
    notes: list[str] = []
    info: dict[str, Any] = {"form": "parquet", "unreadable": []}
    parts = []
    for name in files:
        data, labels, part_notes = _columns(tree, name)
        notes += [note for note in part_notes if note not in notes]
        known = {f"{name}#{row}": data[row] for row in np.flatnonzero(labels >= 0)}
        sizes = {n: len(image) for n, image in known.items()}
        pixels, readable, unreadable = decode_faces(known.__getitem__, sizes, progress)
        info["unreadable"] += unreadable
        names = [n for n, ok in zip(known, readable, strict=True) if ok]
        splits = np.full(len(names), _split(name), np.uint8)
        parts.append((pixels[readable], labels[labels >= 0][readable], splits, names))
    if info["unreadable"]:
        notes.append(unreadable_note(info["unreadable"]))
    faces = fer2013.joined(parts, notes, info)
    if any(note.startswith(_ASSUMED) for note in notes):
        faces = _order_by_counts(faces)
    return fer2013.finish(faces, "parquet", str(tree.path), official=False)


def _order_by_counts(faces: Faces) -> Faces:
    """FER2013's order, for copies that number the emotions otherwise (e.g. by the alphabet).

    No two emotions of FER2013 have the same number of training faces, so that the seven numbers
    tell which label means which emotion. Anything else comes back unchanged.
    """
    counts = tuple(faces.counts()["train"].values())
    official = fer2013.TRAIN_COUNTS
    if counts == official or sorted(counts) != sorted(official):
        return faces
    meaning = torch.tensor([official.index(count) for count in counts])
    shown = ", ".join(f"{i} {EMOTIONS[label]}" for i, label in enumerate(meaning.tolist()))
    note = f"the training counts show another order of labels, used: {shown}"
    return replace(faces, labels=meaning[faces.labels], notes=(*faces.notes, note))


def _split(name: str) -> int:
    """The split a parquet file's path names; train where it names none."""
    *folders, own = name.split("/")
    words = (own.partition("-")[0].partition(".")[0], *reversed(folders))
    return next((code for code in map(split_code, words) if code is not None), 0)


def _columns(tree: SourceTree, name: str) -> tuple[list[bytes], Int64[np.ndarray, " n"], list[str]]:
    """(image bytes, labels with −1 for unknown classes, notes) of one parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = name if name == tree.path.name else f"{tree.path.name} ({name})"
    with parsing(where, "parquet"):
        file = pq.ParquetFile(pa.BufferReader(tree.read(name)))
        image_column = _find(file.schema_arrow.names, _IMAGES, where, "image")
        label_column = _find(file.schema_arrow.names, _LABELS, where, "label")
        table = file.read(columns=[image_column, label_column])
        images = table.column(image_column)
        if pa.types.is_struct(images.type):
            if images.type.get_field_index("bytes") < 0:
                raise FerturbError(f"{where}: the column {image_column} has no field bytes")
            images = pa.chunked_array([chunk.field("bytes") for chunk in images.chunks])
        data = [value or b"" for value in images.cast(pa.large_binary()).to_pylist()]
        values = table.column(label_column).to_pylist()
    data = [value if len(value) <= MAX_IMAGE_BYTES else b"" for value in data]
    labels, notes = _labels(values, _class_names(file.schema_arrow.metadata, label_column), where)
    return data, labels, notes


def _find(columns: list[str], known: tuple[str, ...], where: str, what: str) -> str:
    found = [column for column in columns if column.strip().lower() in known]
    if not found:
        raise FerturbError(
            f"{where}: expected a column {what} (or {', '.join(known[1:])}), "
            f"found {', '.join(columns[:8])}"
        )
    return found[0]


def _class_names(metadata: dict[bytes, bytes] | None, column: str) -> list[str] | None:
    """The label names that the `datasets` library stores in a parquet file, if any."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError):
        return None


def _labels(
    values: list[Any], names: list[str] | None, where: str
) -> tuple[Int64[np.ndarray, " n"], list[str]]:
    labels = np.empty(len(values), np.int64)
    unknown: Counter[str] = Counter()
    assumed = False
    if names is not None and all(name.isdigit() for name in names):
        names = None
    for row, stored in enumerate(values):
        by_name = isinstance(stored, int) and names is not None and 0 <= stored < len(names)
        value = names[stored] if names is not None and by_name else stored
        if isinstance(value, str):
            label = emotion_label(value)
            if label is None:
                unknown[value] += 1
        elif isinstance(value, int) and 0 <= value < len(EMOTIONS):
            label, assumed = value, True
        else:
            raise FerturbError(
                f"{where}, row {row + 1}: expected an emotion's name or a label from 0 to "
                f"{len(EMOTIONS) - 1}, got {str(value)[:20]!r}"
            )
        labels[row] = -1 if label is None else label
    notes = []
    if assumed:
        notes.append(f"{_ASSUMED}: taken in FER2013's order ({', '.join(EMOTIONS)})")
    if unknown:
        shown = ", ".join(f"{name} ({count})" for name, count in sorted(unknown.items()))
        notes.append(f"{unknown.total()} images of unknown classes left out: {shown}")
    return labels, notes
