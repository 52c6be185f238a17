"""Members chosen on the validation split, against a plain loop and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ferturb.base.errors import FerturbError
from ferturb.evaluation.scores import choose_members

RIGHT = np.eye(7, dtype=np.float32)


def correct(labels: NDArray[np.int64], members: list[NDArray[np.float32]]) -> int:
    """Faces that the summed logits have right, one at a time."""
    count = 0
    for i, label in enumerate(labels):
        total = [sum(float(m[i, c]) for m in members) for c in range(7)]
        count += total.index(max(total)) == label
    return count


def by_loop(labels: NDArray[np.int64], logits: list[NDArray[np.float32]]) -> list[int]:
    chosen: list[int] = []
    reached = -1
    while True:
        tries = {
            i: correct(labels, [logits[j] for j in [*chosen, i]])
            for i in range(len(logits))
            if i not in chosen
        }
        if not tries or max(tries.values()) <= reached:
            return chosen
        reached = max(tries.values())
        chosen.append(next(i for i, count in tries.items() if count == reached))


@pytest.mark.parametrize("seed", range(6))
def test_the_same_as_a_loop_and_never_worse_than_the_best(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 7, 60)
    logits = [
        (RIGHT[labels] * strength + random.normal(size=(60, 7))).astype(np.float32)
        for strength in random.uniform(0.3, 1.5, 6)
    ]
    chosen = choose_members(labels, logits)
    assert chosen == by_loop(labels, logits)
    together = correct(labels, [logits[i] for i in chosen])
    assert together >= max(correct(labels, [member]) for member in logits)
    assert len(chosen) > 1  # or the loop above compared nothing but maxima


def test_two_that_err_on_different_faces_beat_a_better_one_with_its_copies() -> None:
    labels = np.array([0, 1, 2, 3, 4])
    best = RIGHT[[0, 1, 2, 3, 0]]  # wrong on the last
    other = 2 * RIGHT[[0, 1, 2, 0, 4]] + RIGHT[[0, 1, 2, 3, 4]] * 1.5  # wrong on the fourth
    assert choose_members(labels, [best, best.copy(), best.copy(), other]) == [0, 3]


def test_of_equals_the_first_alone() -> None:
    labels = np.array([0, 1])
    assert choose_members(labels, [RIGHT[labels]] * 3) == [0]


def test_one_member_and_none() -> None:
    labels = np.array([0, 1])
    assert choose_members(labels, [RIGHT[[3, 3]]]) == [0]
    with pytest.raises(FerturbError, match="at least one member"):
        choose_members(labels, [])
