from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from ferturb.perturb.clusters import (
    by_position,
    cluster_maps,
    coordinates,
    intensity,
    uninformative,
    unit_range,
)
from ferturb.perturb.matching import matched


def test_squared_distances_are_equation_1() -> None:
    side, lam, alpha = 4, 1.5, 1.2
    values = np.random.default_rng(0).random((2, side, side))
    points = coordinates(values, lam, alpha)
    for b in range(2):
        for p in range(side * side):
            for q in range(side * side):
                (i, j), (k, l) = divmod(p, side), divmod(q, side)  # noqa: E741
                equation = math.sqrt(
                    (lam * (i - k) / (side - 1)) ** 2
                    + (lam * (j - l) / (side - 1)) ** 2
                    + (alpha * float(values[b, i, j] - values[b, k, l])) ** 2
                )
                got = np.linalg.norm(points[b, p] - points[b, q])
                assert got == pytest.approx(equation, abs=1e-12)


def test_rows_and_columns_are_not_swapped_and_both_run_from_0_to_1() -> None:
    points = coordinates(np.zeros((1, 3, 5)), 1.0, 1.0).reshape(3, 5, 3)
    assert points[2, 1].tolist() == [1.0, 0.25, 0.0]
    assert points[1, 4].tolist() == [0.5, 1.0, 0.0]


def test_unit_range_of_each_map() -> None:
    maps = np.array([[[2.0, 4.0], [3.0, 6.0]], [[-1.0, 0.0], [1.0, 0.0]], [[7.0, 7.0], [7.0, 7.0]]])
    expected = [[[0.0, 0.5], [0.25, 1.0]], [[0.0, 0.5], [1.0, 0.5]], [[0.0, 0.0], [0.0, 0.0]]]
    assert unit_range(maps).tolist() == expected


def test_threshold_zeroes_what_is_below_it_and_keeps_the_rest() -> None:
    attention = np.array([[[10.0, 12.0], [15.0, 20.0]]])
    assert intensity(attention, 0.5).ravel().tolist() == [0.0, 0.0, 0.5, 1.0]
    assert intensity(attention, 0.0).ravel().tolist() == pytest.approx([0.0, 0.2, 0.5, 1.0])
    assert intensity(attention, 1.0).ravel().tolist() == [0.0, 0.0, 0.0, 1.0]


def lit(pixels: int, side: int = 48) -> np.ndarray:
    """A map of 1 at the first pixels and 0 elsewhere."""
    return (np.arange(side * side) < pixels).astype(np.float32).reshape(1, side, side)


@pytest.mark.parametrize(
    ("attention", "expected"),
    [
        (np.full((1, 12, 12), 0.7), True),  # flat
        (0.5 + 0.9e-4 * lit(70), True),
        (0.5 + 1.1e-4 * lit(70), False),
        (lit(1), True),  # lit at fewer than two pixels
        (lit(2), False),
        (lit(8, 96), True),  # at fewer than one in a thousand
        (lit(9, 96), False),
        (lit(70) * np.nan, True),
        (np.where(lit(70) > 0, np.inf, 0.0), True),
    ],
)
def test_uninformative_attention_is_clustered_by_place_alone(
    attention: np.ndarray, expected: bool
) -> None:
    assert uninformative(attention, 0.5).tolist() == [expected]
    by_place = cluster_maps(attention, 3, intensity_weight=0.0)
    assert np.array_equal(cluster_maps(attention, 3), by_place) or not expected
    assert np.bincount(by_place.ravel()).min() > 0.2 * attention.size  # near thirds


def painted(*places: tuple[int, int, int]) -> np.ndarray:
    """A 12×12 map of cluster 3 with 3×3 spots of other clusters: (cluster, row, column)."""
    labels = np.full((1, 12, 12), 3)
    for cluster, row, column in places:
        labels[0, row : row + 3, column : column + 3] = cluster
    return labels


def test_left_eye_right_eye_mouth_are_0_1_2() -> None:
    """The case of three clusters: upper left, upper right and below."""
    rows, columns = np.mgrid[0:12, 0:12]
    truth = np.where(rows >= 7, 2, (columns >= 6).astype(int))
    for names in permutations(range(3)):
        assert np.array_equal(by_position(np.array(names)[truth][None], 3)[0], truth)


def test_numbers_do_not_depend_on_what_k_means_called_the_clusters() -> None:
    generator = np.random.default_rng(4)
    base = generator.integers(0, 5, (3, 9, 9))
    expected = by_position(base, 5)
    for _ in range(5):
        assert np.array_equal(by_position(generator.permutation(5)[base], 5), expected)
    for b in range(3):  # a renaming only: the pixels of a cluster stay together
        pairs = set(zip(base[b].ravel().tolist(), expected[b].ravel().tolist(), strict=True))
        assert len(pairs) == 5


def test_clusters_run_clockwise() -> None:
    labels = painted((0, 9, 4), (1, 0, 0), (2, 0, 9))  # bottom middle, upper left, upper right
    got = by_position(labels, 4)[0]
    assert got[1, 1] < got[1, 10] < got[10, 5]


def test_empty_clusters_come_last() -> None:
    labels = painted((4, 0, 0))  # of 6 clusters only 3 and 4 exist
    got = by_position(labels, 6)
    assert np.unique(got).tolist() == [0, 1]
    assert np.array_equal(got == got[0, 0, 0], labels == 4)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_no_renaming_overlaps_more_than_the_matched_one(k: int) -> None:
    generator = np.random.default_rng(k)
    labels, reference = generator.integers(0, k, (6, 7, 9)), generator.integers(0, k, (7, 9))
    found = matched(labels, reference, k)
    for before, after in zip(labels, found, strict=True):
        renamed = [np.array(names)[before] for names in permutations(range(k))]
        assert (after == reference).sum() == max((r == reference).sum() for r in renamed)
        assert any(np.array_equal(after, r) for r in renamed)


def test_cluster_maps_are_as_good_as_scikit_learns_k_means_of_equation_1() -> None:
    y, x = np.mgrid[0:24, 0:24] / 23
    spots = [(0.3, 0.2), (0.3, 0.8), (0.8, 0.5)]
    attention = sum(np.exp(-((y - r) ** 2 + (x - c) ** 2) / 0.02) for r, c in spots)[None]
    points = coordinates(intensity(attention, 0.5), 1.5, 1.2)[0]
    for k in (2, 3, 4):
        labels = cluster_maps(attention, k)[0]
        clusters = [points[labels.ravel() == j] for j in range(k)]
        inertia = sum(np.square(c - c.mean(0)).sum() for c in clusters)
        assert inertia <= 1.01 * KMeans(k, n_init=10, random_state=0).fit(points).inertia_
        assert np.array_equal(labels, cluster_maps(attention, k)[0])


def test_intensity_weight_zero_is_place_alone() -> None:
    attention = np.random.default_rng(0).random((1, 10, 10))
    place = cluster_maps(attention * 0, 3, 1)
    assert np.array_equal(cluster_maps(attention, 3, 1, intensity_weight=0.0), place)
    assert not np.array_equal(cluster_maps(attention, 3, 1, intensity_weight=5.0), place)


def test_by_place_alone_three_clusters_are_an_upright_y_whatever_the_seed() -> None:
    """As in the paper's Figure 4: two parts above, one below."""
    nothing = np.zeros((1, 48, 48), np.float32)
    first = cluster_maps(nothing, 3, 0, intensity_weight=0.0)[0]
    assert len(np.unique(first[0])) == 2
    assert len(np.unique(first[-1])) == 1
    for seed in range(1, 6):
        other = cluster_maps(nothing, 3, seed, intensity_weight=0.0)[0]
        assert (other == first).mean() > 0.95  # but for its mirror image along the seams
