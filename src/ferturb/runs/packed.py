"""A finished run as one small file: its logits in float16, its history, what ran it, its config.

Weights and cluster maps stay behind. Everything that a table says of a run can be made from it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferturb.base.config import RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_bytes
from ferturb.runs.run import Run

_ABOUT = "about"


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
    run.require_done()
    with np.load(run.folder / "logits.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return Packed(run.config, run.history(), run.record(), arrays)


def write_packed(path: Path, run: Packed) -> None:
    """One npz file: logits as float16, labels as bytes, the rest as JSON."""
    small = {
        name: array.astype(np.uint8 if "labels" in name else np.float16)
        for name, array in run.logits.items()
    }
    about = {"history": run.history, "record": run.record, "config": run.config.to_dict()}
    small[_ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **small)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def read_packed(path: Path) -> Packed:
    """What `write_packed` wrote; `FerturbError` for another file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop(_ABOUT).tobytes())
    except (OSError, ValueError, KeyError) as error:
        raise FerturbError(
            f"{path} is not a packed run ({type(error).__name__}); give a file that "
            "`tools/leaving_out.py --keep` or `research.keep_logits` wrote"
        ) from error
    config = RunConfig.from_dict(about["config"])
    return Packed(config, about["history"], about["record"], arrays)
