"""Keep what tables are made from: logits per face, in float16, under results/logits.

    python -m research.keep_logits fer2013.zip RUN RUN …

Of run folders results/logits/runs/NAME.npz (`ferturb.runs.packed`); of every shipped model
results/logits/shipped/NAME.npz, the logarithms of each head's calibrated probabilities with the
model's own test-time augmentation, for PublicTest and PrivateTest. Nothing is chosen by them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_arrays
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.predict.shipped import FOLDER, NAMES, PretrainedModel, load_pretrained
from ferturb.runs.packed import packed, write_packed
from ferturb.runs.run import finished_runs

LOGITS = Path(__file__).parents[1] / "results" / "logits"


def shipped_logits(model: PretrainedModel, faces: Faces) -> dict[str, NDArray[np.generic]]:
    """`SPLIT_calibrated` of the head that answers, `HEAD_SPLIT_calibrated` of others (float16), and
    `labels_SPLIT` (bytes)."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for split in ("validation", "test"):
        chosen = faces.split(split)
        for head, found in model.predict_heads(chosen.images.numpy()).items():
            prefix = "" if head == model.about.head else f"{head}_"
            logits = np.log(found.astype(np.float64)).astype(np.float16)
            arrays[f"{prefix}{split}_calibrated"] = logits
        arrays[f"labels_{split}"] = chosen.labels.numpy().astype(np.uint8)
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="*")
    options = parser.parse_args()
    for run in finished_runs(options.runs) if options.runs else []:
        write_packed(LOGITS / "runs" / f"{run.name}.npz", packed(run))
    faces = load_faces(DatasetConfig(str(options.data.absolute())))
    for name in NAMES:
        if (FOLDER / f"{name}.onnx").exists():
            (LOGITS / "shipped").mkdir(parents=True, exist_ok=True)
            logits = shipped_logits(load_pretrained(name, threads=1), faces)
            write_arrays(LOGITS / "shipped" / f"{name}.npz", logits)


if __name__ == "__main__":
    main()
