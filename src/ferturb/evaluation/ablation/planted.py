"""An ablation matrix against the truth, where it is known: that of the drawn faces.

Their author decided which facial feature carries which emotion (`FEATURES_OF_EMOTION`). A feature
that the matrix names (`Cell.needed`) and that carries the emotion is a hit, one that carries it and
is not named a miss, one that is named and doesn't carry it a false alarm. Neutral is not judged,
since it is the absence of all signs, nor are halves of the face, which hold several features.

A false alarm need not be an error of the network: what a feature doesn't show can tell emotions
apart as well. Fear leaves the nose smooth, and disgust does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import FEATURES_OF_EMOTION
from ferturb.evaluation.ablation.matrix import Cell

Verdict = Literal["hit", "miss", "false alarm", "right"]
"""Right: neither planted nor named."""

CARRIED: tuple[str, ...] = tuple(e for e in EMOTIONS if FEATURES_OF_EMOTION[e])
"""The emotions that features carry."""
JUDGED: tuple[str, ...] = ("forehead", "brows", "eyes", "nose", "cheeks", "mouth", "jaw")
"""The facial features that are judged, from top to bottom."""


def judged(cells: Iterable[Cell]) -> dict[tuple[str, str], Verdict]:
    """(feature, emotion) -> what its cell is worth, for each judged cell of one matrix."""
    words: dict[tuple[bool, bool], Verdict] = {
        (True, True): "hit",
        (True, False): "miss",
        (False, True): "false alarm",
        (False, False): "right",
    }
    return {
        (c.feature, c.emotion): words[c.feature in FEATURES_OF_EMOTION[c.emotion], c.needed]
        for c in cells
        if c.feature in JUDGED and c.emotion in CARRIED
    }


def tally(found: Mapping[tuple[str, str], Verdict]) -> Counter[str]:
    """How many cells are a hit, a miss, a false alarm or right."""
    return Counter(found.values())
