"""Draw the web page's example pictures: ``python tools/draw_examples.py``.

One drawn face an emotion, and a picture of four people, as PNG files that the package ships:
drawing needs torch, and the page does without. Of `FACES` the one is taken that every shipped model
recognises and the least sure of them is surest about. An emotion that no drawn face shows to all
of them surely is left out, and said: the models were trained on photographs.
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
from ferturb.data.drawn.synthetic import draw
from ferturb.predict.shipped import NAMES, load_pretrained

FOLDER = Path(ferturb.__file__).parent / "web" / "page" / "examples"
FACES, SEED, SIZE = 1400, 17, 144
LEAST = 0.6
"""The probability that every model has to give a face's emotion."""
PEOPLE: tuple[tuple[int, int, int], ...] = ((129, 50, 6), (201, 70, -4), (130, 40, 3), (55, 62, -7))
"""Of the picture of four: which face, how far down, tilted by how many degrees."""


def surest(faces: np.ndarray) -> dict[str, int]:
    """For each emotion the number of the face that all models are surest about."""
    models = [load_pretrained(name, 1) for name in NAMES]
    shown = [face_of(Image.fromarray(face)) for face in faces]
    least, sure = np.ones((len(faces), len(EMOTIONS))), np.ones(len(faces), bool)
    for model in models:
        rows = model.predict_proba(np.array(shown))
        least = np.minimum(least, rows)
        sure &= rows.max(1) >= model.about.abstain_below
    found = {}
    for i, emotion in enumerate(EMOTIONS):
        number = int(np.where(sure, least[:, i], 0).argmax())
        print(f"{emotion}: face {number}, {least[number, i]:.0%} by the least sure model")
        if sure[number] and least[number, i] >= LEAST:
            found[emotion] = number
    return found


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
    faces = draw(FACES, SEED, SIZE).images.numpy()
    found = surest(faces)
    for emotion in EMOTIONS:
        if emotion in found:
            write(Image.fromarray(faces[found[emotion]]), emotion)
        else:
            (FOLDER / f"{emotion}.png").unlink(missing_ok=True)
            print(f"no sure face for {emotion}: take it out of page/intake.js as well")
    write(group(faces), "group")


if __name__ == "__main__":
    main()
