from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.errors import FerturbError
from ferturb.perturb.clusters import coordinates, intensity
from ferturb.perturb.kmeans import kmeans as module
from ferturb.perturb.kmeans.converge import settle, unsettled
from ferturb.perturb.kmeans.kmeans import Clustering, kmeans
from ferturb.perturb.kmeans.lloyd import lloyd_step, members, weighted
from ferturb.perturb.kmeans.seeding import plus_plus, raced
from ferturb.perturb.kmeans.subsample import count_of, halved_blocks, stride_of


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
    labels, centers, inertia = kmeans(points, k, rng(6), tolerance=0.0)
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


def naive_lloyd(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    while True:
        labels = np.array([min(range(len(centers)), key=lambda j: ((p - centers[j]) ** 2).sum())
                           for p in points])  # fmt: skip
        moved = np.array([points[labels == j].mean(0) for j in range(len(centers))])
        if np.allclose(moved, centers, rtol=0, atol=1e-12):
            return centers
        centers = moved


def scratch(numbers: int = 1_000_000) -> Tensor:
    """Memory that holds rubbish."""
    return torch.full((numbers,), math.nan, dtype=torch.float64)


def columns_of(points: Tensor) -> Tensor:
    """(x, 1) as columns, not moved to the mean."""
    return torch.cat([points.mT, torch.ones_like(points[:, :, :1]).mT], dim=1).double()


def one_step(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """A step of Lloyd's algorithm from (b, k, d): means and sizes."""
    start = centers.double().mT.unsqueeze(3)
    means, sizes, _ = lloyd_step(weighted(columns_of(points)), start, scratch())
    return means[..., 0].mT, sizes[:, 0, :, 0]


def settled(points: Tensor, centers: Tensor, iterations: int) -> Tensor:
    """Where centres (b, k, d) come to rest after some steps on all points."""
    mean = points.double().mean(1)
    columns = columns_of(points - mean.unsqueeze(1))
    start = (centers - mean.unsqueeze(1)).mT.unsqueeze(3)
    (b, n, d), k = points.shape, centers.shape[1]
    empty = torch.full((b, k, d), math.nan, dtype=torch.float64)
    found = Clustering(torch.zeros(b, n, dtype=torch.int64), empty, empty[:, 0, 0].clone())
    sets = unsettled(columns, start, mean, 0)
    left = settle(sets, range(iterations + 1), iterations, 0.0, found, scratch())
    assert len(left.where) == 0
    return found.centers


def test_lloyd_agrees_with_a_plain_loop_from_the_same_centres() -> None:
    points = torch.rand(2, 80, 3, generator=rng(7), dtype=torch.float64)
    start = points[:, :4].clone()
    centers = start
    for _ in range(60):
        centers, _ = one_step(points, centers)
    for b in range(2):
        expected = naive_lloyd(points[b].numpy(), start[b].numpy())
        np.testing.assert_allclose(centers[b].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_every_start_has_the_members_that_plain_distances_say(k: int) -> None:
    points = torch.rand(2, 50, 3, generator=rng(8), dtype=torch.float64)
    centers = torch.rand(2, 3, k, 7, generator=rng(9), dtype=torch.float64)  # 7 starts
    member = members(columns_of(points), centers, scratch()).view(2, k - 1, 7, 50)
    for s in range(7):
        nearest = torch.cdist(points, centers[..., s].mT).argmin(2)
        for j in range(1, k):
            assert torch.equal(member[:, j - 1, s] == 1, nearest == j)
    assert torch.equal(member.sum(1), member.amax(1) if k > 1 else member.sum(1))


def test_a_point_between_two_centres_belongs_to_the_first() -> None:
    points = torch.tensor([[[0.0], [1.0], [2.0], [3.0], [4.0]]])
    _, sizes = one_step(points, torch.tensor([[[1.0], [3.0], [3.0]]]))
    assert sizes.tolist() == [[3.0, 2.0, 0.0]]
    _, sizes = one_step(points, torch.tensor([[[5.0], [3.0], [1.0]]]))
    assert sizes.tolist() == [[1.0, 2.0, 2.0]]  # 4 is the first's, 2 the second's


def test_columns_of_zeros_count_for_nothing() -> None:
    points = torch.rand(1, 20, 2, generator=rng(10), dtype=torch.float64)
    centers = points[:, :3].mT.unsqueeze(3)
    columns = columns_of(points)
    plain = lloyd_step(weighted(columns), centers, scratch())
    padded = lloyd_step(weighted(F.pad(columns, (0, 12))), centers, scratch())
    for a, b in zip(plain[:2], padded[:2], strict=True):
        torch.testing.assert_close(a, b)


def test_a_point_of_weight_3_is_three_points() -> None:
    points = torch.rand(2, 30, 2, generator=rng(14), dtype=torch.float64)
    weights = torch.randint(0, 4, (30,), generator=rng(15))
    columns = columns_of(points)
    apart = weighted(columns_of(points.repeat_interleave(weights, 1)))
    together = weighted(columns, columns * weights)
    centers = points[:, :4].mT.unsqueeze(3).contiguous()
    for a, b in zip(lloyd_step(apart, centers, scratch())[:2],
                    lloyd_step(together, centers, scratch())[:2], strict=True):  # fmt: skip
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(apart.length, together.length)


def test_a_race_keeps_the_starts_of_lowest_inertia() -> None:
    points = torch.rand(2, 60, 2, generator=rng(12), dtype=torch.float64)
    starts = torch.rand(2, 2, 3, 6, generator=rng(13), dtype=torch.float64)
    kept = raced(weighted(columns_of(points)), starts, 1, 2, scratch())
    for b in range(2):
        found = []
        for s in range(6):
            moved, _ = one_step(points[b : b + 1], starts[b : b + 1, :, :, s].mT)
            labels = torch.cdist(points[b], starts[b, :, :, s].mT).argmin(1)
            found.append((float((points[b] - moved[0, labels]).square().sum()), moved[0]))
        found.sort(key=lambda pair: pair[0])
        for i in range(2):
            torch.testing.assert_close(kept[b, :, :, i].mT, found[i][1])


@pytest.mark.parametrize("side", [24, 44, 48, 64, 96])
@pytest.mark.parametrize("size", [57, 110, 461])
def test_samples_of_a_picture_are_even(side: int, size: int) -> None:
    """No two pixels lie much nearer than in a square lattice (every 16th of 48²: 0.25 of that)."""
    stride = stride_of(side**2, size)
    places = torch.arange(stride // 2, side**2, stride)
    assert len(places) == count_of(side**2, size)
    assert 0.8 * min(size, side**2) <= len(places) <= 1.5 * size
    pixels = torch.stack([places // side, places % side], 1).double()
    assert float(torch.pdist(pixels).min()) >= 0.6 * math.sqrt(stride)


def test_an_empty_cluster_takes_the_farthest_point() -> None:
    points = torch.tensor([[[0.0], [1.0], [2.0], [10.0]]])
    start = torch.tensor([[[1.0], [500.0]]])
    assert settled(points, start, 1).flatten().tolist() == [3.25, 10.0]
    assert settled(points, start, 6).flatten().tolist() == [1.0, 10.0]


def test_several_empty_clusters_take_different_points() -> None:
    points = torch.tensor([[[0.0], [1.0], [2.0], [10.0], [12.0]]])
    start = torch.tensor([[[1.0], [500.0], [501.0]]])
    assert settled(points, start, 1).flatten().tolist() == [5.0, 12.0, 10.0]


def test_fewer_distinct_points_than_clusters() -> None:
    points = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]).repeat(1, 10, 1)
    labels, centers, inertia = kmeans(points, 5, rng())
    assert float(inertia) < 1e-10
    torch.testing.assert_close(centers[0, labels[0]], points[0])
    assert len(labels.unique()) == 2


def test_all_points_equal() -> None:
    labels, _, inertia = kmeans(torch.full((1, 9, 2), 0.3), 3, rng())
    assert float(inertia) < 1e-10
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


def test_a_set_has_the_same_result_in_any_company() -> None:
    points = face_like_points()
    for picture in (None, (24, 24)):
        together = kmeans(points, 3, rng(1), picture=picture)
        for b in range(3):
            alone = kmeans(points[b : b + 1], 3, rng(1), picture=picture)
            assert torch.equal(alone.labels[0], together.labels[b])


def test_batches_larger_than_the_cache_are_cut_without_a_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = face_like_points()
    whole = kmeans(points, 3, rng(1))
    monkeypatch.setattr(module, "CACHE", 1)
    assert torch.equal(kmeans(points, 3, rng(1)).labels, whole.labels)


def test_threads_share_the_sets_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.randn(40, 300, 3, generator=rng(11))
    plain = kmeans(points, 3, rng())
    before = torch.get_num_threads()
    monkeypatch.setattr(module, "LEAST", 1000)
    parts: list[int] = []
    at_once = module._at_once

    def watched(given: list[tuple[Tensor, Clustering]], task: module._Task) -> None:
        parts.extend(len(points) for points, _ in given)
        at_once(given, task)

    monkeypatch.setattr(module, "_at_once", watched)
    bad = points.clone()
    bad[39, 0, 0] = math.nan
    try:
        torch.set_num_threads(3)
        shared = kmeans(points, 3, rng())
        assert parts == [14, 14, 12]
        with pytest.raises(FerturbError, match="finite"):
            kmeans(bad, 3, rng())
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(shared.inertia, plain.inertia)
    torch.testing.assert_close(shared.centers, plain.centers)
    assert torch.equal(shared.labels, plain.labels)


def test_a_smaller_tolerance_comes_closer_to_where_centres_stay() -> None:
    points = torch.rand(6, 700, 3, generator=rng(5), dtype=torch.float64)
    moves = []
    for tolerance in (1e-2, 1e-4, 0.0):
        found = kmeans(points, 4, rng(2), starts=2, tolerance=tolerance)
        again, _ = one_step(points, found.centers)
        moves.append((again - found.centers).square().sum((1, 2)))
    variance = points.var(1, correction=0).mean(1)
    assert (moves[0] > 1e-4 * variance).any()
    assert (moves[1] <= 2e-4 * variance).all()  # one more step moves about as much as the last
    assert (moves[2] <= 1e-20).all()


def test_no_sets_give_no_clusters() -> None:
    labels, centers, inertia = kmeans(torch.zeros(0, 9, 2), 3, rng())
    assert (labels.shape, centers.shape, inertia.shape) == ((0, 9), (0, 3, 2), (0,))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_coordinates_must_be_finite(bad: float) -> None:
    points = torch.rand(2, 9, 2)
    points[1, 3, 0] = bad
    with pytest.raises(FerturbError, match="finite coordinates"):
        kmeans(points, 3, rng())


def attention_fields(b: int, side: int = 48) -> Tensor:
    """Attention like a network's gates: smooth fields of several scales, thresholded."""
    generator = rng(11)
    fields = [torch.rand(b, 1, s, s, generator=generator) for s in (3, 6, 12)]
    size = (side, side)
    return sum(F.interpolate(f, size, mode="bilinear") for f in fields)[:, 0]  # type: ignore


@pytest.mark.slow
@pytest.mark.parametrize("picture", [None, (48, 48)])
def test_inertia_of_full_size_maps_against_scikit_learns_best_of_ten(
    picture: tuple[int, int] | None,
) -> None:
    """Within 1 % on each map of 48×48."""
    points = coordinates(intensity(attention_fields(64), 0.5), 1.5, 1.2)
    ours = kmeans(points, 3, rng(1), picture=picture).inertia.double()
    best = [KMeans(3, n_init=10, random_state=0).fit(p).inertia_ for p in points.numpy()]
    assert float((ours / torch.tensor(best)).max()) <= 1.01


@pytest.mark.parametrize("shape", [(24, 24), (31, 20), (26, 45)])
@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_a_picture_is_clustered_as_well_as_its_points(
    shape: tuple[int, int], k: int, threshold: float
) -> None:
    """On average within 1 %, never more than 5 % above, also where blocks don't fit the sides."""
    maps = F.interpolate(attention_fields(16)[:, None], shape, mode="bilinear")[:, 0]
    points = coordinates(intensity(maps, threshold), 1.5, 1.2)
    ratio = kmeans(points, k, rng(2), picture=shape).inertia / kmeans(points, k, rng(2)).inertia
    assert float(ratio.mean()) <= 1.01
    assert float(ratio.max()) <= 1.05


def test_halved_blocks_hold_each_pixel_once_at_its_side_of_the_mean() -> None:
    """Sums by hand for 24×24 pixels: fine blocks of 3×3 pixels, coarse ones of 2×2 of these."""
    points = face_like_points().double()
    points = points - points.mean(1, keepdim=True)
    coarse, fine = halved_blocks(columns_of(points), (24, 24), 3, scratch())
    assert [p.columns.shape[2] for p in (coarse, fine)] == [2 * 16, 2 * 64]
    grid = points.view(3, 8, 3, 8, 3, 3)
    for half, member in enumerate((grid[..., 2] > 0, grid[..., 2] <= 0)):
        sums, columns = (t.view(3, 4, 2, 8, 8)[:, :, half] for t in (fine.sums, fine.columns))
        size = member.sum((2, 4)).double()
        torch.testing.assert_close(sums[:, 3], size)
        torch.testing.assert_close(sums[:, 2], (grid[..., 2] * member).sum((2, 4)))
        for axis in range(2):
            middles = grid[..., axis].mean((2, 4)) * (size > 0)
            torch.testing.assert_close(columns[:, axis] * (size > 0), middles)
    torch.testing.assert_close(coarse.total, fine.total)
    corner = fine.sums.view(3, 4, 2, 8, 8)[..., :2, :2].sum((3, 4))
    torch.testing.assert_close(coarse.sums.view(3, 4, 2, 16)[..., 0], corner)


def test_blocks_at_the_edges_are_smaller_and_nothing_is_lost() -> None:
    points = coordinates(torch.rand(2, 26, 45, generator=rng(18), dtype=torch.float64), 1.5, 1.2)
    points = points - points.mean(1, keepdim=True)
    coarse, fine = halved_blocks(columns_of(points), (26, 45), 3, scratch())  # of 4×4 pixels
    sizes = fine.sums[:, 3].view(2, 2, 7, 12).sum(1)
    expected = torch.tensor([4.0] * 6 + [2.0])[:, None] * torch.tensor([4.0] * 11 + [1.0])
    assert torch.equal(sizes, expected.double().expand(2, -1, -1))
    for sketch in (coarse, fine):  # the total of rows and columns, hence of their middles, is 0
        torch.testing.assert_close(sketch.total[..., 0, 0], columns_of(points).sum(2))
    corner = fine.columns.view(2, 4, 2, 7, 12)[0, :2, :, 6, 11]
    rows = points[0].view(26, 45, 3)[24:, 44:, :2].mean((0, 1))
    torch.testing.assert_close(corner[:, corner.abs().sum(0) > 0][:, 0], rows)


def test_k_means_plus_plus_never_starts_from_a_point_without_weight() -> None:
    points = torch.rand(3, 40, 2, generator=rng(16), dtype=torch.float64)
    columns = columns_of(points)
    weights = (torch.arange(40) % 3 == 0).double()
    draws = torch.rand(16, 3, generator=rng(17), dtype=torch.float64)
    centers = plus_plus(weighted(columns, columns * weights), 3, draws, scratch())
    for b in range(3):
        nearest = torch.cdist(centers[b].flatten(1).mT, points[b]).min(1)
        assert float(nearest.values.max()) < 1e-6
        assert bool((nearest.indices % 3 == 0).all())


def test_a_picture_has_as_many_pixels_as_points() -> None:
    with pytest.raises(FerturbError, match="picture of 576 pixels for 576 points, got 20×20"):
        kmeans(face_like_points(), 3, rng(), picture=(20, 20))


@pytest.mark.parametrize("k", [0, 10])
def test_an_impossible_number_of_clusters_is_refused(k: int) -> None:
    with pytest.raises(FerturbError, match=f"1 to 9 clusters for 9 points, got {k}"):
        kmeans(torch.rand(1, 9, 2), k, rng())
