from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ferturb.base.config import FAST, PAPER, AugmentConfig
from ferturb.training.augment import augment, augment_with_maps

MOVES = replace(FAST.augment, brightness=0.0, contrast=0.0, erase=0.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def halves(b: int = 40) -> torch.Tensor:
    """Faces that are black and white in large patches, different in each."""
    coarse = torch.randint(0, 2, (b, 3, 3), generator=rng(1), dtype=torch.uint8)
    return coarse.repeat_interleave(16, 1).repeat_interleave(16, 2)


@pytest.mark.parametrize("size", [None, 32])
@pytest.mark.parametrize("config", [FAST.augment, PAPER.augment, AugmentConfig()])
def test_faces_are_the_same_bits_with_maps_and_without(
    config: AugmentConfig, size: int | None
) -> None:
    images = torch.randint(0, 256, (9, 48, 48), generator=rng(), dtype=torch.uint8)
    size = None if config.crop else size
    faces, maps = augment_with_maps(images, halves(9), config, rng(2), size)
    assert torch.equal(faces, augment(images, config, rng(2), size))
    assert maps is not None
    assert maps.shape == faces.shape[:1] + faces.shape[2:]
    assert set(maps.unique().tolist()) <= {0, 1}


@pytest.mark.parametrize("size", [None, 32])
@pytest.mark.parametrize("config", [MOVES, replace(PAPER.augment, erase=0.0), AugmentConfig()])
def test_maps_move_with_their_faces(config: AugmentConfig, size: int | None) -> None:
    """A face that is painted like its map stays so, but for the pixels on a border."""
    pattern = halves()
    faces, maps = augment_with_maps(
        pattern * 255, pattern, config, rng(3), None if config.crop else size
    )
    assert maps is not None
    agree = (faces[:, 0] - maps).abs() < 0.5
    assert float(agree.double().mean()) > 0.985
    inside = (faces[:, 0] < 0.01) | (faces[:, 0] > 0.99)
    assert float(agree[inside].double().mean()) > 0.9995


def test_no_maps_stay_none() -> None:
    assert augment_with_maps(halves(2), None, FAST.augment, rng())[1] is None
