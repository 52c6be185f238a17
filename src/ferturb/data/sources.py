"""From a source (a path, or "synthetic") to `Faces`: what every other part of ferturb calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN, Raster
from ferturb.base.reading import from_home, is_there
from ferturb.base.storage import sources_version
from ferturb.data import vocabulary as words
from ferturb.data.audit import clean_variant
from ferturb.data.cache import BUILT_ON, cached, signature
from ferturb.data.faces import Faces
from ferturb.data.fer_plus import apply_fer_plus, with_votes
from ferturb.data.readers import csv_tables, folders, parquet
from ferturb.data.readers.full_size import full_raster_of
from ferturb.data.readers.images import Progress
from ferturb.data.readers.source_tree import SourceTree, open_tree, parsing

SYNTHETIC = "synthetic"
DRAWN_BY = (*BUILT_ON, "ferturb.data.drawn", "ferturb.data.faces", "ferturb.data.memory")
"""The programs that drawn faces come from."""


class Reader(Protocol):
    """What a module of `ferturb.data.readers` that reads a form has."""

    FORM: str

    def matches(self, tree: SourceTree, /) -> bool:
        """Whether a tree has this form."""

    def read(
        self,
        tree: SourceTree,
        progress: Progress | None,
        order: Mapping[int, str] | None,
        raster: Raster,
        /,
    ) -> Faces:
        """The tree's faces, on a raster."""


READERS: tuple[Reader, ...] = (parquet, csv_tables, folders)
"""Tried in this order; the first whose content matches reads the source."""


def load_faces(
    config: DatasetConfig | str | Path, cache: bool = True, progress: Progress | None = None
) -> Faces:
    """The faces a dataset config (or a path, or "synthetic") describes, from the cache when the
    source has not changed.

    FER+'s votes, its labels and the clean variant are applied after reading, so that one cached
    file serves them all. Every input that can't be used raises `FerturbError`.
    """
    if not isinstance(config, DatasetConfig):
        config = DatasetConfig(_source(config))
    faces = _load(config, cache, progress)
    for path, apply in ((config.votes, with_votes), (config.fer_plus, apply_fer_plus)):
        if path is not None:
            votes = from_home(path)
            faces = apply(faces, votes, _rows_beside(faces, votes, cache, progress))
    return clean_variant(faces) if config.clean else faces


def load_source(
    source: str | Path,
    progress: Progress | None = None,
    label_order: str | None = None,
    raster: Raster = PLAIN,
) -> Faces:
    """Read a source anew, whatever its form: zip, folder, CSV, parquet, or "synthetic".

    `label_order` says what numbered labels mean (`ferturb.data.vocabulary.label_order`).
    """
    if _source(source) == SYNTHETIC:
        return _synthetic(DatasetConfig().synthetic_faces, raster)
    order = None if label_order is None else words.label_order(label_order)
    with open_tree(from_home(source)) as tree:
        matching: list[Reader] = []
        for reader in READERS:
            with parsing(str(tree.path), "a dataset"):  # a damaged archive may fail in any way
                if reader.matches(tree):
                    matching.append(reader)
        if not matching:
            raise FerturbError(_nothing_found(tree))
        reader, *others = matching
        faces = reader.read(tree, progress, order, raster)
        passed = tuple(f"{o.FORM} in this source not read: {reader.FORM} is" for o in others)
        return replace(faces, notes=(*tree.notes, *passed, *faces.notes))


def full_raster(source: str | Path) -> Raster:
    """The side and the channels at which a source's pictures lose nothing, within 48 … 224.

    48×48 in grey for drawn faces and for pixels in a table.
    """
    if _source(source) == SYNTHETIC:
        return PLAIN
    with open_tree(from_home(source)) as tree, parsing(str(tree.path), "a dataset"):
        return full_raster_of(tree)


def _source(source: object) -> str:
    """A source as text; what is none raises `FerturbError`."""
    if isinstance(source, str | Path):
        return str(source)
    raise FerturbError(
        f"expected a DatasetConfig, a path or {SYNTHETIC!r}, got {type(source).__name__}"
    )


def _load(config: DatasetConfig, cache: bool, progress: Progress | None) -> Faces:
    n, order, raster = config.synthetic_faces, config.label_order, config.raster
    on = "" if raster == PLAIN else f" {raster}"
    if config.source == SYNTHETIC:
        if not cache:
            return _synthetic(n, raster)
        key = sources_version(*DRAWN_BY) + on
        return cached(f"{SYNTHETIC}-{n}{on}", key, lambda: _synthetic(n, raster))
    path = from_home(config.source)
    try:
        if not cache or not is_there(path):
            return load_source(path, progress, order, raster)
        name, key = str(path.resolve()), signature(path)
    except OSError as error:
        raise FerturbError(f"can't read {path}: {error.strerror or error}") from error
    if order is not None:
        words.label_order(order)
        name, key = f"{name} {order}", f"{key} {order}"
    return cached(name + on, key + on, lambda: load_source(path, progress, order, raster))


def _synthetic(n: int, raster: Raster) -> Faces:
    from ferturb.data.drawn.synthetic import synthetic_faces

    return synthetic_faces(n, size=raster.side).view(*raster)


def _rows_beside(faces: Faces, votes: Path, cache: bool, progress: Progress | None) -> Faces | None:
    """The faces of fer2013.csv, if it lies beside the votes and these faces are images."""
    beside = [votes.with_name(name) for name in ("fer2013.csv", "icml_face_data.csv")]
    found = [table for table in beside if table.is_file()]
    if not found or faces.info.get("form") != "images":
        return None
    return _load(DatasetConfig(str(found[0])), cache, progress)


def _nothing_found(tree: SourceTree) -> str:
    expected = (
        "expected a folder or zip of <split>/<emotion>/* images, fer2013.csv, "
        "icml_face_data.csv, train.csv or parquet files"
    )
    archives = tree.with_suffix(".zip", ".tar.gz", ".tar", ".7z", ".rar")
    if archives:
        advice = f"it holds {archives[0]}: give that file, unpacked if it is not a zip"
    elif not tree.members:
        advice = "it is empty"
    else:
        advice = f"found {', '.join(list(tree.members)[:5])}"
    return f"{tree.path} has no images or tables of faces in it; {expected}; {advice}"
