from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from ferturb.errors import FerturbError
from ferturb.perturb.clusters import coordinates, intensity
from ferturb.perturb.kmeans import _assign, _lloyd_step, kmeans


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def face_like_maps(b: int = 3, side: int = 24) -> Tensor:
    """Attention with two eyes and a mouth, somewhat different in each map."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    spots = torch.tensor([[0.35, 0.3], [0.35, 0.7], [0.75, 0.5]])
    jitter = torch.randn(b, 3, 2, generator=rng(3)) * 0.03
    where = spots + jitter
    squared = (y - where[..., 0, None, None]) ** 2 + (x - where[..., 1, None, None]) ** 2
    return torch.exp(-squared / 0.01).sum(1)


def face_like_points() -> Tensor:
    return coordinates(intensity(face_like_maps(), 0.5), 1.5, 1.2)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("structured", [True, False])
def test_inertia_is_within_5_percent_of_scikit_learn(k: int, structured: bool) -> None:
    points = face_like_points() if structured else torch.rand(3, 400, 3, generator=rng(1))
    ours = kmeans(points, k, rng(2))
    for i, cloud in enumerate(points.double().numpy()):
        theirs = KMeans(k, n_init=10, random_state=0).fit(cloud).inertia_
        assert float(ours.inertia[i]) <= 1.05 * theirs


@pytest.mark.parametrize("k", [1, 3, 6])
def test_labels_centres_and_inertia_belong_together(k: int) -> None:
    points = torch.rand(4, 150, 2, generator=rng(5))
    labels, centers, inertia = kmeans(points, k, rng(6))
    squared = torch.cdist(points.double(), centers.double()).square()
    own = squared.gather(2, labels.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(own, squared.amin(2), atol=1e-6, rtol=0)  # the nearest centre
    torch.testing.assert_close(inertia.double(), own.sum(1), atol=1e-4, rtol=1e-5)
    for b in range(4):
        for j in range(k):  # each centre is the mean of its points: a fixed point of Lloyd's
            mean = points[b, labels[b] == j].double().mean(0)
            torch.testing.assert_close(centers[b, j].double(), mean, atol=1e-5, rtol=0)


def test_one_cluster_is_the_mean() -> None:
    points = torch.rand(2, 50, 3, generator=rng())
    labels, centers, inertia = kmeans(points, 1, rng())
    assert not labels.any()
    torch.testing.assert_close(centers[:, 0], points.mean(1))
    torch.testing.assert_close(inertia, points.var(1, correction=0).sum(1) * 50)


def naive_lloyd(points: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    while True:
        labels = np.array([min(range(len(centers)), key=lambda j: ((p - centers[j]) ** 2).sum())
                           for p in points])  # fmt: skip
        moved = np.array([points[labels == j].mean(0) for j in range(len(centers))])
        if np.allclose(moved, centers, rtol=0, atol=1e-12):
            return labels, centers
        centers = moved


def test_lloyd_agrees_with_a_plain_loop_from_the_same_centres() -> None:
    points = torch.rand(2, 80, 3, generator=rng(7), dtype=torch.float64)
    start = points[:, :4].clone()
    centers = start
    for _ in range(60):
        centers = _lloyd_step(points, centers)
    labels, _ = _assign(points, centers)
    for b in range(2):
        expected, expected_centers = naive_lloyd(points[b].numpy(), start[b].numpy())
        np.testing.assert_allclose(centers[b].numpy(), expected_centers, atol=1e-12)
        np.testing.assert_array_equal(labels[b].numpy(), expected)


def test_an_empty_cluster_takes_the_farthest_point() -> None:
    points = torch.tensor([[[0.0], [1.0], [2.0], [10.0]]])
    moved = _lloyd_step(points, torch.tensor([[[1.0], [500.0]]]))
    assert moved.flatten().tolist() == [3.25, 10.0]
    settled = moved
    for _ in range(5):
        settled = _lloyd_step(points, settled)
    assert settled.flatten().tolist() == [1.0, 10.0]


def test_fewer_distinct_points_than_clusters() -> None:
    points = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]).repeat(1, 10, 1)
    labels, centers, inertia = kmeans(points, 5, rng())
    assert float(inertia) == 0
    assert torch.equal(centers[0, labels[0]], points[0])
    assert len(labels.unique()) == 2


def test_all_points_equal() -> None:
    labels, _, inertia = kmeans(torch.full((1, 9, 2), 0.3), 3, rng())
    assert float(inertia) == 0
    assert len(labels.unique()) == 1


def test_as_many_clusters_as_points() -> None:
    points = torch.rand(1, 6, 2, generator=rng())
    assert sorted(kmeans(points, 6, rng(1)).labels[0].tolist()) == list(range(6))


def test_same_seed_same_bits() -> None:
    points = face_like_points()
    first, second = kmeans(points, 3, rng(1)), kmeans(points, 3, rng(1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_every_problem_of_a_batch_is_its_own() -> None:
    """Far-apart blobs have one answer, whoever shares the batch."""
    blobs = torch.randn(3, 90, 2, generator=rng()) * 0.05
    corners = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]]).repeat(30, 1)
    points = blobs + corners
    together = kmeans(points, 3, rng(1))
    for b in range(3):
        alone = kmeans(points[b : b + 1], 3, rng(2))
        torch.testing.assert_close(alone.inertia[0], together.inertia[b])
        pairs = set(zip(alone.labels[0].tolist(), together.labels[b].tolist(), strict=True))
        assert len(pairs) == 3  # the same clusters under other numbers


@pytest.mark.parametrize("k", [0, 10])
def test_an_impossible_number_of_clusters_is_refused(k: int) -> None:
    with pytest.raises(FerturbError, match=f"1 to 9 clusters for 9 points, got {k}"):
        kmeans(torch.rand(1, 9, 2), k, rng())
