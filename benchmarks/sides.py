"""What faces of other sides and in colour cost: memory and time a face.

Drawn faces, tinted as skin; milliseconds of processor time a face on one thread: reading a PNG
file of that size, finding landmarks, leaving the mouth out (mean), drawing a surgical mask, one
training step of a network (forward, backward, update; no augmentation). The least of some rounds.

    python benchmarks/sides.py --faces 64 --rounds 3
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable

import torch
from PIL import Image
from torch.nn import functional as F

from ferturb.base.config import FAST, ModelConfig
from ferturb.base.pixels import as_input
from ferturb.base.raster import PLAIN, Raster
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces
from ferturb.data.readers.images import decode_face
from ferturb.features.landmarks import find_landmarks
from ferturb.features.masks.wear import wear
from ferturb.features.regions import region
from ferturb.features.removal import without
from ferturb.models.classifier import Classifier
from ferturb.training.optimizer import build_optimizer

RASTERS = (PLAIN, Raster(48, 3), Raster(100, 1), Raster(100, 3), Raster(224, 3))
SKIN = torch.tensor([1.0, 0.84, 0.75]).view(3, 1, 1)


def drawn(n: int, raster: Raster) -> torch.Tensor:
    faces: Faces = synthetic_faces(n, 0, raster.side).view(*raster)
    if raster.channels == 1:
        return faces.images
    return (faces.images * SKIN).round().to(torch.uint8)


def png(face: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    pixels = face.permute(1, 2, 0) if face.ndim == 3 else face
    Image.fromarray(pixels.contiguous().numpy()).save(stream, "PNG")
    return stream.getvalue()


def training_step(images: torch.Tensor, name: str, raster: Raster) -> Callable[[], object]:
    network = Classifier(ModelConfig(name), raster).to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(network, FAST)
    labels = torch.arange(len(images)) % 7

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(as_input(images)), labels).backward()
        optimizer.step()

    return step


def measured(n: int, rounds: int, model: str, raster: Raster) -> dict[str, object]:
    images = drawn(n, raster)
    files, points = [png(face) for face in images], find_landmarks(images).points
    size = (raster.side, raster.side)
    work: dict[str, Callable[[], object]] = {
        "read": lambda: [decode_face(data, raster) for data in files],
        "landmarks": lambda: find_landmarks(images),
        "leave out": lambda: without(images, region(points, "mouth", size), "mean"),
        "mask": lambda: wear(images, points, "surgical", 0),
        "train": training_step(images, model, raster),
    }
    row: dict[str, object] = {"faces": str(raster), "bytes": images[0].numel()}
    for name, run in work.items():
        run()
        best = float("inf")
        for _ in range(rounds):
            start = time.process_time()
            run()
            best = min(best, time.process_time() - start)
        row[name] = round(1000 * best / n, 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="compact-tiny")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for raster in RASTERS:
        print(json.dumps(measured(options.faces, options.rounds, options.model, raster)))


if __name__ == "__main__":
    main()
