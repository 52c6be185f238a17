"""What a reader found in a source, and the one set of rules by which it becomes `Faces`.

- A class that is none of the seven emotions is left out and reported, never guessed; so are faces
  whose split can't be told where others' can, and images that can't be read.
- Numbered classes need an order (`ferturb.data.vocabulary`).
- An emotion may be missing; a missing validation or test split is drawn from training.
- FER2013 is recognised by its content (`fer2013_content`).

A source is refused when nothing is left, when most of it would be left out for its split, or when
no image of an emotion can be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import SPLITS, Faces
from ferturb.data.memory import readable_ones
from ferturb.data.readers.fer2013_content import ENOUGH, Recognition, recognise
from ferturb.data.readers.images import unreadable_note
from ferturb.data.splits import complete_splits
from ferturb.data.vocabulary import ORDERS, Class, labels_of, split_code

SIZES: tuple[int, ...] = (28_709, 3_589, 3_589)
"""FER2013's faces per split."""

Pixels = tuple[UInt8[np.ndarray, "n *c s s"], Bool[np.ndarray, " n"], Sequence[dict[str, str]]]
"""Faces, which of them could be read, and the names and reasons of the others."""


class OrderError(FerturbError):
    """Numbered labels that nobody gave an order; `counts` has how many there are by split."""

    def __init__(self, text: str, counts: Mapping[str, Mapping[str, int]] | None = None) -> None:
        super().__init__(text)
        self.counts = dict(counts or {})


@dataclass(frozen=True)
class Rows:
    """The faces of a source as it has them, one entry each, before any rule.

    ``splits`` are words, or None where the source says nothing; ``pixels`` gives the faces at some
    positions.
    """

    names: Sequence[str]
    classes: Sequence[Class]
    splits: Sequence[str | None]
    pixels: Callable[[Int64[np.ndarray, " m"]], Pixels] = field(repr=False)


@dataclass(frozen=True)
class Source:
    """What is known of a source beside its rows.

    - ``where``: its path, for errors; ``form``: what it is, for people.
    - ``order``: what numbered labels mean, as the user says.
    - ``own_order``: whether the form itself numbers the emotions as FER2013 does.
    """

    where: str
    form: str
    order: Mapping[int, str] | None = None
    own_order: bool = False
    notes: Sequence[str] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


def faces_of(rows: Rows, source: Source) -> Faces:
    """Rows as `Faces`: every rule of this module applies here and nowhere else."""
    notes = list(source.notes)
    order = dict(enumerate(EMOTIONS)) if source.own_order and not source.order else source.order
    labels, bare = labels_of(rows.classes, order)
    given = np.array(labels, np.int64)
    unknown = _unknown(rows, given, source.where, notes)
    splits, kept = _splits(rows, given, source.where, notes)
    if bare and len(kept) < sum(SIZES) // 2:  # too few to be FER2013, which tells its own order
        raise _order_error(source.where, given[kept], splits[kept])
    images, readable, unreadable = rows.pixels(kept)
    _require_readable(source.where, given[kept], splits[kept], readable, unreadable)
    images, kept = readable_ones(images, readable), kept[readable]
    if unreadable:
        notes.append(unreadable_note(unreadable))
    found = recognise(images)
    numbered = bare or (source.own_order and not source.order and _numbered(rows, kept))
    meaning = found.meaning(given[kept]) if numbered else None
    if bare and meaning is None:
        raise _order_error(source.where, given[kept], splits[kept])
    info = {**source.info, "unreadable": list(unreadable)}
    faces = Faces(
        torch.from_numpy(np.ascontiguousarray(images)),
        torch.from_numpy(_meant(given[kept], meaning, numbered, notes)),
        torch.from_numpy(splits[kept]),
        tuple(rows.names[i] for i in kept.tolist()),
        source=f"{source.form} ({Path(source.where).name})",
        notes=tuple(notes),
        info=info | ({"unknown_classes": unknown} if unknown else {}),
    )
    return _completed(faces, found, source.form)


def _unknown(
    rows: Rows, labels: Int64[np.ndarray, " n"], where: str, notes: list[str]
) -> dict[str, int]:
    """The classes that are none of the emotions, with how many images each; said in the notes."""
    missing = np.flatnonzero(labels < 0).tolist()
    counted = Counter("" if rows.classes[i] is None else str(rows.classes[i]) for i in missing)
    shown = [f"{name[:40] or '(none)'} ({n})" for name, n in sorted(counted.items())]
    words = ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")
    if len(missing) == len(rows.classes):
        raise FerturbError(
            f"{where}: none of the classes is one of {', '.join(EMOTIONS)}; "
            f"found {words or 'no faces'}"
        )
    if missing:
        notes.append(f"{len(missing)} images of unknown classes left out: {words}")
    return dict(sorted(counted.items()))


def _splits(
    rows: Rows, labels: Int64[np.ndarray, " n"], where: str, notes: list[str]
) -> tuple[UInt8[np.ndarray, " n"], Int64[np.ndarray, " m"]]:
    """Split codes, and the positions of the faces that have a label and a split.

    Where no face says its split all are training; where some do, the others are left out.
    """
    known = {word: None if word is None else split_code(word) for word in set(rows.splits)}
    codes = np.array([-1 if (c := known[word]) is None else c for word in rows.splits])
    labelled = labels >= 0
    lost = labelled & (codes < 0)
    if lost.any() and (labelled & (codes >= 0)).any():
        words = Counter(rows.splits[i] or "none" for i in np.flatnonzero(lost).tolist())
        shown = ", ".join(f"{word[:40]} ({n})" for word, n in words.most_common(5))
        if 2 * lost.sum() >= labelled.sum():
            raise FerturbError(
                f"{where}: the split of {lost.sum()} of {labelled.sum()} faces can't be told "
                f"(named: {shown}); give all of them one of train, validation, test, or none"
            )
        notes.append(f"{lost.sum()} images whose split can't be told left out: named {shown}")
        labelled &= ~lost
    elif lost.any() and any(word for word in rows.splits):
        shown = ", ".join(sorted({word for word in rows.splits if word})[:5])
        notes.append(f"splits named {shown} are unknown: all faces are training faces")
    return codes.clip(0).astype(np.uint8), np.flatnonzero(labelled)


def _require_readable(
    where: str,
    labels: Int64[np.ndarray, " m"],
    splits: UInt8[np.ndarray, " m"],
    readable: Bool[np.ndarray, " m"],
    unreadable: Sequence[Mapping[str, str]],
) -> None:
    """Raise `FerturbError` where an emotion's images of a split are unreadable, all of them."""
    groups = splits.astype(np.int64) * 2**32 + labels
    for group in np.unique(groups[~readable]).tolist():
        own = groups == group
        if not readable.any() or (own.sum() > 1 and not readable[own].any()):
            label, split = group % 2**32, SPLITS[group // 2**32]
            emotion = EMOTIONS[label] if label < len(EMOTIONS) else f"class {label}"
            first = unreadable[int((~readable[: int(np.argmax(own)) + 1]).sum()) - 1]
            raise FerturbError(
                f"{where}: none of the {split} images of {emotion} can be read "
                f"({first['name']}: {first['reason']}); replace or remove them"
            )


def _numbered(rows: Rows, kept: Int64[np.ndarray, " m"]) -> bool:
    return any(isinstance(rows.classes[i], int) for i in kept.tolist())


def _order_error(
    where: str, labels: Int64[np.ndarray, " m"], splits: UInt8[np.ndarray, " m"]
) -> OrderError:
    numbers = sorted(set(labels.tolist()))
    shown = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
    counts = {
        split: {str(n): int(((labels == n) & (splits == code)).sum()) for n in numbers}
        for code, split in enumerate(SPLITS)
    }
    return OrderError(
        f"{where}: the classes are numbers ({shown}), and datasets number their emotions "
        f"differently; say which with --label-order (label_order in Python): {', '.join(ORDERS)}, "
        "or the emotions in order",
        counts,
    )


def _meant(
    labels: Int64[np.ndarray, " m"],
    meaning: tuple[int, ...] | None,
    numbered: bool,
    notes: list[str],
) -> Int64[np.ndarray, " m"]:
    """Labels by what the faces say their numbers mean; what was assumed or changed is noted."""
    own = tuple(range(len(EMOTIONS)))
    if meaning is None:
        if numbered:
            shown = ", ".join(f"{i} {emotion}" for i, emotion in enumerate(EMOTIONS))
            notes.append(f"numbers taken as fer2013.csv numbers the emotions: {shown}")
        return labels
    if meaning != own:
        shown = ", ".join(f"{i} {EMOTIONS[label]}" for i, label in enumerate(meaning))
        notes.append(f"FER2013's faces show another order of labels, used: {shown}")
    return np.asarray(np.array(meaning, np.int64)[labels])


def _completed(faces: Faces, found: Recognition, form: str) -> Faces:
    """The faces with a missing split drawn, called FER2013 where they are, and what is missing."""
    labels, splits = faces.labels.numpy(), faces.splits.numpy()
    sizes = tuple(np.bincount(splits, minlength=len(SPLITS)).tolist())
    right = found.in_place(labels, splits)
    genuine = right >= ENOUGH and all(a <= b for a, b in zip(sizes, SIZES, strict=True))
    completed, notes = complete_splits(labels, splits)
    more: list[str] = []
    if genuine and sizes != SIZES:
        official, own = (" / ".join(f"{n:,}" for n in counts) for counts in (SIZES, sizes))
        more.append(f"FER2013 has {official} faces in {' / '.join(SPLITS)}, this copy {own}")
    elif not genuine and found.share > 1 - ENOUGH:
        more.append(
            f"{found.share:.0%} of a sample of FER2013's faces are among these, {right:.0%} with "
            "its split and label: not called FER2013, nor set beside the paper's numbers"
        )
    absent = [e for i, e in enumerate(EMOTIONS) if not (labels == i).any()]
    if absent:
        more.append(f"no faces of {', '.join(absent)} in this source")
    train = labels[completed == 0]
    lost = [e for i, e in enumerate(EMOTIONS) if e not in absent and not (train == i).any()]
    if lost and len(train):
        more.append(f"no training faces of {', '.join(lost)} in this source")
    return replace(
        faces,
        splits=torch.from_numpy(completed),
        source=f"FER2013 ({form})" if genuine else faces.source,
        kind="fer2013" if genuine else "folder",
        notes=(*faces.notes, *more, *notes),
    )
