"""Splits for sources that come without.

A source that has training faces but no validation or no test split gets the missing ones from
its training faces: 10 % of each emotion, at least one face where there are enough to leave one for
training, drawn with a fixed seed, so that everyone who reads the same source gets the same splits.
The notes always name a split made here.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64, UInt8

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import SPLITS

SHARE = 0.1
"""Share of each emotion's training faces that a missing split gets."""
SEED = 0
"""Seed of the draw."""


def complete_splits(
    labels: Int64[np.ndarray, " n"], splits: UInt8[np.ndarray, " n"]
) -> tuple[UInt8[np.ndarray, " n"], tuple[str, ...]]:
    """Splits with a missing validation or test split drawn from train, and notes that say so.

    Stratified: round(0.1 · n) of each emotion's n training faces for each missing split, one
    where that is none and n is more than the number of missing splits.
    """
    missing = [code for code in (1, 2) if not (splits == code).any()]
    if not (splits == 0).any():
        absent = " and ".join(SPLITS[code] for code in (0, *missing))
        return splits, (f"no {absent} faces in this source",)
    result = splits.copy()
    generator = np.random.default_rng(SEED)
    for label in range(len(EMOTIONS)):
        index = generator.permutation(np.nonzero((labels == label) & (splits == 0))[0])
        share = max(round(SHARE * len(index)), int(len(index) > len(missing)))
        for i, code in enumerate(missing):
            result[index[i * share : (i + 1) * share]] = code
    return result, tuple(_drawn(SPLITS[code], int((result == code).sum())) for code in missing)


def _drawn(split: str, n: int) -> str:
    if not n:
        return f"no {split} split in this source, and too few faces of each emotion to draw one"
    return (
        f"no {split} split in this source: {n} of its training faces serve as {split} "
        f"({SHARE:.0%} of each emotion, at least one, seed {SEED})"
    )


def training_subset(
    splits: UInt8[np.ndarray, " n"], size: int, seed: int
) -> Int64[np.ndarray, " m"]:
    """Positions of `size` training faces, drawn at random without regard to emotion, and of all
    other splits' faces, in their order.

    Subsets of one seed are nested: the first faces of a permutation.
    """
    training = np.nonzero(splits == 0)[0]
    if size > len(training):
        raise FerturbError(
            f"training_faces asks for {size:,} of {len(training):,} training faces; give fewer"
        )
    drawn = np.random.default_rng(seed).permutation(training)[:size]
    chosen = splits != 0
    chosen[drawn] = True
    return np.nonzero(chosen)[0]
