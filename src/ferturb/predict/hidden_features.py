"""Which facial features can't be seen: an estimate from landmarks and the pixels around them.

The landmark network expects an error for each point; where a feature is covered, by a face mask,
glasses or a hand, its points' expected errors rise against the others'. And a covered feature
lacks its contrast. One logistic regression a feature makes a probability of both (`evidence`).
`tools/train_hidden.py` fits them on FER2013 faces that were covered on purpose and keeps how well
they do in weights/hidden_features.json. Covers it hasn't seen, and features turned away from the
camera, are not what it was fitted on: take it as a hint.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferturb.features.points import GROUPS

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

FEATURES: tuple[str, ...] = ("left_eye", "right_eye", "brows", "nose", "mouth", "jaw")
"""The facial features an estimate is made for; left and right are the image's."""
FITTED = Path(__file__).with_name("weights") / "hidden_features.json"

_GROUPS: tuple[tuple[str, ...], ...] = (
    ("left_eye", "left_lids"),
    ("right_eye", "right_lids"),
    ("left_brow", "left_brow_edge"),
    ("right_brow", "right_brow_edge"),
    ("nose_ridge", "bridge"),
    ("nose_base", "nose_wings"),
    ("outer_lips",),
    ("inner_lips",),
    ("jaw", "more_jaw"),
    ("left_cheek", "right_cheek"),
)
REACH = 3
INDEX = [[i for name in names for i in GROUPS[name]] for names in _GROUPS]


def evidence(
    faces: UInt8[np.ndarray, "n h w"],
    points: Float[np.ndarray, "n p 2"],
    errors: Float[np.ndarray, "n p"],
) -> Float[np.ndarray, "n e"]:
    """What the estimate goes by: per group of points the logarithm of the expected error, the
    logarithm of the contrast around its middle, and how far the light there is from the face's
    mean, both in deviations of the face's grey."""
    expected = np.stack([errors[:, index].mean(1) for index in INDEX], 1)
    middles = np.stack([points[:, index].mean(1) for index in INDEX], 1)
    around = _windows(faces, middles)
    flat = faces.reshape(len(faces), -1).astype(np.float64)
    mean, deviation = flat.mean(1)[:, None], np.maximum(flat.std(1)[:, None], 2.0)
    contrast = np.log((around.std(2) + 1.0) / deviation)
    light = np.abs(around.mean(2) - mean) / deviation
    logs = np.log(np.maximum(expected, 1e-4))
    return np.asarray(np.concatenate([logs, contrast, light], axis=1, dtype=np.float64))


def _windows(
    faces: UInt8[np.ndarray, "n h w"], middles: Float[np.ndarray, "n g 2"]
) -> Float[np.ndarray, "n g k"]:
    """The pixels of the squares around some places; the image's edge goes on beyond it."""
    n, h, w = faces.shape
    reach = np.arange(-REACH, REACH + 1)
    x = (middles[..., 0].round().astype(int)[..., None] + reach).clip(0, w - 1)
    y = (middles[..., 1].round().astype(int)[..., None] + reach).clip(0, h - 1)
    which = np.arange(n)[:, None, None, None]
    found = faces[which, y[..., :, None], x[..., None, :]].astype(np.float64)
    return np.asarray(found.reshape(n, middles.shape[1], len(reach) ** 2))


def hidden_features(
    faces: UInt8[np.ndarray, "n h w"],
    points: Float[np.ndarray, "n p 2"],
    errors: Float[np.ndarray, "n p"],
) -> Float[np.ndarray, "n f"]:
    """The probability that each of `FEATURES` is hidden, in each face."""
    if not len(faces):
        return np.zeros((0, len(FEATURES)))
    mean, std, bias, weights = fitted()
    inputs = (evidence(faces, points, errors) - mean) / std
    return np.asarray(1 / (1 + np.exp(-(bias + inputs @ weights.T))))


@functools.cache
def fitted() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean and deviation of the evidence, and for each of `FEATURES` a bias and weights."""
    data = json.loads(FITTED.read_text(encoding="utf-8"))
    rows = [data["features"][feature] for feature in FEATURES]
    bias = np.array([row["bias"] for row in rows])
    weights = np.array([row["weights"] for row in rows])
    return np.array(data["mean"]), np.array(data["std"]), bias, weights
