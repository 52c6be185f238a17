from __future__ import annotations

import numpy as np

from ferturb.report.saliency.explain import median_faces


def sure(of: int, share: float) -> list[float]:
    row = [(1 - share) / 6] * 7
    row[of] = share
    return row


def test_the_median_of_those_that_every_model_gets_right() -> None:
    labels = np.array([3, 3, 3, 3, 3, 0, 0])
    first = [sure(3, p) for p in (0.9, 0.5, 0.8, 0.99, 0.6)] + [sure(0, 0.7), sure(0, 0.9)]
    second = [sure(3, p) for p in (0.9, 0.5, 0.8, 0.99, 0.6)] + [sure(0, 0.3), sure(1, 0.9)]
    second[3] = sure(2, 0.99)  # the surest is wrong by the second model
    places, right = median_faces(labels, np.array([first, second]))
    # Angry has one face right by both; happy has 0.5, 0.6, 0.8, 0.9 left: the lower middle one.
    assert places.tolist() == [5, 4]
    assert right == (True, True)


def test_where_none_is_right_the_median_of_all_is_taken() -> None:
    labels = np.array([6, 6, 6])
    wrong = [sure(1, 0.9), sure(1, 0.5), sure(1, 0.7)]
    places, right = median_faces(labels, np.array([wrong]))
    assert places.tolist() == [2]
    assert right == (False,)
