"""Photos made for tests: drawn faces pasted on a plain wall."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

from ferturb.data.drawn.synthetic import draw
from ferturb.predict.detection import Detections
from ferturb.predict.geometry import overlap

FOUND = (0, 1, 2, 5)
"""Drawn faces (of seed 11) that the detector knows for faces."""


def portrait(
    faces: int = 1, side: int = 120, angle: float = 0.0, size: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """RGB pixels (h, w, 3), and the boxes (n, 4) of the drawn faces, from left to right."""
    drawn = draw(8, seed=11).images.numpy()
    width, height = size or (200 * faces, 220)
    wall = np.linspace(150, 190, width)[None, :] + np.zeros((height, 1))
    image = Image.fromarray(wall.astype(np.uint8))
    edge = side // 12
    mask = np.zeros((side, side), np.uint8)
    mask[edge:-edge, edge:-edge] = 255
    soft = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(edge / 2))
    boxes = []
    for i in range(faces):
        x, y = width * (2 * i + 1) // (2 * faces), height // 2
        patch = Image.fromarray(drawn[FOUND[i % len(FOUND)]]).resize((side, side))
        turned = patch.rotate(angle, Image.Resampling.BICUBIC)
        image.paste(turned, (x - side // 2, y - side // 2), soft.rotate(angle))
        boxes.append((x - side / 2, y - side / 2, x + side / 2, y + side / 2))
    return np.asarray(image.convert("RGB")), np.array(boxes, np.float32)


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """An image file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


class Told:
    """A detector that is told where the faces are."""

    def __init__(self, boxes: np.ndarray) -> None:
        self.boxes = boxes.astype(np.float32)

    def __call__(self, pixels: np.ndarray) -> Detections:
        return Detections(self.boxes, np.ones(len(self.boxes), np.float32))


def matched(found: np.ndarray, true: np.ndarray, least: float = 0.3) -> tuple[int, int]:
    """How many of the true boxes were found, and how many found boxes touch none of them."""
    if not len(found) or not len(true):
        return 0, len(found)
    overlaps = overlap(found, true)
    return int((overlaps.max(0) >= least).sum()), int((overlaps.max(1) < 0.1).sum())
