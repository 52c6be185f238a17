from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from ferturb.base.config import AugmentConfig
from ferturb.training.augment import augment, augment_with_maps
from ferturb.training.inputs import Batch, TrainingInputs

CONFIG = AugmentConfig(flip=0.5, rotate=10.0, contrast=0.2, erase=0.5)
IMAGES = torch.randint(0, 256, (6, 16, 16), dtype=torch.uint8, generator=torch.Generator())


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(size: int | None = None) -> Batch:
    return Batch(torch.arange(6), IMAGES, CONFIG, rng(), size)


def test_the_baseline_is_the_augmented_faces_and_nothing_else() -> None:
    inputs, network = TrainingInputs(), nn.Identity()
    inputs.start_epoch(1, rng())
    assert torch.equal(inputs(batch(12), rng(2)), augment(IMAGES, CONFIG, rng(), 12))
    assert inputs.extra_loss(torch.zeros(6, 7)) is None
    assert inputs.at_test_time(network) is network
    assert not inputs.epoch_record()


class Doubling(TrainingInputs):
    def attach(self, network: nn.Module) -> Sequence[RemovableHandle]:
        return [network.register_forward_hook(lambda module, inputs, x: 2 * x)]


def test_what_is_hooked_in_is_taken_out_whatever_happens_so_that_twice_is_not_four_times() -> None:
    network = nn.Identity()
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt), Doubling().attached(network):
            assert network(torch.ones(1)) == 2
            raise KeyboardInterrupt
    assert network(torch.ones(1)) == 1


def test_maps_and_other_images_are_augmented_like_the_faces() -> None:
    maps = torch.randint(0, 3, (6, 16, 16), dtype=torch.uint8, generator=rng(5))
    faces, moved = batch(12).augmented_with(maps)
    expected, labels = augment_with_maps(IMAGES, maps, CONFIG, rng(), 12)
    assert torch.equal(faces, expected)
    assert torch.equal(moved, labels)  # type: ignore[arg-type]
    assert torch.equal(batch().augmented(255 - IMAGES), augment(255 - IMAGES, CONFIG, rng()))


def test_a_teacher_is_shown_the_same_augmentation_at_full_size() -> None:
    step = replace(batch(12), config=AugmentConfig(flip=0.5))
    small, full = step.augmented(), step.at_full_size()
    assert small.shape[-1] == 12
    assert torch.equal(full, augment(IMAGES, AugmentConfig(flip=0.5), rng()))
    assert torch.equal(full, step.at_full_size())
