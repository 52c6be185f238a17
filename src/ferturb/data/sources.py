"""From a source (a path, or "synthetic") to `Faces`: what every other part of ferturb calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.base.storage import sources_version
from ferturb.data.audit import clean_variant
from ferturb.data.cache import cached, signature
from ferturb.data.faces import Faces
from ferturb.data.fer_plus import apply_fer_plus, with_votes
from ferturb.data.readers import csv_tables, fer2013, folders, parquet
from ferturb.data.readers.images import Progress
from ferturb.data.readers.source_tree import SourceTree, open_tree, parsing

SYNTHETIC = "synthetic"
DRAWN_BY = ("ferturb.data.drawn", "ferturb.data.faces")
"""The programs that drawn faces come from."""


READERS = (parquet, csv_tables, fer2013, folders)
"""Tried in this order; the first whose content matches reads the source."""


def load_faces(
    config: DatasetConfig, cache: bool = True, progress: Progress | None = None
) -> Faces:
    """The faces a dataset config describes, from the cache when the source has not changed.

    FER+'s votes, its labels and the clean variant are applied after reading, so that one cached
    file serves them all. Every input that can't be used raises `FerturbError`.
    """
    faces = _load(config.source, config.synthetic_faces, cache, progress)
    for path, apply in ((config.votes, with_votes), (config.fer_plus, apply_fer_plus)):
        if path is not None:
            votes = Path(path).expanduser()
            faces = apply(faces, votes, _rows_beside(faces, votes, cache, progress))
    return clean_variant(faces) if config.clean else faces


def load_source(source: str | Path, progress: Progress | None = None) -> Faces:
    """Read a source anew, whatever its form: zip, folder, CSV, parquet, or "synthetic"."""
    if str(source) == SYNTHETIC:
        return _synthetic(DatasetConfig().synthetic_faces)
    with open_tree(Path(source).expanduser()) as tree:
        for reader in READERS:
            with parsing(str(tree.path), "a dataset"):  # a damaged archive may fail in any way
                found = reader.matches(tree)
            if found:
                return _recognised(reader.read(tree, progress))
        raise FerturbError(_nothing_found(tree))


def _load(source: str, synthetic_faces: int, cache: bool, progress: Progress | None) -> Faces:
    if source == SYNTHETIC:
        if not cache:
            return _synthetic(synthetic_faces)
        name = f"{SYNTHETIC}-{synthetic_faces}"
        return cached(name, sources_version(*DRAWN_BY), lambda: _synthetic(synthetic_faces))
    path = Path(source).expanduser()
    if not cache or not path.exists():
        return load_source(path, progress)
    return cached(str(path.resolve()), signature(path), lambda: load_source(path, progress))


def _synthetic(n: int) -> Faces:
    from ferturb.data.drawn.synthetic import synthetic_faces

    return synthetic_faces(n)


def _rows_beside(faces: Faces, votes: Path, cache: bool, progress: Progress | None) -> Faces | None:
    """The faces of fer2013.csv, if it lies beside the votes and these faces are images."""
    beside = [votes.with_name(name) for name in ("fer2013.csv", "icml_face_data.csv")]
    found = [table for table in beside if table.is_file()]
    if not found or faces.info.get("form") != "images":
        return None
    return _load(str(found[0]), 0, cache, progress)


def _recognised(faces: Faces) -> Faces:
    """The same faces, called FER2013 where their counts are FER2013's."""
    if faces.kind == "folder" and fer2013.is_fer2013(faces.labels.numpy(), faces.splits.numpy()):
        return replace(faces, kind="fer2013", source=f"FER2013 ({faces.source})")
    return faces


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
