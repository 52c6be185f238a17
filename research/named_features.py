"""Which facial features saliency maps name, for a face and for an emotion, as the matrix does.

The ablation matrix says of a feature whether an emotion needs it more than as many other pixels of
the face. The same question to saliency maps: of the mass inside the face, does the feature get
more than its share of the face's pixels? Over the faces of an emotion that is a t-test of the
difference, corrected by Holm over all features and emotions, as in the matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation.ablation.matrix import MEASURES, SIGNIFICANT, paired_p
from ferturb.evaluation.ablation.measure import Ablation
from ferturb.evaluation.saliency.faithfulness import FEATURES
from ferturb.evaluation.significance import holm

Array = np.ndarray
Named = Mapping[str, frozenset[str]]
"""Emotion -> the facial features that are named for it."""


@dataclass(frozen=True)
class Hits:
    """How well named features agree with the planted ones, over the emotions that have any."""

    right: int
    """Planted, and named."""
    wrong: int
    """Named, and not planted."""
    planted: int
    """How many could be named."""
    others: int
    """How many should not be: as many a method that names blindly gets wrong in proportion."""


def excess_in_face(share: Float[Array, "n p"], area: Float[Array, "n p"]) -> Float[Array, "n f"]:
    """Share of the mass in the face less share of the pixels in the face, for each of `FEATURES`.

    `share` and `area` are over `PARTS`, the last of which lies outside the face. Rows add up to 0;
    a face without mass inside gets 0.
    """
    inside, pixels = (part[:, : len(FEATURES)].astype(np.float64) for part in (share, area))
    mass = inside.sum(1, keepdims=True)
    known = np.divide(inside, mass, out=np.zeros_like(inside), where=mass > 0)
    blind = pixels / pixels.sum(1, keepdims=True)
    return np.where(mass > 0, known - blind, 0.0)


def named_by_mass(
    share: Float[Array, "n p"], area: Float[Array, "n p"], labels: Int64[Array, " n"]
) -> Named:
    """For each emotion the features with significantly more mass than their pixels are due."""
    excess = excess_in_face(share, area)
    cells, values = [], []
    for label, emotion in enumerate(EMOTIONS):
        own = excess[labels == label]
        for i, feature in enumerate(FEATURES):
            p = paired_p(own[:, i])
            if not np.isnan(p):
                cells.append((emotion, feature, float(own[:, i].mean())))
                values.append(p)
    named: dict[str, set[str]] = {emotion: set() for emotion in EMOTIONS}
    for (emotion, feature, mean), p in zip(cells, holm(values), strict=True):
        if p < SIGNIFICANT and mean > 0:
            named[emotion].add(feature)
    return {emotion: frozenset(features) for emotion, features in named.items()}


def named_by_ablation(ablation: Ablation) -> Int64[Array, " n"]:
    """The feature (an index into the ablation's) that each face needs most.

    That without which the probability of its emotion falls furthest below what it is without as
    many random pixels.
    """
    value = MEASURES["probability"]
    without = value(ablation.without, ablation.labels)
    control = value(ablation.controls, ablation.labels).mean(1)
    return np.asarray((without - control).argmin(0))


def hits(named: Named, planted: Bool[Array, "7 f"]) -> Hits:
    """Named features counted against the planted ones; emotions that nothing carries are out."""
    said = np.array([[f in named[emotion] for f in FEATURES] for emotion in EMOTIONS])
    shown = planted.any(1)
    said, truth = said[shown], planted[shown]
    return Hits(
        int((said & truth).sum()),
        int((said & ~truth).sum()),
        int(truth.sum()),
        int((~truth).sum()),
    )
