"""Which split a name means, and splits for sources that come without.

A source that has training faces but no validation or no test split gets the missing ones from
its training faces: 10 % of each emotion, drawn with a fixed seed, so that everyone who reads
the same source gets the same splits. The notes always name a split made here.
"""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Int64, UInt8

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import SPLITS

SHARE = 0.1
"""Share of each emotion's training faces that a missing split gets."""
SEED = 0
"""Seed of the draw."""

_WORDS = (
    ("train", "training"),
    ("val", "valid", "validation", "dev", "publictest"),
    ("test", "testing", "privatetest"),
)
_NAMES = {word: code for code, words in enumerate(_WORDS) for word in words}


def split_code(name: str) -> int | None:
    """Index into `SPLITS` of a split's name, or None when it is not a known one.

    >>> split_code("Training"), split_code("public_test"), split_code("test-set"), split_code("x")
    (0, 1, 2, None)
    """
    word = re.sub(r"[^a-z]", "", name.lower())
    return _NAMES.get(word, _NAMES.get(word.removesuffix("set"), _NAMES.get(word + "ing")))


def complete_splits(
    labels: Int64[np.ndarray, " n"], splits: UInt8[np.ndarray, " n"]
) -> tuple[UInt8[np.ndarray, " n"], tuple[str, ...]]:
    """Splits with a missing validation or test split drawn from train, and notes that say so.

    Stratified: round(0.1 · n) of each emotion's n training faces for each missing split.
    """
    missing = [code for code in (1, 2) if not (splits == code).any()]
    if not (splits == 0).any():
        absent = " and ".join(SPLITS[code] for code in (0, *missing))
        return splits, (f"no {absent} faces in this source",)
    result = splits.copy()
    generator = np.random.default_rng(SEED)
    for label in range(len(EMOTIONS)):
        index = generator.permutation(np.nonzero((labels == label) & (splits == 0))[0])
        share = round(SHARE * len(index))
        for i, code in enumerate(missing):
            result[index[i * share : (i + 1) * share]] = code
    return result, tuple(
        f"no {SPLITS[code]} split in this source: {int((result == code).sum())} of its training "
        f"faces serve as {SPLITS[code]} ({SHARE:.0%} of each emotion, seed {SEED})"
        for code in missing
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


def require_emotions(
    labels: Int64[np.ndarray, " n"], splits: UInt8[np.ndarray, " n"], where: str
) -> None:
    """Raise `FerturbError` unless the training faces have all seven emotions."""
    present = set(labels[splits == 0].tolist())
    absent = [name for label, name in enumerate(EMOTIONS) if label not in present]
    if absent:
        raise FerturbError(
            f"{where}: expected training faces of all {len(EMOTIONS)} emotions, found none of "
            f"{', '.join(absent)}; is the copy complete?"
        )
