"""Faces as each condition shows them: a function of the face, the condition and nothing else.

A face's random numbers follow from its own pixels (`face_keys`), so a face is shown alike in any
form, order or selection of the data. Around a facial feature pixels are left out from the middle
of the feature outwards: those deepest in it first, then its rim, then what of the face is nearest
to it, until the severity's share of the face is gone. So every feature is left out at the same
three areas, and one random region of that area is the control of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Int32, Int64, UInt8
from scipy import ndimage
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_images, as_input
from ferturb.evaluation.benchmark.corruptions import CORRUPTIONS
from ferturb.evaluation.benchmark.protocol import (
    FEATURES,
    FILL,
    SEED,
    SEVERITIES,
    WHOLE,
    WORN,
    Condition,
)
from ferturb.features.landmarks import Landmarks
from ferturb.features.masks.keyed_random import KeyedRandom, name_keys
from ferturb.features.masks.wear import Worn, wear
from ferturb.features.random_regions import control_regions, random_regions
from ferturb.features.regions import regions
from ferturb.features.removal import without

_OUTSIDE = 1e6
"""Added to the distance of pixels that are not the face's, so that they come last."""


class Shown:
    """Some faces, ready to be shown under any condition."""

    def __init__(self, images: UInt8[Tensor, "n *c h w"], landmarks: Landmarks) -> None:
        """`FerturbError` without faces, or with landmarks of others."""
        if not len(images) or len(images) != len(landmarks):
            raise FerturbError(
                f"the benchmark needs faces with landmarks each, got {len(images)} faces and "
                f"{len(landmarks)} landmarks"
            )
        self.images, self.points = images, landmarks.points
        self.size = (images.shape[-2], images.shape[-1])
        self.keys = face_keys(images)
        self._regions = regions(self.points, self.size, (*FEATURES, "face"))
        self._face = self._regions["face"]
        self._order = lru_cache(maxsize=1)(self._order_around)
        self._worn = lru_cache(maxsize=len(WORN))(self._wearing)
        self._makers: dict[str, Callable[[Condition], UInt8[Tensor, "n *c h w"]]] = {
            WHOLE: lambda condition: self.images,
            "left out": self._left_out,
            "worn": lambda condition: self._worn(WORN[condition.what]).images,
            "corrupted": self._corrupted,
            "random": self._at_random,
        }

    def under(self, condition: Condition) -> UInt8[Tensor, "n *c h w"]:
        """All the faces under a condition."""
        return self._makers[condition.family](condition)

    def area(self, severity: int) -> Int64[Tensor, " n"]:
        """How many pixels a severity leaves out of each face."""
        return (self._face.flatten(1).sum(1) * SEVERITIES[severity - 1]).round().long()

    def left_out(self, feature: str, severity: int) -> Bool[Tensor, "n h w"]:
        """The pixels that a severity leaves out around a facial feature."""
        gone = self._order(feature) < self.area(severity)[:, None]
        return gone.view(len(gone), *self.size)

    def _left_out(self, condition: Condition) -> UInt8[Tensor, "n *c h w"]:
        return without(self.images, self.left_out(condition.what, condition.severity), FILL)

    def _at_random(self, condition: Condition) -> UInt8[Tensor, "n *c h w"]:
        if condition.severity:
            area = self.area(condition.severity)
            seed = SEED + condition.severity
            hidden = random_regions(area, self.size, seed, self._face, self.keys)
        else:
            worn = WORN[condition.what]
            seed = SEED + 10 * (1 + list(WORN).index(condition.what))
            hidden = control_regions(~self._worn(worn).kept, self._face, seed, self.keys)
        return without(self.images, hidden, FILL)

    def _corrupted(self, condition: Condition) -> UInt8[Tensor, "n *c h w"]:
        change = CORRUPTIONS[condition.what]
        parts = []
        for some, keys in zip(self.images.split(512), self.keys.split(512), strict=True):  # type: ignore[no-untyped-call]
            colours = as_input(some).unbind(1)  # all of a face are changed alike
            changed = [change(colour, KeyedRandom(keys)).clamp(0, 1) for colour in colours]
            parts.append(as_images(torch.stack(changed, 1)))
        return torch.cat(parts)

    def _wearing(self, kind: str) -> Worn:
        return wear(self.images, self.points, kind, SEED, self.keys)

    def _order_around(self, feature: str) -> Int32[Tensor, "n hw"]:
        """By face, the place of each pixel in the order in which they are left out."""
        region = self._regions[feature].numpy()
        places, count = np.empty((len(region), region[0].size), np.int32), np.arange(region[0].size)
        for i, (own, face) in enumerate(zip(region, self._face.numpy(), strict=True)):
            order = np.argsort(_distance(own if own.any() else face, face).ravel(), kind="stable")
            places[i, order] = count
        return torch.from_numpy(places)


def face_keys(images: UInt8[Tensor, "n *c h w"]) -> Int64[Tensor, " n"]:
    """A key for each face, of its pixels alone."""
    digests = (hashlib.blake2b(face.tobytes()).hexdigest() for face in images.contiguous().numpy())
    return name_keys(list(digests), SEED)


@lru_cache(maxsize=4)
def _places(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The row and the column of each pixel."""
    rows, columns = np.indices(size)
    return rows, columns


def _distance(region: np.ndarray, face: np.ndarray) -> np.ndarray:
    """How far each pixel is from a region: below zero within; ties go to its middle."""
    distance = ndimage.distance_transform_edt
    apart = distance(~region) - distance(region)
    inside = np.nonzero(region)
    middle = [part.mean() if len(part) else 0.0 for part in inside]
    tie = np.hypot(*(place - m for place, m in zip(_places(region.shape), middle, strict=True)))
    return np.asarray(apart + 1e-4 * tie + _OUTSIDE * ~(face | region))
