"""From boxes in a photo to upright 48×48 faces that look as FER2013's do.

A box is cut out as a square, its landmarks are found, and the face is cut out again, turned by
the similarity transform that brings those landmarks nearest to FER2013's mean shape: upright, and
with as much of forehead and chin as FER2013's faces show. For size and place box and landmarks
count the same: FER2013's faces were cut by a detector, not by landmarks, and of the shares tried
this one lost the least accuracy, with faces upright or tilted. Where the landmarks are too unsure
to be followed, the first cut stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ferturb.base.decode import FACE_SIZE
from ferturb.features.points import IBUG
from ferturb.predict.geometry import applied, inverse, similarity
from ferturb.predict.landmark_finder import LandmarkFinder

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, UInt8

TURNED_BY = IBUG
"""By so many of its first landmarks a face is turned."""
SURE = 0.05
"""Landmarks less sure than this are not followed."""
MOST_CHANGE = 2.5
"""How much larger or smaller than its box the landmarks may make a face."""
FINER = 4
"""A face is resampled at this many times its size at most, and then made smaller."""
MARGIN = 0.92
"""Side of a face's square over the longer side of its box."""
FOLLOW = 0.5
"""How far size and place of a face follow its landmarks: 0 keeps the square's, 1 takes theirs.

Both chosen by tools/choose_alignment.py on PublicTest's faces pasted into photos
(results/alignment.csv).
"""


@dataclass(frozen=True)
class Aligned:
    """The faces of one photo.

    - ``faces``: uint8 (n, 48, 48).
    - ``places``: for each face the similarity from its pixels to the photo's.
    - ``confidence``: float32 (n,), of the landmarks by which it was turned, 0 … 1.
    """

    faces: UInt8[np.ndarray, "n 48 48"]
    places: tuple[Float[np.ndarray, "2 3"], ...]
    confidence: Float32[np.ndarray, " n"]


def align(
    grey: UInt8[np.ndarray, "h w"],
    boxes: Float[np.ndarray, "n 4"],
    finder: LandmarkFinder,
    margin: float = MARGIN,
    follow: float | None = FOLLOW,
) -> Aligned:
    """Every box of a photo as an upright face.

    `margin` is `square`'s; `follow`, 0 … 1, how far size and place go by the landmarks, by which
    every face is turned (None: not even that, the squares stand).
    """
    places = [square(box, margin) for box in boxes]
    first = _cut(grey, places)
    found = finder(first)
    target = finder.mean_shape[:TURNED_BY]
    for i, place in enumerate(places):
        if follow is not None and found.confidence[i] >= SURE:
            onto = similarity(found.points[i, :TURNED_BY].astype(np.float64), target)
            if 1 / MOST_CHANGE < np.hypot(onto[0, 0], onto[1, 0]) < MOST_CHANGE:
                places[i] = _between(place, _chained(place, inverse(onto)), follow)
    return Aligned(_cut(grey, places), tuple(places), found.confidence)


def square(box: Float[np.ndarray, " 4"], margin: float = MARGIN) -> Float[np.ndarray, "2 3"]:
    """The similarity from a 48×48 face to a box's square in the photo.

    The square is centred on the box, its side `margin` times the box's longer side.
    """
    left, top, right, bottom = (float(v) for v in box)
    side = margin * max(right - left, bottom - top, 1.0)
    scale = side / FACE_SIZE
    x = left + (right - left) / 2 - side / 2
    y = top + (bottom - top) / 2 - side / 2
    return np.array([[scale, 0, x + (scale - 1) / 2], [0, scale, y + (scale - 1) / 2]])


def cut(
    grey: UInt8[np.ndarray, "h w"], place: Float[np.ndarray, "2 3"]
) -> UInt8[np.ndarray, "48 48"]:
    """The 48×48 face at a place of a photo; what lies outside repeats the photo's edge.

    The face is read at up to four times its size and then made smaller with Pillow's antialiased
    bicubic filter, so that a large face is as smooth as a dataset's.
    """
    scale = float(np.hypot(place[0, 0], place[1, 0]))
    finer = int(np.clip(np.ceil(scale), 1, FINER))
    image, place = _near(grey, place, scale / finer)
    turn = place[:, :2]
    # Pillow counts from the corner of a pixel, ferturb from its centre.
    shift = place[:, 2] + 0.5 - 0.5 * turn.sum(1)
    m = np.concatenate([turn / finer, shift[:, None]], axis=1)
    size = (FACE_SIZE * finer, FACE_SIZE * finer)
    read = image.transform(size, Image.Transform.AFFINE, tuple(m.ravel()), Image.Resampling.BICUBIC)
    if finer > 1:
        read = read.resize((FACE_SIZE, FACE_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(read)


def _near(
    grey: UInt8[np.ndarray, "h w"], place: Float[np.ndarray, "2 3"], step: float
) -> tuple[Image.Image, Float[np.ndarray, "2 3"]]:
    """The part of a photo around a face, padded, made smaller if it is far finer than needed."""
    corners = (FACE_SIZE - 1.0) * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    there = applied(place, corners)
    low = np.floor(there.min(0)).astype(int) - 3
    high = np.ceil(there.max(0)).astype(int) + 4
    h, w = grey.shape
    columns = np.arange(low[0], high[0]).clip(0, w - 1)
    rows = np.arange(low[1], high[1]).clip(0, h - 1)
    image = Image.fromarray(grey[np.ix_(rows, columns)])
    moved = place.copy()
    moved[:, 2] -= low
    if step > 2:
        smaller = [max(1, round(side / step)) for side in image.size]
        ratio = np.array([n / side for n, side in zip(smaller, image.size, strict=True)])
        image = image.resize((smaller[0], smaller[1]), Image.Resampling.BOX)
        moved[:, :2] *= ratio[:, None]
        moved[:, 2] = (moved[:, 2] + 0.5) * ratio - 0.5
    return image, moved


def _cut(
    grey: UInt8[np.ndarray, "h w"], places: list[Float[np.ndarray, "2 3"]]
) -> UInt8[np.ndarray, "n 48 48"]:
    faces = [cut(grey, place) for place in places]
    return np.array(faces, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)


def _between(
    square: Float[np.ndarray, "2 3"], turned: Float[np.ndarray, "2 3"], follow: float
) -> Float[np.ndarray, "2 3"]:
    """The turn of one place, its size and middle the share `follow` of the way from the other's."""
    ratio = np.linalg.norm(square[:, 0]) / np.linalg.norm(turned[:, 0])
    turn = turned[:, :2] * ratio ** (1 - follow)
    middle = np.full((1, 2), (FACE_SIZE - 1) / 2)
    there = (1 - follow) * applied(square, middle) + follow * applied(turned, middle)
    return np.concatenate([turn, (there - middle @ turn.T).T], axis=1)


def _chained(
    outer: Float[np.ndarray, "2 3"], inner: Float[np.ndarray, "2 3"]
) -> Float[np.ndarray, "2 3"]:
    """First `inner`, then `outer`."""
    turn = outer[:, :2] @ inner[:, :2]
    return np.concatenate([turn, outer[:, :2] @ inner[:, 2:] + outer[:, 2:]], axis=1)
