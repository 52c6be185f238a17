"""FER+ labels for FER2013 (Barsoum et al., ICMI 2016; arXiv 1608.01041).

``fer2013new.csv`` has the votes of ten people for each row of ``fer2013.csv``, in its order, over
ten classes: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
(no face). The label is the majority as the authors' program takes it: votes of a single person
are dropped as outliers, then a class needs more than half of what is left.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ferturb.base.emotions import emotion_label
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.data.readers.fer2013 import USAGES

VOTES: tuple[str, ...] = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    *("unknown", "nf"),
)
LARGEST_DIFFERENCE = 6.0
"""Mean absolute difference in grey levels up to which a JPEG is the row it was made from. It was
about 1.4 on the few rows of the Kaggle archive that were compared; the nearest other photo of the
same emotion and split is rarely below 10 unless it is a duplicate."""
LEAST_AGREEMENT = 0.4
"""Below this share of unchanged labels the rows are taken to be in another order. The authors'
order keeps well over half of FER2013's labels; a wrong one keeps about a fifth."""

_LABELS = np.array([label if (label := emotion_label(v)) is not None else -1 for v in VOTES])


@dataclass(frozen=True)
class Votes:
    """The rows of fer2013new.csv: split code, image name ("" where removed), class or −1."""

    splits: Int64[np.ndarray, " r"]
    names: tuple[str, ...]
    classes: Int64[np.ndarray, " r"]
    """Index into `VOTES` of the majority, −1 where there is none."""


def majority(votes: Int64[np.ndarray, "r 10"]) -> Int64[np.ndarray, " r"]:
    """Index of the class with more than half of the votes, single votes dropped; −1 for none.

    >>> majority(np.array([[6, 3, 1, 0, 0, 0, 0, 0, 0, 0], [4, 4, 2, 0, 0, 0, 0, 0, 0, 0]]))
    array([ 0, -1])
    """
    counted = np.where(votes <= 1, 0, votes)
    best = counted.argmax(1)
    return np.where(2 * counted.max(1) > counted.sum(1), best, -1)


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
            votes[i] = [int(float(row[place])) for place in places]
        except (ValueError, IndexError) as error:
            raise FerturbError(
                f"{path}, row {i + 1}: expected a Usage and {len(VOTES)} numbers of votes, "
                f"got {','.join(row)[:60]!r}; copy or download it again"
            ) from error
    names = tuple(row[name].strip() for row in rows[1:])
    return Votes(splits, names, majority(votes))


def apply_fer_plus(faces: Faces, path: Path, rows: Faces | None = None) -> Faces:
    """`faces` with FER+ labels; those whose majority is none of the seven emotions left out.

    Faces find their votes by their row in ``fer2013.csv`` (faces read from it or from
    icml_face_data.csv), or by a name such as ``fer0000123.png``. The numbers in the file names of
    the Kaggle image archive are not row numbers: for these, `rows` must be the faces of
    ``fer2013.csv``; each image is matched to the row with the same split, the same emotion and
    the nearest pixels, and left out when the nearest is not near enough.

    Raises `FerturbError` when the votes can't belong to these faces.
    """
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
    classes = np.where(row_of < 0, -2, votes.classes[row_of.clip(0)])
    labels = np.where(classes < 0, -1, _LABELS[classes.clip(0)])
    kept = torch.from_numpy(np.nonzero(labels >= 0)[0])
    changed = int((labels != faces.labels.numpy())[labels >= 0].sum())
    left_out = {
        "no majority": int((classes == -1).sum()),
        **{VOTES[i]: int((classes == i).sum()) for i in np.nonzero(_LABELS < 0)[0]},
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


def _rows_by_name(faces: Faces, votes: Votes) -> Int64[np.ndarray, " n"] | None:
    if faces.info.get("form") == "rows":
        return np.array([int(name.rpartition("_")[2]) for name in faces.names], np.int64)
    files = [name.rpartition("/")[2] for name in faces.names]
    if files and all(re.fullmatch(r"fer\d{7}\.\w+", name) for name in files):
        stems = {Path(name).stem: row for row, name in enumerate(votes.names) if name}
        return np.array([stems.get(Path(name).stem, -1) for name in files], np.int64)
    return None


def _rows_by_pixels(faces: Faces, rows: Faces, path: Path) -> Int64[np.ndarray, " n"]:
    if rows.info.get("form") != "rows":
        raise FerturbError(
            f"can't match images to the rows of {path.name}: expected the faces of fer2013.csv, "
            f"got {rows.source}"
        )
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
    labels = np.where(votes.classes[rows] < 0, -1, _LABELS[votes.classes[rows].clip(0)])
    agreed = (labels == faces.labels.numpy()[found])[labels >= 0]
    if len(agreed) >= 100 and agreed.mean() < LEAST_AGREEMENT:
        raise FerturbError(
            f"{path}: only {agreed.mean():.0%} of its labels agree with {faces.source}, so that "
            f"its rows must be in another order; {advice}"
        )
