"""How faces found in photos are best cut out: margin, and how far to follow the landmarks.

    FERTURB_DATA=folder python tools/choose_alignment.py --out results/alignment.csv

PublicTest's faces, which nothing was trained on, are pasted into photos of 960×720 pixels, 20 a
photo, 110 to 150 px large; in half of the trials tilted by up to 30° either way. The detector finds
them; every way to cut them out is tried on the same boxes, and *clean* names their emotions. The
accuracy is over the faces that were found, and is the same faces' for every way.

First a grid on every third photo, then its best three, and the way in use, on all photos. Chosen
is the best mean of upright and tilted accuracy on all photos. PrivateTest takes no part.

`--model` also takes an ONNX file: `ferturb export clean --format int8 --data fer2013.zip` makes one
that names the same emotion for 99 % of the faces in a third of the time.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_rows
from ferturb.data.sources import load_faces
from ferturb.predict.alignment import FOLLOW, MARGIN, align
from ferturb.predict.detection import make_detector
from ferturb.predict.geometry import overlap
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.predict.shipped import PretrainedModel, load_pretrained

WIDTH, HEIGHT, COLUMNS, ROWS = 960, 720, 5, 4
TOGETHER = COLUMNS * ROWS
TILTS = {"upright": 0.0, "tilted": 30.0}
MARGINS = (0.76, 0.84, 0.92, 1.0, 1.08, 1.16, 1.24)
FOLLOWS: tuple[float | None, ...] = (None, 0.0, 0.5, 1.0)
Way = tuple[float, float | None]
"""Margin, and how far the landmarks are followed (None: the square stands, unturned)."""


@dataclass(frozen=True)
class Found:
    """A photo's faces that the detector found: their boxes, and their labels."""

    grey: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def background(rng: np.random.Generator) -> Image.Image:
    """A smooth random field with grain."""
    field = Image.fromarray(rng.uniform(30, 220, (5, 7)).astype(np.uint8))
    smooth = np.asarray(field.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(float)
    return Image.fromarray((smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8))


def composed(
    faces: np.ndarray, most_tilt: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A grey photo of up to 20 faces with softened outlines, and their true boxes (n, 4)."""
    image, boxes = background(rng), []
    for i, face in enumerate(faces):
        side, angle = int(rng.integers(110, 151)), rng.uniform(-most_tilt, most_tilt)
        x = WIDTH * (2 * (i % COLUMNS) + 1) // (2 * COLUMNS)
        y = HEIGHT * (2 * (i // COLUMNS) + 1) // (2 * ROWS)
        edge = side // 12
        inner = np.zeros((side, side), np.uint8)
        inner[edge:-edge, edge:-edge] = 255
        mask = Image.fromarray(inner).filter(ImageFilter.GaussianBlur(edge / 2))
        patch = Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC)
        patch, mask = (
            p.rotate(angle, Image.Resampling.BICUBIC, expand=True) for p in (patch, mask)
        )
        image.paste(patch, (x - patch.width // 2, y - patch.height // 2), mask)
        boxes.append((x - side / 2, y - side / 2, x + side / 2, y + side / 2))
    return np.asarray(image), np.array(boxes, np.float32)


def find(faces: np.ndarray, labels: np.ndarray, most_tilt: float) -> list[Found]:
    """Photos of all the faces, with the boxes that the detector finds them in."""
    detector, rng, found = make_detector("centerface", 1), np.random.default_rng(0), []
    for start in range(0, len(faces), TOGETHER):
        grey, true = composed(faces[start : start + TOGETHER], most_tilt, rng)
        detections = detector(np.repeat(grey[..., None], 3, 2))
        boxes = detections.boxes
        overlaps = overlap(boxes, true) if len(boxes) else np.zeros((0, len(true)))
        pairs = [(int(o.argmax()), i) for i, o in enumerate(overlaps.T) if o.max(initial=0) >= 0.3]
        which = [box for box, _ in pairs]
        found.append(
            Found(grey, boxes[which], labels[start : start + TOGETHER][[i for _, i in pairs]])
        )
    return found


def accuracy(
    photos: list[Found], way: Way, model: PretrainedModel, finder: LandmarkFinder
) -> float:
    """Share of the found faces whose emotion is named right, cut out in one way."""
    margin, follow = way
    faces = [align(photo.grey, photo.boxes, finder, margin, follow).faces for photo in photos]
    said = model.predict_proba(np.concatenate(faces)).argmax(1)
    return float((said == np.concatenate([photo.labels for photo in photos])).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="clean")
    parser.add_argument("--photos", type=int, help="at most; all if left out")
    options = parser.parse_args()
    source = Path(os.environ.get("FERTURB_DATA", ".")) / "fer2013.zip"
    data = load_faces(DatasetConfig(str(source))).split("validation")
    order = np.random.default_rng(0).permutation(len(data))
    order = order[: None if options.photos is None else TOGETHER * options.photos]
    faces, labels = data.images.numpy()[order], data.labels.numpy()[order]
    model, finder = load_pretrained(options.model, threads=1), LandmarkFinder(1)
    whole = float((model.predict_proba(faces).argmax(1) == labels).mean())
    photos = {name: find(faces, labels, tilt) for name, tilt in TILTS.items()}
    rows: list[dict[str, object]] = []

    def tried(way: Way, every: int) -> float:
        scores = {n: accuracy(p[::every], way, model, finder) for n, p in photos.items()}
        shown = {n: sum(len(photo.labels) for photo in p[::every]) for n, p in photos.items()}
        mean = float(np.mean(list(scores.values())))
        follow = "square" if way[1] is None else way[1]
        row: dict[str, object] = {"model": Path(options.model).name}
        row |= {"margin": way[0], "follow": follow}
        row |= {"photos": "all" if every == 1 else "every third"}
        row |= {f"faces_{n}": count for n, count in shown.items()}
        row |= {f"accuracy_{n}": round(score, 4) for n, score in scores.items()}
        rows.append(row | {"accuracy_mean": round(mean, 4)})
        print(rows[-1], flush=True)
        return mean

    grid = {way: tried(way, 3) for way in ((m, f) for m in MARGINS for f in FOLLOWS)}
    best = sorted(grid, key=lambda way: -grid[way])[:3]
    final = {way: tried(way, 1) for way in dict.fromkeys([*best, (MARGIN, FOLLOW)])}
    chosen = max(final, key=lambda way: final[way])
    found = {n: sum(len(photo.labels) for photo in p) / len(faces) for n, p in photos.items()}
    print(f"uncut faces: {whole:.4f}; found: {found}; chosen: margin, follow = {chosen}")
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
