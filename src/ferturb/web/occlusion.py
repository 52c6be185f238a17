"""Saliency without torch: how far an emotion's probability falls when a window is covered.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, as
`ferturb.evaluation.saliency.methods` has it under "occlusion": a grey window of 8×8 pixels goes
over the 48×48 face in steps of 4; a pixel's saliency is the mean fall over the windows at it,
where that is positive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

MEAN = 0.5077
"""The mean that the classifier subtracts, `ferturb.models.classifier.MEAN`."""
MEAN_GREY = round(255 * MEAN)
"""What a window is covered with: that mean as a byte."""
SHARE, STEPS = 6, 2
"""A window's side is this share of the face's, and it moves by this share of its own."""


def occlusion_maps(
    predict: Callable[[UInt8[np.ndarray, "n h w"]], Float[np.ndarray, "n c"]],
    face: UInt8[np.ndarray, "h w"],
) -> Float[np.ndarray, "c h w"]:
    """A map of 0 or more for each emotion, in units of probability.

    `predict` gives probabilities, as `PretrainedModel.predict_proba` does.
    """
    side = max(2, face.shape[1] // SHARE)
    covers = _windows(face.shape[0], face.shape[1], side, side // STEPS)
    shown = np.where(covers, np.uint8(MEAN_GREY), face[None])
    rows = predict(np.concatenate([face[None], shown])).astype(np.float64)
    falls = rows[:1] - rows[1:]
    total = np.einsum("nc,nhw->chw", falls, covers.astype(np.float64))
    return np.asarray(np.maximum(total / covers.sum(0), 0.0))


def _windows(height: int, width: int, side: int, step: int) -> np.ndarray:
    """Every window as a boolean picture; the last ones end at the edge."""
    found = []
    for top in range(0, height - side + step, step):
        for left in range(0, width - side + step, step):
            cover = np.zeros((height, width), bool)
            cover[top : top + side, left : left + side] = True
            found.append(cover)
    return np.array(found)
