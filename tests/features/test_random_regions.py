from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from ferturb.base.errors import FerturbError
from ferturb.features.masks.keyed_random import index_keys
from ferturb.features.random_regions import random_regions


def pieces(region: torch.Tensor) -> int:
    """Number of connected pieces, diagonal neighbours counting as connected."""
    return int(ndimage.label(region.numpy(), structure=np.ones((3, 3)))[1])


def test_each_has_exactly_its_area_and_is_in_one_piece() -> None:
    area = torch.tensor([1, 5, 40, 97, 155, 300, 600, 1100, 2000, 2304] * 40)
    found = random_regions(area, seed=3)
    assert torch.equal(found.flatten(1).sum(1), area)
    assert all(pieces(one) == 1 for one in found)


def test_nothing_is_nothing() -> None:
    found = random_regions(torch.tensor([0, 7]))
    assert found.flatten(1).sum(1).tolist() == [0, 7]
    assert random_regions(torch.zeros(0, dtype=torch.int64)).shape == (0, 48, 48)


def test_they_stay_within_where_there_is_room() -> None:
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    disc = ((rows - 20) ** 2 + (columns - 26) ** 2 < 15**2).expand(60, 48, 48)
    area = torch.full((60,), 120)
    found = random_regions(area, seed=1, within=disc)
    assert not bool((found & ~disc).any())
    assert torch.equal(found.flatten(1).sum(1), area)
    assert all(pieces(one) == 1 for one in found)
    full = random_regions(disc[0].sum()[None] + 10, within=disc[:1])
    assert bool((full & disc[:1]).eq(disc[:1]).all())


def test_the_same_seed_gives_the_same_and_another_gives_others() -> None:
    area = torch.full((50,), 100)
    first = random_regions(area, seed=8)
    assert torch.equal(first, random_regions(area, seed=8))
    assert not torch.equal(first, random_regions(area, seed=9))


def test_they_lie_anywhere() -> None:
    """Over many faces every pixel's share is near the area's: no place is spared."""
    share = random_regions(torch.full((3000,), 100), seed=2).float().mean(0)
    inner = share[8:40, 8:40]
    assert float(inner.min()) > 0.5 * 100 / 2304
    assert float(inner.max()) < 2.0 * 100 / 2304


def test_an_impossible_area_is_refused() -> None:
    with pytest.raises(FerturbError, match="0 to 2304 pixels, got areas from 3 to 2305"):
        random_regions(torch.tensor([3, 2305]))


def test_with_keys_a_region_is_its_faces_own() -> None:
    face = torch.zeros(6, 48, 48, dtype=torch.bool)
    face[:, 8:40, 10:38] = True
    area, keys = torch.tensor([10, 100, 400, 1, 0, 250]), index_keys(6, 4)
    whole = random_regions(area, seed=2, within=face, keys=keys)
    assert whole.flatten(1).sum(1).tolist() == area.tolist()
    assert not bool((whole & ~face).any())
    some = torch.tensor([5, 1])
    alone = random_regions(area[some], seed=2, within=face[some], keys=keys[some])
    assert torch.equal(alone, whole[some])
    assert not torch.equal(random_regions(area, seed=3, within=face, keys=keys), whole)


def test_with_keys_regions_begin_anywhere_they_may() -> None:
    n = 3000
    within = torch.zeros(n, 8, 8, dtype=torch.bool)
    within[:, 2:4, 2:6] = True
    ones = torch.ones(n, dtype=torch.int64)
    counts = random_regions(ones, (8, 8), 0, within, index_keys(n, 1)).sum(0)
    assert int(counts.sum()) == n
    assert set(counts[~within[0]].tolist()) == {0}
    assert counts[within[0]].min() > n / 8 * 0.8
