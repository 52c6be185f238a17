"""Winograd's convolutions in an ONNX graph, against the graph that onnxruntime optimises itself.

The networks of the shipped models, each looking once, by batch. Rounds measure both in turn on one
thread; a ratio is taken within a round, and the median over rounds is reported, with the largest
difference of a probability.

    python benchmarks/convolutions.py
    python benchmarks/convolutions.py --models clean --batches 64 --processor-time
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from ferturb.export.one_look import graph_of
from ferturb.export.onnx import example_faces
from ferturb.export.winograd import with_winograd
from ferturb.predict.onnx_session import OnnxModel
from ferturb.predict.shipped import NAMES


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", nargs="+", choices=NAMES, default=list(NAMES))
    add("--batches", nargs="+", type=int, default=[1, 16, 64])
    add("--faces", type=int, default=256, help="that each is asked about in a round")
    add("--rounds", type=int, default=5)
    add("--processor-time", action="store_true", help="in place of wall-clock: for a busy machine")
    add("--json", action="store_true")
    return parser.parse_args()


def opened(model: onnx.ModelProto, folder: Path, name: str) -> OnnxModel:
    onnx.save(model, folder / name)
    return OnnxModel(folder / name, 1)


def main() -> None:
    options = parsed()
    clock = time.process_time if options.processor_time else time.perf_counter
    faces = example_faces(options.faces)

    def answers(model: OnnxModel, batch: int) -> tuple[float, np.ndarray]:
        """Milliseconds a face, and the probabilities."""
        start = clock()
        parts = [model.run({"faces": faces[i : i + batch]})[0] for i in range(0, len(faces), batch)]
        return 1000 * (clock() - start) / len(faces), np.concatenate(parts)

    rows = []
    with TemporaryDirectory() as folder:
        for name in options.models:
            direct, _ = graph_of(name)
            pair = [
                opened(model, Path(folder), f"{name}-{i}.onnx")
                for i, model in enumerate((direct, with_winograd(direct)))
            ]
            for batch in options.batches:
                for model in pair:
                    model.run({"faces": faces[:batch]})
                rounds = [[answers(model, batch) for model in pair] for _ in range(options.rounds)]
                times = np.array([[one[0] for one in both] for both in rounds])
                row = {
                    "model": name,
                    "batch": batch,
                    "direct, ms": round(statistics.median(times[:, 0]), 3),
                    "Winograd, ms": round(statistics.median(times[:, 1]), 3),
                    "ratio": round(statistics.median(times[:, 0] / times[:, 1]), 2),
                    "difference": float(np.abs(rounds[0][0][1] - rounds[0][1][1]).max()),
                }
                rows.append(row)
                if not options.json:
                    print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
