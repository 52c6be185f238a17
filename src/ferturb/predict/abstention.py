"""When the predictor answers, and when it says that it doesn't know.

An emotion has to be probable enough, and a face has to be there: a classifier knows nothing but
faces and is sure of many things that are none. So the landmarks have to be found as well, with a
confidence that is chosen on PublicTest: of its faces 1 % lose their answer, and noise, blank
squares and pictures without a face all but lose theirs (`tools/measure_abstention.py`,
results/abstention.csv).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ferturb.base.emotions import EMOTIONS

if TYPE_CHECKING:
    from jaxtyping import Float

LANDMARKS_FROM = 0.15
"""The landmarks' confidence from which a face counts as one."""


def answered(
    probabilities: Float[np.ndarray, " 7"], landmark_confidence: float, abstain_below: float
) -> str | None:
    """The most probable emotion, or None: the predictor doesn't know."""
    known = landmark_confidence >= LANDMARKS_FROM
    sure = float(probabilities.max()) >= abstain_below  # NaN is not
    return EMOTIONS[int(probabilities.argmax())] if known and sure else None
