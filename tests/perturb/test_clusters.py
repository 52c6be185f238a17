from __future__ import annotations

import math

import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from ferturb.perturb.clusters import by_position, cluster_maps, coordinates, intensity, unit_range


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_squared_distances_are_equation_1() -> None:
    side, lam, alpha = 4, 1.5, 1.2
    values = torch.rand(2, side, side, generator=rng(), dtype=torch.float64)
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
                got = (points[b, p] - points[b, q]).norm()
                assert float(got) == pytest.approx(equation, abs=1e-12)


def test_rows_and_columns_are_not_swapped_and_both_run_from_0_to_1() -> None:
    points = coordinates(torch.zeros(1, 3, 5), 1.0, 1.0).view(3, 5, 3)
    assert points[2, 1].tolist() == [1.0, 0.25, 0.0]
    assert points[1, 4].tolist() == [0.5, 1.0, 0.0]


def test_unit_range_of_each_map() -> None:
    maps = torch.tensor([[[2.0, 4.0], [3.0, 6.0]], [[-1.0, 0.0], [1.0, 0.0]]])
    expected = torch.tensor([[[0.0, 0.5], [0.25, 1.0]], [[0.0, 0.5], [1.0, 0.5]]])
    assert torch.equal(unit_range(maps), expected)


def test_threshold_zeroes_what_is_below_it_and_keeps_the_rest() -> None:
    attention = torch.tensor([[[10.0, 12.0], [15.0, 20.0]]])
    assert intensity(attention, 0.5).flatten().tolist() == [0.0, 0.0, 0.5, 1.0]
    assert intensity(attention, 0.0).flatten().tolist() == pytest.approx([0.0, 0.2, 0.5, 1.0])
    assert intensity(attention, 1.0).flatten().tolist() == [0.0, 0.0, 0.0, 1.0]


def test_flat_attention_counts_as_none_and_still_clusters_by_place() -> None:
    flat = torch.full((1, 12, 12), 0.7)
    assert not intensity(flat, 0.5).any()
    labels = cluster_maps(flat, 4, rng())
    sizes = labels.flatten().bincount(minlength=4)
    assert int(sizes.min()) > 0.15 * 144  # near quarters
    assert torch.equal(labels, cluster_maps(flat * 0, 4, rng()))  # whatever its value


def painted(*spots: tuple[int, int, int]) -> Tensor:
    """A 12×12 map of cluster 3 with 3×3 spots of other clusters: (cluster, row, column)."""
    labels = torch.full((1, 12, 12), 3)
    for cluster, row, column in spots:
        labels[0, row : row + 3, column : column + 3] = cluster
    return labels


def test_left_eye_right_eye_mouth_are_0_1_2() -> None:
    """The case of three clusters: upper left, upper right and below."""
    rows, columns = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    truth = torch.where(rows >= 7, 2, (columns >= 6).long())
    for names in ([0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]):
        called = torch.tensor(names)[truth]
        assert torch.equal(by_position(called[None], 3)[0], truth)


def test_numbers_do_not_depend_on_what_k_means_called_the_clusters() -> None:
    generator = rng(4)
    base = torch.randint(0, 5, (3, 9, 9), generator=generator)
    expected = by_position(base, 5)
    for _ in range(5):
        names = torch.randperm(5, generator=generator)
        assert torch.equal(by_position(names[base], 5), expected)
    for b in range(3):  # a renaming only: the pixels of a cluster stay together
        pairs = set(zip(base[b].flatten().tolist(), expected[b].flatten().tolist(), strict=True))
        assert len(pairs) == 5


def test_clusters_run_clockwise() -> None:
    labels = painted((0, 9, 4), (1, 0, 0), (2, 0, 9))  # bottom middle, upper left, upper right
    got = by_position(labels, 4)[0]
    assert got[1, 1] < got[1, 10] < got[10, 5]


def test_empty_clusters_come_last() -> None:
    labels = painted((4, 0, 0))  # of 6 clusters only 3 and 4 exist
    got = by_position(labels, 6)
    assert got.unique().tolist() == [0, 1]
    assert torch.equal(got == got[0, 0, 0], labels == 4)


def test_cluster_maps_are_as_good_as_scikit_learns_k_means_of_equation_1() -> None:
    y, x = torch.meshgrid(torch.linspace(0, 1, 24), torch.linspace(0, 1, 24), indexing="ij")
    attention = torch.zeros(1, 24, 24)
    for row, column in ((0.3, 0.2), (0.3, 0.8), (0.8, 0.5)):
        attention += torch.exp(-((y - row) ** 2 + (x - column) ** 2) / 0.02)
    for k in (2, 3, 4):
        labels = cluster_maps(attention, k, rng())[0]
        points = coordinates(intensity(attention.double(), 0.5), 1.5, 1.2)[0]
        clusters = [points[labels.flatten() == j] for j in range(k)]
        inertia = sum(float((c - c.mean(0)).square().sum()) for c in clusters)
        assert inertia <= 1.02 * KMeans(k, n_init=10, random_state=0).fit(points.numpy()).inertia_
        assert torch.equal(labels, cluster_maps(attention, k, rng())[0])


def test_intensity_weight_zero_is_place_alone() -> None:
    attention = torch.rand(1, 10, 10, generator=rng())
    place = cluster_maps(attention * 0, 3, rng(1))
    assert torch.equal(cluster_maps(attention, 3, rng(1), intensity_weight=0.0), place)
    assert not torch.equal(cluster_maps(attention, 3, rng(1), intensity_weight=5.0), place)
