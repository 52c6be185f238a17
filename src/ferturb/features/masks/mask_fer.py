"""MaskFer: a dataset whose faces wear face masks, and what each of them wears.

The paper trains on FER2013 with face masks ("MaskFer") against FER2013. `mask_faces` makes it of
any `Faces`: no face is left out, and face i of one is face i of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ferturb.base.errors import FerturbError
from ferturb.base.storage import atomic_folder, write_rows
from ferturb.base.tabular import Rows, Tabular
from ferturb.data.faces import Faces
from ferturb.data.readers.fer2013 import MASK_RECORDS, archive_names, write_folder
from ferturb.data.readers.images import Progress
from ferturb.features.landmarks import Landmarks, find_landmarks
from ferturb.features.masks.keyed_random import name_keys
from ferturb.features.masks.wear import check_kind, wear


@dataclass(frozen=True)
class MaskRecord(Tabular):
    """What one face wears."""

    name: str
    """The face: its path in the dataset."""
    kind: str
    seed: int
    confidence: float
    """Of the landmarks the mask was drawn on, 0 … 1."""
    landmarks: str
    """Where they came from: "network", "mean shape", …"""


def mask_faces(
    faces: Faces,
    kind: str,
    seed: int,
    landmarks: Landmarks | None = None,
    progress: Progress | None = None,
) -> tuple[Faces, Rows[MaskRecord]]:
    """The same faces wearing face masks, and one record a face.

    `kind` is one of `ferturb.features.masks.wear.KINDS`. What a face wears depends on the seed
    and its name alone, so that a split masked by itself is the split of the masked whole. Without
    `landmarks` they are found; `progress` takes (faces done, faces). The result keeps its kind of
    dataset; its source, notes and ``info["face_masks"]`` say what was put on.
    """
    check_kind(kind, seed)
    if landmarks is None:
        landmarks = find_landmarks(faces.images)
    keys = name_keys(faces.names, seed)
    worn = wear(faces.images, landmarks.points, kind, seed, keys, progress)
    records = Rows(
        MaskRecord(name, worn_kind, seed, round(confidence, 4), source)
        for name, worn_kind, confidence, source in zip(
            faces.names, worn.kinds, landmarks.confidence.tolist(), landmarks.source, strict=True
        )
    )
    masked = replace(
        faces,
        images=worn.images,
        source=f"MaskFer of {faces.source}",
        notes=(*faces.notes, f"face masks drawn on every face: kind {kind}, seed {seed}"),
        info={**faces.info, "face_masks": {"kind": kind, "seed": seed}},
    )
    return masked, records


def write_mask_fer(faces: Faces, records: Sequence[MaskRecord], folder: Path) -> None:
    """Write masked faces in FER2013's own layout (PNG), with ``records.csv`` beside them.

    The folder loads as FER2013 does. The records' names are the paths of the files written. The
    folder must not exist yet; it appears whole or not at all.
    """
    if len(records) != len(faces):
        raise FerturbError(
            f"MaskFer needs one record a face: {len(faces)} faces, {len(records)} records; "
            "give what mask_faces returned"
        )
    named = [replace(r, name=n) for r, n in zip(records, archive_names(faces), strict=True)]
    with atomic_folder(folder) as tree:
        write_folder(faces, tree)
        write_rows(tree / MASK_RECORDS, [asdict(record) for record in named])
