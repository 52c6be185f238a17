"""The faces cut out of one photo, before they are classified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ferturb.base.decode import central_square
from ferturb.predict.alignment import align, square
from ferturb.predict.detection import SURE, Detector
from ferturb.predict.geometry import reading_order
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.predict.photos import Photo, grey, whole_face

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

LIKELY_A_FACE = 0.3
"""Landmarks this sure confirm a box that the detector is unsure of."""


@dataclass(frozen=True)
class Crop:
    """One face of a photo.

    - ``face``: uint8 (48, 48).
    - ``box``: left, top, right, bottom in the photo's pixels, as it is shown.
    - ``score``: how sure the detector is, 0 … 1.
    - ``place``: the similarity from the face's pixels to the photo's, as it is shown.
    """

    face: UInt8[np.ndarray, "48 48"]
    box: tuple[float, float, float, float]
    score: float
    place: Float[np.ndarray, "2 3"]


def found_crops(photo: Photo, detector: Detector, finder: LandmarkFinder) -> tuple[Crop, ...]:
    """The faces of a photo, in `reading_order`: boxes that are sure, or in which landmarks are
    found."""
    detections = detector(photo.pixels)
    aligned = align(grey(photo.pixels), detections.boxes, finder)
    kept = np.flatnonzero((detections.scores >= SURE) | (aligned.confidence >= LIKELY_A_FACE))
    kept = kept[reading_order(detections.boxes[kept])]
    boxes = (detections.boxes * photo.scale).astype(np.float32)
    places = [_shown(place, photo.scale) for place in aligned.places]
    return tuple(
        Crop(aligned.faces[i], _sides(boxes[i]), float(detections.scores[i]), places[i])
        for i in kept
    )


def whole_crop(photo: Photo) -> Crop:
    """A photo that is one face."""
    left, top, side = central_square(photo.size)
    box = np.array([left, top, left + side, top + side], np.float32)
    return Crop(whole_face(photo), _sides(box), 1.0, square(box, margin=1.0))


def _sides(box: Float[np.ndarray, " 4"]) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, box)
    return left, top, right, bottom


def _shown(place: Float[np.ndarray, "2 3"], scale: float) -> Float[np.ndarray, "2 3"]:
    """A place in the photo as it was read, in the pixels of the photo as it is shown."""
    shown = place * scale
    shown[:, 2] += (scale - 1) / 2
    return shown
