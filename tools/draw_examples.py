"""Draw the web page's example pictures: ``python tools/draw_examples.py``.

One drawn face an emotion, and a picture of four people, as PNG files that the package ships:
drawing needs torch, and the page does without. Of `FACES` drawn ones the one is taken that all
shipped models surely recognise; for an emotion without any, of `MORE` that all show it. An emotion
that they don't see surely in these either is left out, and said: they learnt from photographs.
`tests/web/test_examples.py` asks every model of every face, those of the picture of four as well.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

import ferturb
from ferturb.base.decode import face_of
from ferturb.base.emotions import EMOTIONS
from ferturb.base.storage import write_bytes
from ferturb.data.drawn.action_units import sample_units
from ferturb.data.drawn.synthetic import draw, draw_with
from ferturb.predict.shipped import NAMES, load_pretrained

FOLDER = Path(ferturb.__file__).parent / "web" / "page" / "examples"
FACES, MORE, SEED, SIZE = 1400, 800, 17, 144
LEAST = 0.6
"""The probability from which a model counts as sure, if its own threshold is not higher."""
PEOPLE: tuple[tuple[int, int, int], ...] = (
    (129, 50, 6),
    (1237, 70, -4),
    (130, 40, 3),
    (804, 62, -7),
)
"""Of the picture of four: which face, how far down, tilted by how many degrees. Faces that the
detector finds on the wall, and all models then recognise."""


def surest(faces: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """For each emotion the number of the face drawn to show it of which every model is sure, and
    which they find the most probable; emotions without any are missing."""
    shown = np.array([face_of(Image.fromarray(face)) for face in faces])
    sure, mean = (np.zeros((len(faces), len(EMOTIONS)), kind) for kind in (int, float))
    for name in NAMES:
        model = load_pretrained(name, 1)
        rows = model.predict_proba(shown)
        sure += rows >= max(LEAST, model.about.abstain_below)
        mean = mean + rows / len(NAMES)
    own = labels[:, None] == np.arange(len(EMOTIONS))
    best = np.where(own, sure + mean, -1).argmax(0).tolist()
    for i, emotion in enumerate(EMOTIONS):
        if not own[:, i].any():
            continue
        print(f"{emotion}: face {best[i]}, {sure[best[i], i]} of {len(NAMES)} models are sure")
    of_all = own.any(0) & (sure[best, range(len(EMOTIONS))] == len(NAMES))
    return {e: best[i] for i, e in enumerate(EMOTIONS) if of_all[i]}


def among_more(emotion: str) -> np.ndarray | None:
    """The face of which every model is sure, among people who all show the emotion."""
    labels = torch.full((MORE,), EMOTIONS.index(emotion))
    for seed in (SEED, SEED + 1):
        faces: np.ndarray = draw_with(sample_units(labels, seed), seed, SIZE).images.numpy()
        found = surest(faces, labels.numpy())
        if emotion in found:
            return np.asarray(faces[found[emotion]])
    return None


def group(faces: np.ndarray) -> Image.Image:
    """Four faces on a wall."""
    wall = np.linspace(160, 190, 640)[None, :] + np.zeros((260, 1))
    picture = Image.fromarray(wall.astype(np.uint8))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[10:-10, 10:-10] = 255
    soft = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(5))
    for i, (number, down, angle) in enumerate(PEOPLE):
        turned = Image.fromarray(faces[number]).rotate(angle, Image.Resampling.BICUBIC)
        picture.paste(turned, (12 + 157 * i, down), soft.rotate(angle))
    return picture


def write(image: Image.Image, name: str) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    write_bytes(FOLDER / f"{name}.png", buffer.getvalue())
    print(f"{name}.png: {buffer.tell():,} bytes")


def main() -> None:
    torch.set_num_threads(1)
    drawn = draw(FACES, SEED, SIZE)
    faces = drawn.images.numpy()
    found = surest(faces, drawn.labels.numpy())
    for emotion in EMOTIONS:
        shown = faces[found[emotion]] if emotion in found else among_more(emotion)
        if shown is not None:
            write(Image.fromarray(shown), emotion)
        else:
            (FOLDER / f"{emotion}.png").unlink(missing_ok=True)
            print(f"no sure face for {emotion}: take it out of page/intake.js as well")
    write(group(faces), "group")


if __name__ == "__main__":
    main()
