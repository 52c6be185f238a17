"""How far the ONNX files of the pretrained models stay from torch, on PrivateTest.

    FERTURB_DATA=folder python tools/measure_onnx.py --out results/onnx_parity.csv

For every pretrained model the package has: the graph it ships with, and what `ferturb export
--data fer2013.zip` makes of it as float32, float16 and int8 (ranges set on 512 training faces).
Each against the same weights in torch: the largest difference of a probability, the share of the
faces with the same most probable emotion, and both accuracies.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_rows
from ferturb.data.sources import load_faces
from ferturb.export.comparison import Exported, compare, in_torch
from ferturb.export.onnx import FORMATS, calibrated_onnx, faces_to_calibrate_on
from ferturb.export.torch_models import calibrated_module
from ferturb.predict.shipped import FOLDER, NAMES


def measured(
    name: str, faces: np.ndarray, labels: np.ndarray, some: np.ndarray, folder: Path
) -> list[Exported]:
    """The shipped graph first, then every format of export."""
    module, about = calibrated_module(name)
    expected = in_torch(module, faces)
    model = calibrated_onnx(module, about)
    found = [compare(module, FOLDER / f"{name}.onnx", "as shipped", faces, labels, expected)]
    for format, make in FORMATS.items():
        path = folder / f"{name}-{format}.onnx"
        path.write_bytes(make(model, some).SerializeToString())
        found.append(compare(module, path, format, faces, labels, expected))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=list(NAMES))
    parser.add_argument("--faces", type=int, help="of PrivateTest; all if left out")
    options = parser.parse_args()
    source = Path(os.environ.get("FERTURB_DATA", ".")) / "fer2013.zip"
    data = load_faces(DatasetConfig(str(source)))
    test, some = data.split("test"), faces_to_calibrate_on(data.split("train"))
    order = np.random.default_rng(0).permutation(len(test))[: options.faces]
    faces, labels = test.images.numpy()[order], test.labels.numpy()[order]
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            try:
                found = measured(name, faces, labels, some, Path(folder))
            except FerturbError as error:
                print(f"{name} left out: {error}")
                continue
            for one in found:
                row = {k: v for k, v in one.to_dict().items() if k != "path"}
                row["max_difference"] = f"{one.max_difference:.2e}"
                row |= {k: round(row[k], 5) for k in row if k.startswith(("acc", "agree"))}
                rows.append({"model": name, **row})
                print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
