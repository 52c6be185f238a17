from __future__ import annotations

import numpy as np
import pytest

from ferturb.predict.geometry import (
    applied,
    inverse,
    overlap,
    reading_order,
    similarity,
    suppressed,
)
from rows_of_faces import ROWS


def test_overlap_of_hand_computed_boxes() -> None:
    box = np.array([[0.0, 0, 2, 2]])
    others = np.array([[0.0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2], [0, 0, 1, 1], [5, 5, 4, 4]])
    np.testing.assert_allclose(overlap(box, others), [[1, 1 / 7, 0, 1 / 4, 0]])


def test_suppression_keeps_the_best_of_each_heap() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [21, 0, 31, 10]])
    scores = np.array([0.5, 0.9, 0.8, 0.1])
    assert suppressed(boxes, scores).tolist() == [1, 2]
    assert suppressed(boxes, scores, most=1.0).tolist() == [1, 2, 0, 3]
    assert suppressed(boxes[:0], scores[:0]).tolist() == []


@pytest.mark.parametrize("name", ROWS)
def test_faces_are_ordered_as_one_reads(name: str) -> None:
    boxes = ROWS[name]
    order = np.arange(len(boxes))
    np.testing.assert_array_equal(reading_order(boxes), order)
    for seed in range(5):
        mixed = np.random.default_rng(seed).permutation(len(boxes))
        np.testing.assert_array_equal(mixed[reading_order(boxes[mixed])], order)


def test_a_similarity_is_found_again() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9, 2))
    for angle, scale in ((0.3, 2.0), (-2.0, 0.1), (3.1, 5.0)):
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        there = points @ turn.T + [3.0, -7.0]
        found = similarity(points, there)
        np.testing.assert_allclose(found, np.c_[turn, [3.0, -7.0]], atol=1e-12)
        np.testing.assert_allclose(applied(inverse(found), there), points, atol=1e-12)


def test_a_similarity_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 12, 2))
    # The same problem as ordinary least squares in (re, im, x, y).
    ones, zeros = np.ones(12), np.zeros(12)
    design = np.r_[np.c_[a[:, 0], -a[:, 1], ones, zeros], np.c_[a[:, 1], a[:, 0], zeros, ones]]
    re, im, x, y = np.linalg.lstsq(design, np.r_[b[:, 0], b[:, 1]], rcond=None)[0]
    np.testing.assert_allclose(similarity(a, b), [[re, -im, x], [im, re, y]], atol=1e-12)


def test_points_in_one_place_give_a_shift() -> None:
    found = similarity(np.ones((4, 2)), np.full((4, 2), 3.0))
    np.testing.assert_allclose(found, [[1, 0, 2], [0, 1, 2]])
