"""The files of a run folder, read and checked: what is damaged or foreign raises `FerturbError`.

Each function reads one file and gives nothing that its callers would have to doubt.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ferturb.base.arrays import Integers
from ferturb.base.config.fields import require_form
from ferturb.base.config.network import HEADS
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.reading import reading
from ferturb.base.storage import read_arrays, read_object, write_arrays
from ferturb.base.tensors import load_tensors
from ferturb.data.faces import SPLITS
from ferturb.training.checkpoint import Epoch

Arrays = dict[str, NDArray[np.generic]]
Row = TypeVar("Row")
RECORD = "_record"
"""Under this name the arrays of an analysis have the record of how it was made."""
_OF = "_of"
"""Under this name a record says which analysis of which run it is."""
AGAIN = "remove it and give the command again that made it"
ANALYSE_AGAIN = "delete it and analyse the run again"


class Data(TypedDict, total=False):
    """The faces a run is trained on."""

    source: str
    kind: str
    hash: str
    arrays: dict[str, str]
    """The hashes of what the faces have beside pixels, labels and splits."""
    notes: list[str]
    counts: dict[str, dict[str, int]]


class Hardware(TypedDict):
    """What a run was trained on, and with which number format."""

    processor: str
    cores: int | None
    threads: int
    memory_gib: float
    device: str
    precision: str


class Record(TypedDict, total=False):
    """run.json; what is there has these forms, whichever version of ferturb wrote it."""

    versions: dict[str, str | None]
    commit: str | None
    dirty: bool | None
    started: str
    resumed_with: list[str | None]
    data: Data
    """From the start on; a run of an earlier ferturb has it from its end on."""
    notes: list[str]
    """What a reader should know about how the training went."""
    hardware: Hardware
    parameters: int
    finished: str
    seconds: float
    epochs: int
    best_epoch: int
    validation_accuracy: float | None
    """None where there were no validation faces."""


def read_record(path: Path, finished: bool = False) -> dict[str, Any]:
    """run.json; with `finished` that of a training that went to its end, which has a best epoch."""
    data = read_object(path)
    with reading(path, "the record of a run", AGAIN):
        require_form(Record, data, "it")
        if data.get("best_epoch", 0 if finished else 1) < 1:
            raise ValueError("it names no best epoch")
        for split, row in data.get("data", {}).get("counts", {}).items():
            if split not in SPLITS or set(row) != set(EMOTIONS):
                raise ValueError("its counts are not of each split and emotion")
    return data


def read_history(path: Path) -> list[Epoch]:
    """history.csv, one row an epoch from 1 on; none where there is no file."""
    if not path.exists():
        return []
    with reading(path, "the history of a training", AGAIN):
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        found = [
            Epoch(int(row.pop("epoch")), **{k: float(v) for k, v in row.items()}) for row in rows
        ]
        if [epoch.epoch for epoch in found] != list(range(1, len(found) + 1)):
            raise ValueError("its epochs are not 1, 2, 3, …")
        return found


def of_epoch(rows: Sequence[Row], epoch: int, path: Path) -> Row:
    """What a file keeps of an epoch, counted from 1; `FerturbError` where it has fewer."""
    if epoch > len(rows):
        raise FerturbError(
            f"{path} has {len(rows)} epochs, and run.json says that epoch {epoch} was the best; "
            "remove the run's folder and train again"
        )
    return rows[epoch - 1]


def read_progress(path: Path) -> dict[str, int | float]:
    """progress.json, all numbers; {} where it is missing or damaged, for it is only shown."""
    try:
        data = read_object(path)
    except FerturbError:
        return {}
    numbers = {k: v for k, v in data.items() if isinstance(v, int | float)}
    return numbers if set(SHOWN) <= set(numbers) and numbers["steps"] > 0 else {}


SHOWN = ("epoch", "epochs", "step", "steps", "faces_per_second")
"""What progress.json holds."""


def read_logits(path: Path) -> Arrays:
    """The arrays of logits.npz: ``labels_SPLIT`` (n,), 0 … 6, ``SPLIT_AUGMENTATION`` (n, 7), of a
    second head ``HEAD_SPLIT_AUGMENTATION``, and where there are votes ``votes_SPLIT`` (n, 10)."""
    arrays = read_arrays(path, AGAIN)
    check_logits(arrays, path)
    return arrays


def check_logits(arrays: Mapping[str, NDArray[np.generic]], path: Path) -> None:
    """Raise `FerturbError` unless these have labels and, for each label, logits."""
    with reading(path, "the labels and logits of a run", AGAIN):
        labels = {
            split: arrays[f"labels_{split}"] for split in SPLITS if f"labels_{split}" in arrays
        }
        if not labels:
            raise ValueError("it has no labels")
        for split, known in labels.items():
            n, last = len(EMOTIONS), known.max(initial=0) if known.dtype.kind in "iu" else -1
            if known.ndim != 1 or not 0 <= last < n or known.min(initial=0) < 0:
                raise ValueError(f"labels_{split} are not numbers from 0 to {n - 1}")
            for name in arrays:
                shape, kind = arrays[name].shape, arrays[name].dtype.kind
                own = re.match(rf"(whole_)?(({'|'.join(HEADS)})_)?{split}_", name)
                if own and (kind != "f" or shape != (len(known), n)):
                    raise ValueError(f"{name} is not {n} logits for each of {len(known)} labels")


def read_maps(path: Path) -> Int64[Integers, "e h w"] | None:
    """The cluster map of each epoch; None where there is no file."""
    if not path.exists():
        return None
    maps = load_tensors(path)[0].get("maps")
    if maps is None or maps.ndim != 3 or maps.is_floating_point():
        raise FerturbError(f"{path} holds no cluster maps (epochs, height, width); {AGAIN}")
    return maps.long().numpy()


def read_analysis(path: Path) -> tuple[Arrays, dict[str, Any]] | None:
    """The arrays and the record of an analysis; None for one of an early ferturb, without one.

    One that lies with another run or under another name than it was made for raises
    `FerturbError`, unless an earlier ferturb made it, which didn't say.
    """
    arrays = read_arrays(path, ANALYSE_AGAIN)
    kept = arrays.pop(RECORD, None)
    if kept is None:
        return None
    with reading(path, "an analysis of a run", ANALYSE_AGAIN):
        record = json.loads(str(kept))
        if not isinstance(record, dict) or not isinstance(record.get("data", {}), dict):
            raise ValueError("its record is not a JSON object")
    made_for = record.pop(_OF, None)
    if made_for is not None and made_for != _owner(path):
        raise FerturbError(f"{path} is not {path.stem} of this run; {ANALYSE_AGAIN}")
    return arrays, record


def write_analysis(
    path: Path, arrays: Mapping[str, NDArray[np.generic]], record: Mapping[str, Any]
) -> None:
    """Write an analysis into its run's folder, with its record and whose it is, as one file."""
    text = json.dumps({**record, _OF: _owner(path)})
    write_arrays(path, {RECORD: np.array(text), **arrays})


def _owner(path: Path) -> str:
    """A hash of an analysis' name and of its run's config, whatever the run's folder is called."""
    config = read_object(path.parents[1] / "config.json")
    text = json.dumps([path.stem, config], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
