from __future__ import annotations

import numpy as np
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation.ablation.measure import Ablation, Outcomes
from ferturb.evaluation.saliency.faithfulness import FEATURES
from research.named_features import (
    Hits,
    excess_in_face,
    hits,
    named_by_ablation,
    named_by_mass,
)

PARTS = len(FEATURES) + 1


def test_excess_counts_inside_the_face_alone() -> None:
    share = np.zeros((2, PARTS))
    share[0, 0], share[0, 1], share[0, -1] = 0.3, 0.1, 0.6
    share[1, -1] = 1.0
    area = np.full((2, PARTS), 0.1)
    area[:, -1] = 0.3
    found = excess_in_face(share, area)
    assert found[0] == pytest.approx([0.75 - 1 / 7, 0.25 - 1 / 7, *[-1 / 7] * 5])
    assert found[0].sum() == pytest.approx(0)
    assert (found[1] == 0).all()  # all of the mass lies outside


def test_mass_names_what_has_more_of_it_in_every_face() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(140) % 7
    area = np.full((140, PARTS), 1 / PARTS)
    share = rng.dirichlet(np.full(PARTS, 30.0), 140)
    happy = labels == EMOTIONS.index("happy")
    share[happy, FEATURES.index("mouth")] += 0.2
    found = named_by_mass(share, area, labels)
    assert found["happy"] == {"mouth"}
    assert sum(map(len, found.values())) == 1


def test_ablation_names_what_costs_most_beside_its_control() -> None:
    """The nose costs most, but so do as many pixels elsewhere; the eyes cost more than those."""

    def said(probability: list[list[float]]) -> Outcomes:
        values = np.array(probability, np.float32)
        return Outcomes(values, np.zeros(values.shape, np.int8))

    measured = Ablation(
        ("eyes", "nose"),
        np.zeros(2, np.int64),
        Outcomes(np.full(2, 0.9, np.float32), np.zeros(2, np.int8)),
        said([[0.5, 0.6], [0.2, 0.3]]),
        Outcomes(
            np.array([[[0.8, 0.6], [0.9, 0.8]], [[0.3, 0.9], [0.3, 0.5]]], np.float32),
            np.zeros((2, 2, 2), np.int8),
        ),
        np.ones((2, 2), np.int32),
    )
    # face 0: eyes 0.5 − 0.85, nose 0.2 − 0.3; face 1: eyes 0.6 − 0.7, nose 0.3 − 0.7
    assert named_by_ablation(measured).tolist() == [0, 1]


def test_hits_are_counted_where_something_is_planted() -> None:
    planted = np.zeros((7, len(FEATURES)), bool)
    planted[EMOTIONS.index("happy"), [FEATURES.index("mouth"), FEATURES.index("eyes")]] = True
    named = {emotion: frozenset({"nose"}) for emotion in EMOTIONS}
    named["happy"] = frozenset({"mouth", "jaw", "nose"})
    assert hits(named, planted) == Hits(right=1, wrong=2, planted=2, others=5)
