"""Any tree of face images: ``<split>/<emotion>/*``, or ``<emotion>/*`` alone, to `Faces`.

The folder an image lies in is its class; the nearest folder above whose name is a split's gives
the split; any folders above these do not matter. Classes that are none of the seven emotions
(contempt, …) are left out and reported, never guessed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ferturb.base.emotions import EMOTIONS, emotion_label
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.readers.images import (
    IMAGE_SUFFIXES,
    MAX_IMAGE_BYTES,
    Progress,
    decode_faces,
    unreadable_note,
)
from ferturb.data.readers.source_tree import SourceTree
from ferturb.data.splits import complete_splits, split_code

EXPECTED = "expected <split>/<emotion>/* or <emotion>/*"


@dataclass(frozen=True)
class ImageList:
    """The labelled images of a tree: name, label 0 … 6, split code (None: no split folder)."""

    names: tuple[str, ...]
    labels: tuple[int, ...]
    splits: tuple[int | None, ...]
    unknown: dict[str, int]
    """Images left out, by class folder."""


def matches(tree: SourceTree) -> bool:
    """True when the tree holds image files."""
    return bool(tree.with_suffix(*IMAGE_SUFFIXES))


def read(tree: SourceTree, progress: Progress | None = None) -> Faces:
    """A tree of face images as `Faces`.

    An empty class folder, class folders that are only numbers, no class folder with an emotion's
    name, and split folders for some classes only raise `FerturbError`. Images that can't be read
    are left out and named in ``notes`` and ``info["unreadable"]``.
    """
    images = list_images(tree)
    missing = [i for i, split in enumerate(images.splits) if split is None]
    if missing and len(missing) < len(images.names):
        other = next(i for i, split in enumerate(images.splits) if split is not None)
        raise FerturbError(
            f"{tree.path}: {images.names[missing[0]]} lies in no split folder, "
            f"{images.names[other]} does; {EXPECTED}, not both"
        )
    splits = np.array([split or 0 for split in images.splits], np.uint8)
    faces = decode_images(tree, images, splits, progress)
    completed, notes = complete_splits(faces.labels.numpy(), faces.splits.numpy())
    absent = [EMOTIONS[i] for i in range(len(EMOTIONS)) if not (faces.labels == i).any()]
    if absent:
        notes += (f"no faces of {', '.join(absent)} in this source",)
    return replace(
        faces,
        splits=torch.from_numpy(completed),
        source=f"folders of images ({tree.path.name})",
        notes=faces.notes + notes,
    )


def list_images(tree: SourceTree) -> ImageList:
    """The images of a tree with the labels and splits their folders give, sorted by name."""
    found = tree.with_suffix(*IMAGE_SUFFIXES)
    if not found:
        raise FerturbError(f"{tree.path} has no images in it; {EXPECTED}")
    labels: dict[str, int | None] = {}
    splits: dict[str, int | None] = {}
    for folder in {name.rpartition("/")[0] for name in found}:
        *above, own = folder.split("/")
        labels[folder] = emotion_label(own)
        codes = (split_code(part) for part in reversed(above))
        splits[folder] = next((code for code in codes if code is not None), None)
    _require_classes(tree, labels)
    known = tuple(name for name in found if labels[name.rpartition("/")[0]] is not None)
    unknown = Counter(
        name.split("/")[-2] if "/" in name else "" for name in set(found) - set(known)
    )
    folders = [name.rpartition("/")[0] for name in known]
    return ImageList(
        names=known,
        labels=tuple(label for f in folders if (label := labels[f]) is not None),
        splits=tuple(splits[f] for f in folders),
        unknown=dict(sorted(unknown.items())),
    )


def decode_images(
    tree: SourceTree, images: ImageList, splits: np.ndarray, progress: Progress | None
) -> Faces:
    """The listed images as `Faces`, with notes on what was left out."""
    pixels, readable, unreadable = decode_faces(
        lambda name: tree.read(name, MAX_IMAGE_BYTES),
        {name: tree.members[name] for name in images.names},
        progress,
    )
    names = tuple(name for name, ok in zip(images.names, readable, strict=True) if ok)
    folders, whole = ({name.rpartition("/")[0] for name in some} for some in (images.names, names))
    for lost in sorted(folders - whole):
        reason = next(x["reason"] for x in unreadable if x["name"].startswith(f"{lost}/"))
        raise FerturbError(
            f"{tree.path}: none of the images in {lost} can be read ({reason}); "
            "copy or download it again"
        )
    notes: list[str] = []
    info: dict[str, Any] = {"form": "images", "unreadable": list(unreadable)}
    if unreadable:
        notes.append(unreadable_note(unreadable))
    if images.unknown:
        shown = ", ".join(f"{name or '(no folder)'} ({n})" for name, n in images.unknown.items())
        notes.append(f"{sum(images.unknown.values())} images of unknown classes left out: {shown}")
        info["unknown_classes"] = images.unknown
    return Faces(
        images=torch.from_numpy(pixels if readable.all() else pixels[readable]),
        labels=torch.tensor(images.labels, dtype=torch.int64)[torch.from_numpy(readable)],
        splits=torch.from_numpy(splits[readable]),
        names=names,
        source=str(tree.path.name),
        notes=tuple(notes),
        info=info,
    )


def _require_classes(tree: SourceTree, labels: dict[str, int | None]) -> None:
    full = set(labels)
    for folder in sorted(tree.folders - full):
        if emotion_label(folder.rpartition("/")[2]) is not None:
            raise FerturbError(
                f"{tree.path}: the class folder {folder} holds no images; "
                "put its images there or remove the folder"
            )
    if any(label is not None for label in labels.values()):
        return
    classes = sorted({folder.rpartition("/")[2] for folder in full} - {""})
    shown = ", ".join(classes[:8]) + (", …" if len(classes) > 8 else "")
    if classes and all(name.isdigit() for name in classes):
        raise FerturbError(
            f"{tree.path}: the class folders are numbers ({shown}), and datasets number their "
            f"emotions differently; rename them to {', '.join(EMOTIONS)}"
        )
    raise FerturbError(
        f"{tree.path}: {EXPECTED} with emotions {', '.join(EMOTIONS)}; "
        f"found {f'the class folders {shown}' if classes else 'images in no class folder'}"
    )
