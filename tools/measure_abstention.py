"""How often the predictor answers what it can't know, and how a bound on landmarks changes that.

    python tools/measure_abstention.py --data fer2013.zip --votes fer2013new.csv \
        --out results/abstention.csv

On PublicTest's faces and on inputs that show none or next to none: noise, blank squares, crops of
scikit-learn's two sample photos (a temple, a flower), PublicTest's faces cut into 8×8 blocks and
shuffled, and the same with three quarters of them covered. For each pretrained model and each
bound on the landmarks' confidence: the share that is answered, and of these the share that is
what most people say (FER+'s majority; a face without one of the seven has no right answer). Needs
scikit-learn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from sklearn.datasets import load_sample_images

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_rows
from ferturb.data.sources import load_faces
from ferturb.data.votes import fer_plus_labels
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.predict.shipped import NAMES, load_pretrained

BOUNDS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
OTHERS = 1000
OUTCOMES = ("answered %", "right %")


def noise(rng: np.random.Generator) -> np.ndarray:
    """Uniform noise, half of it blurred by up to 4 pixels."""
    found = []
    for i in range(OTHERS):
        image = Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8))
        blurred = image.filter(ImageFilter.GaussianBlur(4 * rng.random())) if i % 2 else image
        found.append(np.asarray(blurred))
    return np.stack(found)


def blank(rng: np.random.Generator) -> np.ndarray:
    """Squares of one grey, half of them with a gradient, a tenth exactly black or white."""
    levels = rng.integers(0, 256, OTHERS)
    levels[: OTHERS // 10] = 255 * (np.arange(OTHERS // 10) % 2)
    slopes = np.where(np.arange(OTHERS) % 2, rng.uniform(-3, 3, OTHERS), 0)
    rows = np.arange(48) - 24
    values = levels[:, None, None] + slopes[:, None, None] * rows[None, :, None]
    return np.broadcast_to(values, (OTHERS, 48, 48)).clip(0, 255).astype(np.uint8)


def no_faces(rng: np.random.Generator) -> np.ndarray:
    """Crops of 48 to 300 pixels of photos without people."""
    photos = [Image.fromarray(photo).convert("L") for photo in load_sample_images().images]
    found = []
    for i in range(OTHERS):
        photo, side = photos[i % len(photos)], int(rng.integers(48, 300))
        x, y = (int(rng.integers(0, limit - side)) for limit in photo.size)
        found.append(np.asarray(photo.crop((x, y, x + side, y + side)).resize((48, 48))))
    return np.stack(found)


def blocks(faces: np.ndarray) -> np.ndarray:
    """(n, 48, 48) -> (n, 36, 8, 8)."""
    return faces.reshape(-1, 6, 8, 6, 8).swapaxes(2, 3).reshape(-1, 36, 8, 8)


def joined(parts: np.ndarray) -> np.ndarray:
    """The inverse of `blocks`."""
    return parts.reshape(-1, 6, 6, 8, 8).swapaxes(2, 3).reshape(-1, 48, 48)


def shuffled(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each face's blocks in an order of their own."""
    return joined(np.stack([part[rng.permutation(36)] for part in blocks(faces)]))


def covered(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """27 of each face's 36 blocks grey."""
    parts = blocks(faces).copy()
    for part in parts:
        part[rng.permutation(36)[:27]] = 128
    return joined(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--votes", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    data = DatasetConfig(arguments.data, votes=arguments.votes)
    public, rng = load_faces(data).split("validation"), np.random.default_rng(0)
    assert public.votes is not None
    faces, labels = public.images.numpy(), fer_plus_labels(public.votes.numpy())
    some = faces[:OTHERS]
    inputs = {
        "PublicTest": faces,
        "three quarters covered": covered(some, rng),
        "shuffled": shuffled(some, rng),
        "noise": noise(rng),
        "blank": blank(rng),
        "no face": no_faces(rng),
    }
    finder, rows = LandmarkFinder(2), []
    confidences = {what: finder(shown).confidence for what, shown in inputs.items()}
    for name in NAMES:
        model = load_pretrained(name, threads=2)
        for what, shown in inputs.items():
            p = model.predict_proba(shown)
            for bound in BOUNDS:
                sure = p.max(1) >= model.about.abstain_below
                answered = sure & (confidences[what] >= bound)
                row: dict[str, object] = {"model": name, "input": what, "n": len(shown)}
                row |= {"landmarks from": bound, "answered %": f"{100 * answered.mean():.1f}"}
                if what in ("PublicTest", "three quarters covered") and answered.any():
                    right = (p.argmax(1) == labels[: len(shown)])[answered].mean()
                    row["right %"] = f"{100 * right:.1f}"
                rows.append(row)
                print(row, flush=True)
    write_rows(arguments.out, rows, ["model", "input", "n", "landmarks from", *OUTCOMES])


if __name__ == "__main__":
    main()
