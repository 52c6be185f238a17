"""FER+ labels for FER2013 (Barsoum et al., ICMI 2016; arXiv 1608.01041).

``fer2013new.csv`` has the votes of ten people for each row of ``fer2013.csv``, in its order, over
the ten classes of `VOTES`. The label is the majority (`ferturb.data.votes`).

A face finds its row by its place in ``fer2013.csv``, by its image's name in FER+ (the column *Image
name*, e.g. ``fer0000123.png``; the number is not the row's), or by its name in the Kaggle archive:
which image each file of the archive is, ``fer_plus_images.npz`` says. That was found by comparing
pixels with the original images (root mean square difference of at most 2.02 grey levels); 119 files
have an exact copy in their split with other votes, and which is which can't be known.
"""

from __future__ import annotations

import csv
import functools
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ferturb.base.emotions import VOTES
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.readers.fer2013 import USAGES
from ferturb.data.votes import LABELS, majority

IMAGES = Path(__file__).with_name("fer_plus_images.npz")
"""Which image of FER+ each file of the Kaggle archive is."""
NO_IMAGE = 2**16 - 1
"""In place of an image's number."""
LARGEST_DIFFERENCE = 6.0
"""Mean absolute difference in grey levels up to which a JPEG is the row it was made from. It was
about 1.4 on the few rows of the Kaggle archive that were compared; the nearest other photo of the
same emotion and split is rarely below 10 unless it is a duplicate."""
LEAST_AGREEMENT = 0.4
"""Below this share of unchanged labels the rows are taken to be in another order. The authors'
order keeps well over half of FER2013's labels; a wrong one keeps about a fifth."""
MOST = 255
"""Votes that one class of a face can have, as `Faces` keeps them."""


@dataclass(frozen=True)
class Votes:
    """The rows of fer2013new.csv: split code, image name ("" where removed), votes."""

    splits: Int64[np.ndarray, " r"]
    names: tuple[str, ...]
    counts: Int64[np.ndarray, "r 10"]
    """In the order of `VOTES`."""


def read_votes(path: Path) -> Votes:
    """Read fer2013new.csv. Missing columns and rows that are not votes raise `FerturbError`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FerturbError(f"can't read the FER+ labels {path}: {error}") from error
    columns = [column.strip().lower() for column in rows[0]] if rows else []
    missing = [c for c in ("usage", "image name", *VOTES) if c not in columns]
    if missing:
        raise FerturbError(
            f"{path}: missing column {', '.join(missing)}; expected the FER+ file fer2013new.csv "
            f"(Usage, Image name, {', '.join(VOTES)})"
        )
    usage, name = columns.index("usage"), columns.index("image name")
    places = [columns.index(vote) for vote in VOTES]
    votes = np.zeros((len(rows) - 1, len(VOTES)), np.int64)
    splits = np.zeros(len(rows) - 1, np.int64)
    for i, row in enumerate(rows[1:]):
        try:
            splits[i] = USAGES.index(row[usage].strip())
            votes[i] = [_count(row[place]) for place in places]
        except (ValueError, IndexError) as error:
            raise FerturbError(
                f"{path}, row {i + 1}: expected a Usage and {len(VOTES)} numbers of votes, 0 to "
                f"{MOST}, got {','.join(row)[:60]!r}; copy or download it again"
            ) from error
    names = tuple(row[name].strip() for row in rows[1:])
    return Votes(splits, names, votes)


def _count(cell: str) -> int:
    """A number of votes; what is none raises `ValueError`."""
    number = float(cell)
    if not (0 <= number <= MOST and number.is_integer()):
        raise ValueError
    return int(number)


def with_votes(faces: Faces, path: Path, rows: Faces | None = None) -> Faces:
    """The same faces with the votes of ``fer2013new.csv``; 0 for a face that it doesn't have.

    `rows` and errors as for `apply_fer_plus`.
    """
    votes, row_of = _matched(faces, path, rows)
    counts = np.where(row_of[:, None] < 0, 0, votes.counts[row_of.clip(0)])
    note = f"FER+ votes for {int((row_of >= 0).sum()):,} of {len(faces):,} faces"
    chosen = torch.from_numpy(counts.astype(np.uint8))
    return replace(faces, votes=chosen, notes=(*faces.notes, note))


def apply_fer_plus(faces: Faces, path: Path, rows: Faces | None = None) -> Faces:
    """`faces` with FER+ labels; those whose majority is none of the seven emotions left out.

    Faces find their votes as the module says. Those of an archive whose file names aren't known
    need `rows`, the faces of ``fer2013.csv``: each image is matched to the row with the same split,
    the same emotion and the nearest pixels, and left out when the nearest is not near enough.

    Raises `FerturbError` when the votes can't belong to these faces.
    """
    votes, row_of = _matched(faces, path, rows)
    classes = np.where(row_of < 0, -2, majority(votes.counts[row_of.clip(0)]))
    labels = np.where(classes < 0, -1, LABELS[classes.clip(0)])
    kept = torch.from_numpy(np.nonzero(labels >= 0)[0])
    changed = int((labels != faces.labels.numpy())[labels >= 0].sum())
    left_out = {
        "no majority": int((classes == -1).sum()),
        **{VOTES[i]: int((classes == i).sum()) for i in np.nonzero(LABELS < 0)[0]},
        "no row": int((classes == -2).sum()),
    }
    shown = ", ".join(f"{name} ({count})" for name, count in left_out.items() if count)
    note = f"FER+ labels: {changed} of {len(kept)} labels differ from FER2013's; " + (
        f"{sum(left_out.values())} images left out: {shown}" if shown else "no image left out"
    )
    chosen = faces.select(kept)
    return replace(
        chosen,
        labels=torch.from_numpy(labels)[kept],
        source=f"{faces.source} with FER+ labels",
        notes=(*faces.notes, note),
        info={**faces.info, "fer_plus_left_out": left_out},
    )


def image_numbers(faces: Faces) -> Int64[np.ndarray, " n"] | None:
    """The number of each face's image in FER+, by the face's name: 123 of ``fer0000123.png``.

    −1 for a face that FER+ has no image of; None where the names say nothing about that.
    """
    stems = [Path(name).stem for name in faces.names]
    if stems and all(re.fullmatch(r"fer\d{7}", stem) for stem in stems):
        return np.array([int(stem[3:]) for stem in stems], np.int64)
    parts = [stem.partition("_") for stem in stems]
    if not parts or any(usage not in USAGES or not n.isdecimal() for usage, _, n in parts):
        return None
    if faces.info.get("form") == "rows":  # their names are rows, not files
        return None
    files = _archive()
    keys = [(USAGES.index(usage), int(n)) for usage, _, n in parts]
    places = [
        files.get((*key, label), files.get(key, -1))
        for key, label in zip(keys, faces.labels.tolist(), strict=True)
    ]
    known = sum(place >= 0 for place in places)
    return np.array(places, np.int64) if 2 * known > len(places) else None


@functools.cache
def _archive() -> dict[tuple[int, ...], int]:
    """(split, file's number, label) -> image, and without the label where that is enough."""
    with np.load(IMAGES, allow_pickle=False) as arrays:
        numbers, images, labels = (arrays[k].tolist() for k in ("numbers", "images", "labels"))
        splits = np.repeat(np.arange(len(USAGES)), arrays["sizes"]).tolist()
    found: dict[tuple[int, ...], int] = {}
    for split, number, label, image in zip(splits, numbers, labels, images, strict=True):
        found[split, number, label] = found[split, number] = -1 if image == NO_IMAGE else image
    return found


def _matched(faces: Faces, path: Path, rows: Faces | None) -> tuple[Votes, Int64[np.ndarray, " n"]]:
    """The votes of a file, and the row of each face in it; −1 for none."""
    votes = read_votes(path)
    row_of = _rows_by_name(faces, votes)
    if row_of is None and rows is not None:
        row_of = _rows_by_pixels(faces, rows, path)
    if row_of is None:
        raise FerturbError(
            f"can't tell which rows of {path.name} belong to {faces.source}: FER+ goes by the "
            f"rows of fer2013.csv; give fer2013.csv as the source, or put it beside {path.name}"
        )
    _check(faces, votes, row_of, path)
    return votes, row_of


def _rows_by_name(faces: Faces, votes: Votes) -> Int64[np.ndarray, " n"] | None:
    if faces.info.get("form") == "rows":
        return np.array([int(name.rpartition("_")[2]) for name in faces.names], np.int64)
    numbers = image_numbers(faces)
    if numbers is None:
        return None
    # Of four names that stand at two rows, the first is the one among its neighbours.
    rows = {name: row for row, name in reversed(list(enumerate(votes.names))) if name}
    return np.array([rows.get(f"fer{number:07d}.png", -1) for number in numbers], np.int64)


def _rows_by_pixels(faces: Faces, rows: Faces, path: Path) -> Int64[np.ndarray, " n"]:
    if rows.info.get("form") != "rows":
        raise FerturbError(
            f"can't match images to the rows of {path.name}: expected the faces of fer2013.csv, "
            f"got {rows.source}"
        )
    faces, rows = faces.view(), rows.view()
    row_number = torch.tensor([int(name.rpartition("_")[2]) for name in rows.names])
    result = torch.full((len(faces),), -1, dtype=torch.int64)
    mine, theirs = (some.splits.long() * 7 + some.labels for some in (faces, rows))
    for group in set(mine.tolist()):
        here, there = (torch.nonzero(codes == group).flatten() for codes in (mine, theirs))
        if not len(there):
            continue
        near = there[_nearest(faces.images[here], rows.images[there])]
        apart = (faces.images[here].short() - rows.images[near].short()).abs().float()
        same = apart.mean((1, 2)) <= LARGEST_DIFFERENCE
        result[here[same]] = row_number[near[same]]
    return result.numpy()


def _nearest(a: Tensor, b: Tensor) -> Tensor:
    """For each face of `a` the face of `b` nearest in 12×12 pixels."""
    small_a, small_b = (avg_pool2d(x[:, None].float(), 4).flatten(1) for x in (a, b))
    blocks = torch.split(small_a, 2048)
    return torch.cat([torch.cdist(block, small_b).argmin(1) for block in blocks])


def _check(faces: Faces, votes: Votes, row_of: Int64[np.ndarray, " n"], path: Path) -> None:
    found = row_of >= 0
    advice = "expected the fer2013new.csv that belongs to this copy of FER2013"
    if not found.any() or row_of.max() >= len(votes.names):
        raise FerturbError(
            f"{path} has {len(votes.names):,} rows, and the faces of {faces.source} are not "
            f"among them; {advice}"
        )
    rows = row_of[found]
    if (votes.splits[rows] != faces.splits.numpy()[found]).any():
        raise FerturbError(f"{path}: Usage differs from the splits of {faces.source}; {advice}")
    classes = majority(votes.counts[rows])
    labels = np.where(classes < 0, -1, LABELS[classes.clip(0)])
    agreed = (labels == faces.labels.numpy()[found])[labels >= 0]
    if len(agreed) >= 100 and agreed.mean() < LEAST_AGREEMENT:
        raise FerturbError(
            f"{path}: only {agreed.mean():.0%} of its labels agree with {faces.source}, so that "
            f"its rows must be in another order; {advice}"
        )
