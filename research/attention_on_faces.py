"""Does attention lie on the face? Attention inside the face's hull against that around it.

    python -m research.attention_on_faces --data fer2013.zip RUN [RUN ...]

A RUN is a finished run of `ferturb train --method attention`, or an attention.onnx as
`tools/ship_attention.py` writes it. Faces are those of PublicTest whose landmarks are trusted
(confidence above one half) and whose hull, the region `face`, leaves a twentieth of the image free.
Each map is scaled to 0 … 1 first:

- `inside`, `outside`: the map's mean over the hull's pixels, and over all others;
- `other`: its mean over the hull of another face (the next one). As far as `inside` is above it,
  the map follows the face at hand, not only the place where faces are;
- `share`: how much of the map's sum is inside, beside `area`, the hull's share of the image;
- `peak`: how many of the maps have their highest value inside; `mean_peak`: row and column of
  the highest value of the maps' mean, from 0.

`results/attention_on_faces.csv` has a row for each network, map (the network's attention
map, and each gate) and emotion, with 95 % t intervals over faces of inside − outside.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from ferturb.base.config import DatasetConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.pixels import as_input
from ferturb.base.storage import write_rows
from ferturb.data.faces import Faces
from ferturb.evaluation.significance import student
from ferturb.features.altered import landmarks_of, load_dataset
from ferturb.features.regions import region
from ferturb.models.device import prepare_process
from ferturb.perturb.clusters import unit_range
from ferturb.runs.run import Run
from ferturb.web.attention import AttentionFinder

TRUSTED = 0.5
FREE = 0.05
"""Least share of an image that is beside the face's hull."""
OUT = Path("results/attention_on_faces.csv")


@dataclass(frozen=True)
class OnFace:
    """Of n maps of attention, each scaled to 0 … 1, where they lie; shares are 0 … 1."""

    inside: Float[np.ndarray, " n"]
    outside: Float[np.ndarray, " n"]
    other: Float[np.ndarray, " n"]
    share: Float[np.ndarray, " n"]
    area: Float[np.ndarray, " n"]
    peak: Bool[np.ndarray, " n"]


def on_face(maps: Float[np.ndarray, "n h w"], hulls: Bool[np.ndarray, "n h w"]) -> OnFace:
    """How each map lies on its face; a hull is True on the face.

    A flat map is 0 everywhere, and its share nan.
    """
    scaled = unit_range(maps.astype(np.float64))
    next_hulls = np.roll(hulls, -1, 0)
    total = scaled.sum((1, 2))
    highest = scaled.reshape(len(maps), -1).argmax(1)
    with np.errstate(invalid="ignore"):
        return OnFace(
            (scaled * hulls).sum((1, 2)) / hulls.sum((1, 2)),
            (scaled * ~hulls).sum((1, 2)) / (~hulls).sum((1, 2)),
            (scaled * next_hulls).sum((1, 2)) / next_hulls.sum((1, 2)),
            (scaled * hulls).sum((1, 2)) / total,
            hulls.mean((1, 2)),
            hulls.reshape(len(maps), -1)[np.arange(len(maps)), highest],
        )


def row_of(found: OnFace, chosen: Bool[np.ndarray, " n"]) -> dict[str, Any]:
    """The means of the chosen faces, and the interval of the difference."""
    difference = (found.inside - found.outside)[chosen]
    interval = student(difference).interval()
    means = {f.name: getattr(found, f.name)[chosen].mean() for f in fields(found)}
    row = {"faces": int(chosen.sum())} | {name: round(float(v), 4) for name, v in means.items()}
    ends = {"difference": difference.mean(), "low": interval.low, "high": interval.high}
    return row | {name: round(float(v), 4) for name, v in ends.items()}


def maps_of(
    source: Path, images: UInt8[Tensor, "n h w"]
) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """What a network is, and its maps by name: `attention`, and each gate if it is a run."""
    if source.suffix == ".onnx":
        finder = AttentionFinder(source, 1)
        about = finder.about
        described = {"network": about["network"], "gates": "shipped", "accuracy": about["accuracy"]}
        return described, {"attention": finder(images.numpy())}
    run = Run.open(source).require_done()
    record, model, classifier = run.record(), run.config.model, run.load_classifier()
    with torch.inference_mode():
        batches = images.split(256)  # type: ignore[no-untyped-call]
        gates = torch.cat([classifier.gate_maps(as_input(b)) for b in batches], 1).numpy()
        attention = torch.cat([classifier.attention_maps(as_input(b)) for b in batches]).numpy()
    described = {
        "network": f"{model.name}, {record['epochs']} epochs",
        "gates": model.attention_at,
        "seed": run.config.seed,
        "accuracy": round(record["validation_accuracy"], 4),
    }
    each = {f"gate {i}": gate for i, gate in enumerate(gates, 1)} if len(gates) > 1 else {}
    return described, {"attention": attention} | each


def rows(
    sources: list[Path], faces: Faces, hulls: Bool[np.ndarray, "n h w"]
) -> Iterator[dict[str, Any]]:
    """The table."""
    labels = faces.labels.numpy()
    for source in sources:
        about, maps = maps_of(source, faces.images)
        for name, attention in maps.items():
            found = on_face(attention, hulls)
            for emotion, chosen in [
                ("all", labels >= 0),
                *((e, labels == i) for i, e in enumerate(EMOTIONS)),
            ]:
                mean = attention[chosen].mean(0)
                peak = np.unravel_index(int(mean.argmax()), mean.shape)
                row = row_of(found, chosen) | {"mean_peak": f"{peak[0]} {peak[1]}"}
                yield about | {"map": name, "emotion": emotion} | row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--data", default="fer2013.zip")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    prepare_process("cpu", 1)
    faces = load_dataset(DatasetConfig(options.data)).split("validation")
    landmarks = landmarks_of(faces)
    hulls = region(landmarks.points, "face")
    used = (landmarks.confidence > TRUSTED) & (hulls.float().mean((1, 2)) <= 1 - FREE)
    found = list(rows(options.sources, faces.select(used.nonzero()[:, 0]), hulls[used].numpy()))
    columns = list(dict.fromkeys(name for row in found for name in row))
    write_rows(options.out, found, columns)
    for row in found:
        if row["emotion"] == "all":
            print({name: row.get(name) for name in columns})


if __name__ == "__main__":
    main()
