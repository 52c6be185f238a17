"""What the votes of FER+'s ten people say: the majority, the label, the distribution of emotions.

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution", ICMI 2016 (arXiv 1608.01041), and their released program, which drops votes of a
single person as outliers and takes the class with more than half of what is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int64, Integer

from ferturb.base.config import VotesConfig
from ferturb.base.emotions import EMOTIONS, VOTES, emotion_label

Counts = Integer[np.ndarray, "n 10"]
LABELS = np.array([label if (label := emotion_label(v)) is not None else -1 for v in VOTES])
"""The emotion's label of each class of `VOTES`; −1 for contempt, unknown and no face."""
CONTEMPT = len(EMOTIONS)
"""FER+'s eighth class, which no network here names."""


def majority(votes: Counts) -> Int64[np.ndarray, " n"]:
    """Index into `VOTES` of the class with more than half of the votes, single votes dropped; −1
    for none.

    >>> majority(np.array([[6, 3, 1, 0, 0, 0, 0, 0, 0, 0], [4, 4, 2, 0, 0, 0, 0, 0, 0, 0]]))
    array([ 0, -1])
    """
    counted = _counted(votes, "drop")
    best = counted.argmax(1)
    return np.where(2 * counted.max(1) > counted.sum(1), best, -1)


def fer_plus_labels(votes: Counts) -> Int64[np.ndarray, " n"]:
    """FER+'s label of each face: 0 … 6 in the order of `EMOTIONS`, 7 contempt, −1 for none.

    None: no majority, unknown, no face, or nobody was asked. FER+'s tests leave those faces out.
    """
    classes = majority(votes)
    labels = np.where(classes == VOTES.index("contempt"), CONTEMPT, LABELS[classes.clip(0)])
    return np.where(classes < 0, -1, labels)


def distribution(votes: Counts, config: VotesConfig) -> Float[np.ndarray, "n 7"]:
    """The share of each emotion among the votes, in the order of `EMOTIONS`.

    Rows add up to 1, or to less where `config.others` weighs them, or to 0 where nothing is left.

    >>> votes = np.array([[0, 6, 2, 0, 0, 0, 0, 0, 1, 1]])
    >>> distribution(votes, VotesConfig()).round(2).tolist()
    [[0.0, 0.0, 0.0, 0.75, 0.0, 0.25, 0.0]]
    """
    counted = _counted(votes, config.single_votes)
    shares = np.zeros((len(votes), len(EMOTIONS)))
    for place in np.nonzero(LABELS >= 0)[0]:
        shares[:, LABELS[place]] = counted[:, place]
    named, all_votes = shares.sum(1, keepdims=True), counted.sum(1, keepdims=True)
    if config.others == "spread":
        shares = shares + (all_votes - named) / len(EMOTIONS)
    total = named if config.others == "ignore" else all_votes
    return np.asarray(shares / np.maximum(total, 1))


def _counted(votes: Counts, single_votes: str) -> Any:
    """Votes as they count: all, or without those of a single person."""
    counted = np.asarray(votes, np.float64)
    return np.where(counted <= 1, 0.0, counted) if single_votes == "drop" else counted
