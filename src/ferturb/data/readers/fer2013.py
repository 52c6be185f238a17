"""FER2013's own layout, written, and what all its forms have in common.

FER2013 (Goodfellow et al., "Challenges in Representation Learning", 2013; arXiv 1307.0414) has
28,709 training faces, 3,589 of the public test and 3,589 of the private test. ferturb trains on
the first, chooses on the second ("validation") and reports on the third ("test"). Any faces can be
written in its layout; only its own are called FER2013 (`fer2013_content`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.storage import atomic_folder
from ferturb.data.faces import Faces
from ferturb.data.readers.source_tree import SourceTree

USAGES: tuple[str, ...] = ("Training", "PublicTest", "PrivateTest")
"""FER2013's own names of the splits. Index = split code."""
MASK_RECORDS = "records.csv"
"""The file that `ferturb mask` writes beside its images."""
LEFT_OUT_RECORD = "left_out.json"
"""The file that `ferturb leave-out` writes beside its images."""


def altered(faces: Faces, tree: SourceTree) -> Faces:
    """Faces that wear something or lack something, by the record beside them, are of that kind."""
    beside = {name.rpartition("/")[2] for name in tree.members}
    for record, kind, title, note in (
        (MASK_RECORDS, "maskfer", "MaskFer", "the faces wear face masks or other occluders"),
        (LEFT_OUT_RECORD, "left-out", "left out", "a facial feature is left out of the faces"),
    ):
        if record in beside:
            return replace(
                faces,
                kind=kind,
                source=f"{title} ({tree.path.name})",
                notes=(*faces.notes, f"{note}: {record} says which"),
            )
    return faces


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
            picture = Image.fromarray(image.transpose(1, 2, 0) if faces.coloured else image)
            picture.save(path, format="PNG", compress_level=1)


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
