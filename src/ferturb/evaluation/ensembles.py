"""Which networks to sum: members of an ensemble, chosen on the validation split alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ferturb.base.errors import FerturbError


def choose_members(
    labels: Int[NDArray[np.int64], " n"], logits: Sequence[Float[NDArray[np.float32], "n 7"]]
) -> list[int]:
    """The indices of the networks whose summed logits are right most often, in the order found.

    Greedy forward selection without replacement (Caruana et al. 2004, "Ensemble selection from
    libraries of models"): the best network first, then whichever adds most correct faces, until
    none adds any; the earlier of equal ones. Give it the logits of the validation split: what is
    chosen on the test split says nothing about new faces.

    >>> labels = np.array([0, 1, 2])
    >>> right = np.eye(3, 7, dtype=np.float32)
    >>> sure = np.float32([[0.5], [0.5], [2.0]])
    >>> choose_members(labels, [right[[0, 0, 0]], right[[0, 1, 0]], sure * right[[1, 0, 2]]])
    [1, 2]
    """
    if not logits:
        raise FerturbError("an ensemble needs the logits of at least one member, got none")
    total = np.zeros_like(logits[0], dtype=np.float64)
    chosen: list[int] = []
    best = -1
    while len(chosen) < len(logits):
        right = [
            -1 if i in chosen else int(((total + member).argmax(1) == labels).sum())
            for i, member in enumerate(logits)
        ]
        if max(right) <= best:
            break
        best = max(right)
        chosen.append(right.index(best))
        total += logits[chosen[-1]]
    return chosen
