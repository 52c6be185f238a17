"""Measures against votes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.evaluation.votes import against_votes

VOTES = np.array(
    [
        [0, 8, 2, 0, 0, 0, 0, 0, 0, 0],  # happy
        [0, 6, 0, 0, 0, 0, 0, 0, 0, 4],  # happy
        [7, 0, 0, 3, 0, 0, 0, 0, 0, 0],  # neutral
        [0, 0, 0, 0, 0, 0, 0, 9, 1, 0],  # contempt: always an error
        [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # no majority: only in the distribution
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # no face
    ]
)
P = np.full((6, 7), 0.02)
HAPPY, SAD, NEUTRAL = (EMOTIONS.index(e) for e in ("happy", "sad", "neutral"))
for row, top in enumerate((HAPPY, NEUTRAL, NEUTRAL, HAPPY, HAPPY, HAPPY)):
    P[row, top] = 0.88


def test_by_hand() -> None:
    found = against_votes(VOTES, np.log(P))
    assert (found.faces, found.asked) == (4, 4)
    assert found.accuracy_8 == pytest.approx(2 / 4)
    assert found.accuracy_7 == pytest.approx(2 / 3)
    assert found.balanced_accuracy == pytest.approx((1 / 2 + 1) / 2)
    q = np.zeros((4, 7))
    q[0, HAPPY], q[0, EMOTIONS.index("surprise")] = 0.8, 0.2
    q[1, HAPPY] = 1
    q[2, NEUTRAL], q[2, SAD] = 0.7, 0.3
    q[3, NEUTRAL] = q[3, HAPPY] = 0.5
    p = P[[0, 1, 2, 4]]
    assert found.cross_entropy == pytest.approx(-(q * np.log(p)).sum(1).mean())
    assert found.brier == pytest.approx(((p - q) ** 2).sum(1).mean())
    terms = q[q > 0] * np.log(q[q > 0])
    assert found.entropy == pytest.approx(-terms.sum() / 4)
    # One bin: confidence 0.88 everywhere, and 8, 0, 7 and 5 of ten people say so.
    assert found.people_ece == pytest.approx(0.88 - (0.8 + 0.0 + 0.7 + 0.5) / 4)


def test_too_sure_and_not_sure_enough_do_not_cancel() -> None:
    """0.92 sure where 4 of ten say so, 0.55 where all do, 0.75 where 2 of ten do."""
    votes = np.array([[4, 4, 2, 0, 0, 0, 0, 0, 0, 0], [0, 10, 0, 0, 0, 0, 0, 0, 0, 0]])
    votes = np.concatenate([votes, [[2, 8, 0, 0, 0, 0, 0, 0, 0, 0]]])
    p = np.full((3, 7), 0.08 / 6)
    p[0, NEUTRAL] = 0.92
    p[1], p[1, HAPPY] = 0.45 / 6, 0.55
    p[2], p[2, NEUTRAL] = 0.25 / 6, 0.75
    found = against_votes(votes, np.log(p))
    assert found.people_ece == pytest.approx((0.52 + 0.45 + 0.55) / 3)
    # By the label of most people, happy in the last two, the first has none: right, then wrong.
    assert found.ece == pytest.approx((0.45 + 0.75) / 2)
    assert found.per_emotion[HAPPY] == pytest.approx(1 / 2)
    assert np.isnan(found.per_emotion[SAD])


def test_nobody_agrees() -> None:
    with pytest.raises(FerturbError, match="majority"):
        against_votes(np.zeros((6, 10), int), np.log(P))
