from __future__ import annotations

import pytest
import torch
from scipy.ndimage import label
from torch import Tensor

from ferturb.perturb.clusters import cluster_maps
from ferturb.perturb.controls import partition_draws, random_partitions


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_regions(clusters: Tensor, k: int, seed: int) -> Tensor:
    return random_partitions(clusters, k, partition_draws(len(clusters), k, rng(seed)))


def areas(maps: Tensor, k: int) -> Tensor:
    return torch.stack([(maps == j).flatten(1).sum(1) for j in range(k)], 1)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(48, 48), (20, 31)])
def test_random_regions_have_exactly_the_clusters_areas(k: int, size: tuple[int, int]) -> None:
    clusters = torch.randint(0, k, (40, *size), generator=rng())
    clusters[0] = k - 1  # all others empty
    regions = random_regions(clusters, k, 1)
    assert torch.equal(areas(regions, k), areas(clusters, k))
    assert int(areas(regions, k).sum(1).unique()) == size[0] * size[1]


def test_random_regions_are_connected() -> None:
    attention = torch.rand(60, 48, 48, generator=rng()).numpy()
    for k in (2, 3, 5):
        clusters = torch.from_numpy(cluster_maps(attention, k, intensity_weight=0.0))
        for regions in random_regions(clusters, k, k).numpy():
            for j in range(k):
                assert label(regions == j, structure=[[1] * 3] * 3)[1] == 1


def test_regions_differ_from_face_to_face_and_with_the_seed() -> None:
    clusters = (torch.arange(48) // 16).expand(30, 48, 48)
    regions = random_regions(clusters, 3, 1)
    assert len({tuple(r.flatten().tolist()) for r in regions}) == 30
    assert torch.equal(regions, random_regions(clusters, 3, 1))
    assert not torch.equal(regions, random_regions(clusters, 3, 2))


def test_every_place_is_left_out_about_as_often() -> None:
    """Regions favour no place: over many draws each pixel is in region 0 a third of the time,
    but for what corners and middles of straight cuts make of it."""
    clusters = (torch.arange(24) // 8).expand(3000, 24, 24)
    share = (random_regions(clusters, 3, 1) == 0).double().mean(0)
    assert float(share.mean()) == pytest.approx(1 / 3)
    assert 0.25 < float(share.min()) < float(share.max()) < 0.42
    torch.testing.assert_close(share, share.flip(0), atol=0.06, rtol=0)
    torch.testing.assert_close(share, share.T, atol=0.06, rtol=0)
