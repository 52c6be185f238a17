"""FER2013 as folders of images, and what all its forms have in common.

FER2013 (Goodfellow et al., "Challenges in Representation Learning", 2013; arXiv 1307.0414) has
28,709 training faces, 3,589 of the public test and 3,589 of the private test. ferturb trains on
the first, chooses on the second ("validation") and reports on the third ("test").

Its Kaggle image archive keeps these splits in its file names only
(``test/<emotion>/PublicTest_123.jpg``), so files so named go by their names. Copies whose files
are named otherwise are read as any other folders of images (`ferturb.data.readers.folders`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.storage import atomic_folder
from ferturb.data.faces import SPLITS, Faces
from ferturb.data.readers import folders
from ferturb.data.readers.images import IMAGE_SUFFIXES, Progress
from ferturb.data.readers.source_tree import SourceTree
from ferturb.data.splits import complete_splits, require_emotions

USAGES: tuple[str, ...] = ("Training", "PublicTest", "PrivateTest")
"""FER2013's own names of the splits. Index = split code."""
SIZES: tuple[int, ...] = (28_709, 3_589, 3_589)
"""FER2013's faces per split."""
TRAIN_COUNTS: tuple[int, ...] = (3995, 436, 4097, 7215, 4830, 3171, 4965)
"""FER2013's training faces per emotion, in the order of `EMOTIONS`."""

_OFFICIAL = re.compile(rf"({'|'.join(USAGES)})_\d+\.\w+")

MASK_RECORDS = "records.csv"
"""The file that `ferturb mask` writes beside its images."""
LEFT_OUT_RECORD = "left_out.json"
"""The file that `ferturb leave-out` writes beside its images."""


def matches(tree: SourceTree) -> bool:
    """True when all images of the tree are named as in FER2013's image archive."""
    images = tree.with_suffix(*IMAGE_SUFFIXES)
    return bool(images) and all(_OFFICIAL.fullmatch(name.rpartition("/")[2]) for name in images)


def read(tree: SourceTree, progress: Progress | None = None) -> Faces:
    """FER2013's image archive, zipped or unpacked, as `Faces`; splits from the file names.

    Raises `FerturbError` for an empty class folder and when an emotion has no training face.
    """
    images = folders.list_images(tree)
    usages = [name.rpartition("/")[2].partition("_")[0] for name in images.names]
    splits = np.array([USAGES.index(usage) for usage in usages], np.uint8)
    faces = folders.decode_images(tree, images, splits, progress)
    return _altered(finish(faces, "image archive", str(tree.path)), tree)


def _altered(faces: Faces, tree: SourceTree) -> Faces:
    """Faces that wear something or lack something, by the record beside them, are FER2013 no
    longer: no number of the paper on FER2013 stands beside theirs."""
    beside = {name.rpartition("/")[2] for name in tree.members}
    for record, kind, title, note in (
        (MASK_RECORDS, "maskfer", "MaskFer", "the faces wear face masks or other occluders"),
        (LEFT_OUT_RECORD, "left-out", "left out", "a facial feature is left out of the faces"),
    ):
        if record in beside:
            return replace(
                faces,
                kind=kind if faces.kind == "fer2013" else faces.kind,
                source=f"{title} ({tree.path.name})",
                notes=(*faces.notes, f"{note}: {record} says which"),
            )
    return faces


def is_fer2013(labels: np.ndarray, splits: np.ndarray) -> bool:
    """True when the counts per split, and per emotion in training, are FER2013's."""
    train = np.bincount(labels[splits == 0], minlength=len(EMOTIONS))
    sizes = np.bincount(splits, minlength=len(SPLITS))
    return tuple(sizes.tolist()) == SIZES and tuple(train.tolist()) == TRAIN_COUNTS


def finish(faces: Faces, form: str, where: str, *, official: bool = True) -> Faces:
    """`faces` checked and described as one form of FER2013.

    Its kind is "fer2013" when its splits are `official` (their names are FER2013's own, or the
    counts are) and all three are there; else "folder". Missing splits are drawn from train.
    """
    labels, splits = faces.labels.numpy(), faces.splits.numpy()
    require_emotions(labels, splits, where)
    sizes = np.bincount(splits, minlength=len(SPLITS)).tolist()
    genuine = (official and min(sizes) > 0) or is_fer2013(labels, splits)
    completed, notes = complete_splits(labels, splits)
    if genuine and tuple(sizes) != SIZES:
        official_sizes, found = (" / ".join(f"{n:,}" for n in counts) for counts in (SIZES, sizes))
        notes = (
            f"FER2013 has {official_sizes} faces in {' / '.join(SPLITS)}, this copy {found}",
            *notes,
        )
    return replace(
        faces,
        splits=torch.from_numpy(completed),
        source=f"FER2013 ({form})" if genuine else f"{form} ({Path(where).name})",
        kind="fer2013" if genuine else "folder",
        notes=(*faces.notes, *notes),
    )


def joined(
    parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, Sequence[str]]],
    notes: Sequence[str],
    info: Mapping[str, Any],
) -> Faces:
    """Images, labels, splits and names read from several files, one after the other."""
    images, labels, splits = (
        torch.from_numpy(np.concatenate([part[i] for part in parts])) for i in range(3)
    )
    names = tuple(name for part in parts for name in part[3])
    return Faces(images, labels, splits, names, source="", notes=tuple(notes), info=info)


def write_folder(faces: Faces, folder: Path) -> None:
    """Write faces as FER2013's image archive unpacked, in PNG, so that no pixel changes.

    ``train/<emotion>/Training_<number>.png`` and ``test/<emotion>/{PublicTest,PrivateTest}_…``.
    Faces that came from such an archive keep their file names. The folder must not exist yet or be
    empty; it appears whole or not at all.
    """
    with atomic_folder(folder) as tree:
        for image, name in zip(faces.images.numpy(), archive_names(faces), strict=True):
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path, format="PNG", compress_level=1)


def archive_names(faces: Faces) -> tuple[str, ...]:
    """The paths `write_folder` gives these faces, unique, in their order."""
    names: dict[str, None] = {}
    for i, (name, label, split) in enumerate(
        zip(faces.names, faces.labels.tolist(), faces.splits.tolist(), strict=True)
    ):
        folder = f"{'train' if split == 0 else 'test'}/{EMOTIONS[label]}"
        stem = Path(name).stem
        if not re.fullmatch(rf"{USAGES[split]}_\d+", stem) or f"{folder}/{stem}.png" in names:
            stem = f"{USAGES[split]}_{i:05d}"
        names[f"{folder}/{stem}.png"] = None
    if len(names) != len(faces):
        raise FerturbError(
            "can't name the faces' files uniquely: expected names of one dataset; "
            "write its parts into folders of their own"
        )
    return tuple(names)
