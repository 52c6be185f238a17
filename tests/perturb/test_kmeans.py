from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.cluster import KMeans

from ferturb.base.errors import FerturbError
from ferturb.perturb.clusters import coordinates, intensity
from ferturb.perturb.kmeans import kmeans


def spots(b: int, side: int, width: float, seed: int) -> np.ndarray:
    """Attention maps (b, side, side) of three spots anywhere."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    where = generator.uniform(0.1, 0.9, (2, b, 3, 1, 1))
    height = generator.uniform(0.5, 1, (b, 3, 1, 1))
    squared = (y - where[0]) ** 2 + (x - where[1]) ** 2
    return (height * np.exp(-squared / (2 * width**2))).sum(1).astype(np.float32)


def fields(b: int, side: int, seed: int) -> np.ndarray:
    """Attention maps like a network's gates: noise of three scales, added."""
    generator = np.random.default_rng(seed)
    total = np.zeros((b, side, side))
    for cells in (3, 6, 12):
        corners = np.linspace(0, cells - 1, side)
        weights = np.maximum(0, 1 - np.abs(corners[:, None] - np.arange(cells)))  # linear
        total += weights @ generator.random((b, cells, cells)) @ weights.T
    return total.astype(np.float32)


def varied(b: int, side: int) -> np.ndarray:
    """Smooth, spotted, nearly empty, two-valued, noisy and flat maps."""
    noise = np.random.default_rng(5).random((b, side, side), np.float32)
    kinds = [fields(b, side, 1), spots(b, side, 0.08, 2), spots(b, side, 0.012, 3)]
    flat = np.zeros((1, side, side), np.float32)
    return np.concatenate([*kinds, np.sign(fields(b, side, 4) - 1.6), noise, flat])


def points_of(maps: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    return coordinates(intensity(maps, threshold), 1.5, 1.2)


def ratios(points: np.ndarray, k: int, picture: tuple[int, int] | None) -> np.ndarray:
    """Inertia over scikit-learn's best of ten starts."""
    best = [KMeans(k, n_init=10, random_state=0).fit(p).inertia_ for p in points]
    return kmeans(points, k, picture=picture).inertia / np.array(best)


@pytest.mark.parametrize(("k", "most"), [(1, 1.001), (2, 1.01), (3, 1.01), (4, 1.02), (6, 1.05)])
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_inertia_is_as_low_as_scikit_learns_best_of_ten(
    k: int, most: float, threshold: float
) -> None:
    points = points_of(varied(4, 48), threshold)
    assert ratios(points, k, (48, 48)).max() <= most


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_three_clusters_of_many_maps_against_scikit_learns_best_of_ten(threshold: float) -> None:
    points = points_of(varied(36, 48), threshold)
    assert ratios(points, 3, (48, 48)).max() <= 1.01


@pytest.mark.parametrize("picture", [(24, 24), (31, 20), (26, 45), (576, 1)])
def test_blocks_need_not_fit_the_sides_of_a_picture(picture: tuple[int, int]) -> None:
    maps = fields(6, 48, 7)
    rows, columns = (np.arange(side) * 48 // side for side in picture)
    points = points_of(maps[:, rows[:, None], columns])
    assert ratios(points, 3, picture).max() <= 1.01


@pytest.mark.parametrize("k", [2, 3, 5])
def test_points_that_are_no_picture_are_clustered_as_well(k: int) -> None:
    points = np.random.default_rng(1).random((4, 400, 4), np.float32)
    assert ratios(points, k, None).max() <= 1.02


@pytest.mark.parametrize("k", [1, 3, 6])
@pytest.mark.parametrize("picture", [None, (10, 15)])
def test_labels_centres_and_inertia_belong_together(
    k: int, picture: tuple[int, int] | None
) -> None:
    points = np.random.default_rng(5).random((4, 150, 2))
    labels, centers, inertia = kmeans(points, k, 6, tolerance=0, picture=picture)
    squared = np.square(points[:, :, None] - centers[:, None]).sum(3)
    own = np.take_along_axis(squared, labels[:, :, None], 2)[:, :, 0]
    np.testing.assert_allclose(own, squared.min(2), atol=1e-12)  # the nearest centre
    np.testing.assert_allclose(inertia, own.sum(1))
    for b in range(4):
        for j in range(k):  # each centre is the mean of its points: a fixed point of Lloyd's
            np.testing.assert_allclose(centers[b, j], points[b, labels[b] == j].mean(0))


def test_blobs_far_apart_are_the_clusters() -> None:
    corners = np.tile([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]], (30, 1))
    points = corners + np.random.default_rng(0).normal(0, 0.05, (3, 90, 2))
    for labels in kmeans(points, 3).labels:
        assert all(len(set(labels[j::3])) == 1 for j in range(3))
        assert len(set(labels)) == 3


def test_fewer_distinct_points_than_clusters() -> None:
    points = np.tile([[0.0, 0.0], [1.0, 1.0]], (1, 10, 1))
    labels, centers, inertia = kmeans(points, 5)
    assert inertia[0] < 1e-10
    np.testing.assert_allclose(centers[0, labels[0]], points[0], atol=1e-12)
    assert len(set(labels[0])) == 2
    distance = np.abs(centers[0][:, None] - points[0, :2]).sum(2).min(1)
    np.testing.assert_allclose(distance, 0, atol=1e-12)  # empty clusters' centres are points too


def test_all_points_equal() -> None:
    labels, _, inertia = kmeans(np.full((1, 9, 2), 0.3), 3)
    assert inertia[0] < 1e-10
    assert len(set(labels[0])) == 1


def test_as_many_clusters_as_points() -> None:
    points = np.random.default_rng(0).random((1, 6, 2))
    assert sorted(kmeans(points, 6, 1).labels[0]) == list(range(6))


def test_a_seed_is_all_that_the_result_depends_on() -> None:
    points = np.random.default_rng(2).random((3, 200, 3))
    first, again, other = (kmeans(points, 7, seed, starts=2) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.labels, other.labels)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_set_has_the_same_result_in_any_company_and_any_thread(threads: int) -> None:
    points = points_of(varied(3, 48))
    together = kmeans(points, 3, 1, picture=(48, 48), threads=threads)
    for b, alone in enumerate(kmeans(p[None], 3, 1, picture=(48, 48)) for p in points):
        assert all(np.array_equal(a[0], t[b]) for a, t in zip(alone, together, strict=True))


def test_a_smaller_tolerance_comes_closer_to_where_centres_stay() -> None:
    points = np.random.default_rng(5).random((6, 700, 3))
    rough, usual, exact = (kmeans(points, 4, 2, 1, tolerance=t) for t in (1e-1, 1e-4, 0))
    assert not np.array_equal(rough.centers, usual.centers)
    assert (exact.inertia <= rough.inertia).all()
    unmoved = kmeans(points, 4, 2, 1, iterations=600, tolerance=0)
    assert np.array_equal(unmoved.centers, exact.centers)


def test_no_sets_give_no_clusters() -> None:
    labels, centers, inertia = kmeans(np.zeros((0, 9, 2)), 3)
    assert (labels.shape, centers.shape, inertia.shape) == ((0, 9), (0, 3, 2), (0,))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("threads", [1, 2])
def test_coordinates_must_be_finite(bad: float, threads: int) -> None:
    points = np.ones((2, 9, 2))
    points[1, 3, 0] = bad
    with pytest.raises(FerturbError, match="finite coordinates"):
        kmeans(points, 3, threads=threads)


def test_a_picture_has_as_many_pixels_as_points() -> None:
    with pytest.raises(FerturbError, match="picture of 576 pixels for 576 points, got 20×20"):
        kmeans(np.ones((1, 576, 3)), 3, picture=(20, 20))


@pytest.mark.parametrize(("k", "n"), [(0, 9), (10, 9), (257, 300)])
def test_an_impossible_number_of_clusters_is_refused(k: int, n: int) -> None:
    with pytest.raises(FerturbError, match=f"1 to {min(n, 256)} clusters for {n} points, got {k}"):
        kmeans(np.ones((1, n, 2)), k)
