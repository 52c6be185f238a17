"""A finished run as one small file: its logits in float16, its history, what ran it, its config.

Weights and cluster maps stay behind. Everything that a table says of a run can be made from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferturb.base.config import RunConfig
from ferturb.base.reading import reading
from ferturb.base.storage import read_arrays, write_arrays
from ferturb.runs import contents
from ferturb.runs.run import LOGITS, Run

_ABOUT = "about"
_ADVICE = "give a file that `tools/leaving_out.py --keep` or `research.keep_logits` wrote"


@dataclass(frozen=True)
class Packed:
    """What is kept of a run."""

    config: RunConfig
    history: Sequence[Mapping[str, float]]
    record: Mapping[str, Any]
    logits: Mapping[str, NDArray[np.generic]]
    """As in the run's logits.npz: labels_SPLIT, SPLIT_AUGMENTATION."""


def packed(run: Run) -> Packed:
    """A finished run; `FerturbError` for one that isn't."""
    logits = contents.read_logits(run.require_done().folder / LOGITS)
    return Packed(run.config, run.history(), run.record(), logits)


def write_packed(path: Path, run: Packed) -> None:
    """One npz file: logits as float16, labels as bytes, the rest as JSON, where data have their
    names and no folders."""
    small: dict[str, NDArray[np.generic]] = {
        name: array.astype(np.uint8 if "labels" in name else np.float16)
        for name, array in run.logits.items()
    }
    data = run.config.dataset
    paths = {name: getattr(data, name) for name in ("source", "fer_plus", "votes")}
    names: dict[str, Any] = {k: Path(p).name for k, p in paths.items() if p is not None}
    data = replace(data, **names)
    start = run.config.published_weights
    published = None if start is None else Path(start).name
    config = replace(run.config, dataset=data, published_weights=published).to_dict()
    about = {"history": run.history, "record": run.record, "config": config}
    small[_ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, small)


def read_packed(path: Path) -> Packed:
    """What `write_packed` wrote; `FerturbError` for another or a damaged file."""
    arrays = read_arrays(path, _ADVICE)
    with reading(path, "a packed run", _ADVICE):
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        contents.check_logits(arrays, path)
        config = RunConfig.from_dict(about["config"])
        return Packed(config, list(about["history"]), dict(about["record"]), arrays)
