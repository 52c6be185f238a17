"""Draw the web page's example pictures: ``python tools/draw_examples.py``.

Seven drawn faces, one an emotion, and a picture of four people, as PNG files that the package
ships: drawing needs torch, and the page does without. They were picked by hand out of 280, most
of them such that *clean* recognises them; it was trained on photographs, and names no drawn face
disgust.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

import ferturb
from ferturb.base.storage import write_bytes
from ferturb.data.drawn.synthetic import draw

FOLDER = Path(ferturb.__file__).parent / "web" / "page" / "examples"
FACES, SEED, SIZE = 280, 17, 144
PICKED: dict[str, int] = {
    "happy": 136,
    "surprise": 250,
    "neutral": 83,
    "sad": 123,
    "fear": 100,
    "angry": 182,
    "disgust": 197,
}
PEOPLE: tuple[tuple[int, int, int], ...] = ((129, 50, 6), (201, 70, -4), (130, 40, 3), (55, 62, -7))
"""Of the picture of four: which face, how far down, tilted by how many degrees."""


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
    for emotion, number in PICKED.items():
        write(Image.fromarray(faces[number]), emotion)
    write(group(faces), "group")


if __name__ == "__main__":
    main()
