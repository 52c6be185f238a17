"""Action units: which muscles move in which emotion, and which facial features they change.

An action unit (Ekman and Friesen, Facial Action Coding System, 1978) is one muscle movement; an
emotion is a set of them, after the EMFACS prototypes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.traits import BLOCK, UNITS, random_stream

_UNITS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("inner brow raiser", ("brows", "forehead")),
    2: ("outer brow raiser", ("brows", "forehead")),
    4: ("brow lowerer", ("brows", "forehead")),  # frown lines, and skin where the brows were
    5: ("upper lid raiser", ("eyes",)),
    6: ("cheek raiser", ("eyes", "cheeks")),
    7: ("lid tightener", ("eyes",)),
    9: ("nose wrinkler", ("nose", "cheeks")),
    12: ("lip corner puller", ("mouth", "cheeks")),
    15: ("lip corner depressor", ("mouth",)),
    16: ("lower lip depressor", ("mouth",)),
    17: ("chin raiser", ("mouth", "jaw")),
    20: ("lip stretcher", ("mouth",)),
    23: ("lip tightener", ("mouth",)),
    25: ("lips part", ("mouth",)),
    26: ("jaw drop", ("mouth", "jaw")),
}
"""Action unit -> its name, and the facial features whose pixels it may change.

The brow lowerer stays within the drawing's own brows. Those that are left out of faces
(`ferturb.features.regions`) are tighter: a tenth of what it changes lies above them."""

FEATURES_OF_UNIT: dict[int, tuple[str, ...]] = {k: features for k, (_, features) in _UNITS.items()}
"""Action unit -> the facial features whose pixels it may change; all others it leaves alone."""

NUMBERS: tuple[int, ...] = tuple(FEATURES_OF_UNIT)
"""The units' numbers, in the order of all columns of intensities."""

ACTION_UNITS: tuple[str, ...] = tuple(f"AU{k:02d} {name}" for k, (name, _) in _UNITS.items())
"""The names of the columns of `SyntheticFaces.action_units`."""

PROTOTYPES: dict[str, tuple[int, ...]] = {
    "angry": (4, 5, 7, 23),
    "disgust": (9, 15, 16),
    "fear": (1, 2, 4, 5, 7, 20, 26),
    "happy": (6, 12),
    "sad": (1, 4, 15),
    "surprise": (1, 2, 5, 26),
    "neutral": (),
}
"""Emotion -> its action units (EMFACS)."""

FEATURES_OF_EMOTION: dict[str, tuple[str, ...]] = {
    emotion: tuple(dict.fromkeys(feature for unit in units for feature in FEATURES_OF_UNIT[unit]))
    for emotion, units in PROTOTYPES.items()
}
"""Emotion -> the facial features that carry it. Neutral is the absence of all: no feature."""

_WITHIN: dict[str, tuple[str, ...]] = {
    "brows": ("upper_face",),
    "forehead": ("upper_face",),
    "eyes": ("left_eye", "right_eye", "upper_face"),
    "nose": ("upper_face", "lower_face"),
    "cheeks": ("upper_face", "lower_face"),
    "mouth": ("lower_face",),
    "jaw": ("lower_face",),
}
"""Facial feature -> those that are a part of it, or that it is a part of."""


def units(intensities: Mapping[int, float]) -> Float32[Tensor, " u"]:
    """One row for `draw_with` from action unit numbers.

    >>> units({6: 1.0, 12: 0.5}).sum().item()
    1.5
    """
    unknown = set(intensities) - set(NUMBERS)
    if unknown:
        known = ", ".join(map(str, NUMBERS))
        raise FerturbError(f"unknown action unit {min(unknown)}; known: {known}")
    return torch.tensor([intensities.get(number, 0.0) for number in NUMBERS])


def planted_features() -> dict[str, frozenset[str]]:
    """Emotion -> every facial feature, halves and single eyes included, that carries some of it.

    `FEATURES_OF_EMOTION`, and the features that hold a part of it.

    >>> sorted(planted_features()["disgust"] & {"eyes", "nose", "mouth", "upper_face"})
    ['mouth', 'nose', 'upper_face']
    """
    sides = ("left_half", "right_half", "face")
    return {
        emotion: frozenset(
            name for feature in features for name in (feature, *_WITHIN[feature], *sides)
        )
        for emotion, features in FEATURES_OF_EMOTION.items()
    }


def sample_units(labels: Int64[Tensor, " n"], seed: int = 0) -> Float32[Tensor, "n u"]:
    """Action units at random: the prototype of each face's emotion, weak or strong, and noise.

    A face has one strength; each unit of the prototype varies about it and is missing in one
    face of eight (never all). Any other unit appears, weakly, in one face of seven.
    """
    prototypes = np.array([[k in PROTOTYPES[e] for k in NUMBERS] for e in EMOTIONS])
    rows = []
    for block, chosen in enumerate(torch.split(labels, BLOCK)):
        rng = random_stream(seed, block, UNITS)
        shape = (BLOCK, len(NUMBERS))
        strength = 0.38 + 0.62 * rng.random((BLOCK, 1), dtype=np.float32)
        vary = 0.7 + 0.5 * rng.random(shape, dtype=np.float32)
        chance = rng.random(shape, dtype=np.float32)
        stray = rng.random(shape, dtype=np.float32) * 0.34 * (rng.random(shape) < 1 / 7)
        count = len(chosen)
        member = prototypes[chosen.numpy()]
        kept = member & (chance[:count] > 1 / 8)
        lost = member.any(1) & ~kept.any(1)
        kept[lost] = member[lost]
        row = np.where(kept, strength[:count] * vary[:count], 0.0)
        row = np.where(member, row, stray[:count])
        rows.append(torch.from_numpy(row.clip(0.0, 1.0).astype(np.float32)))
    return torch.cat(rows)
