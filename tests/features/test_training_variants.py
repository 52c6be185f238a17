from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.features.altered import load_dataset
from ferturb.features.training_variants import VARIANTS, training_variants


def test_variants_are_the_training_faces_with_something_hidden() -> None:
    dataset = DatasetConfig(synthetic_faces=40)
    faces = load_dataset(dataset)
    images, variants = faces.split("train").images, training_variants(faces)
    assert variants.shape == (len(VARIANTS), *images.shape)
    changed = (variants != images).flatten(2).float().mean(2)  # share of pixels, (c, n)
    assert float(changed.mean(1).min()) > 0.01
    assert float(changed.mean(1).max()) < 0.8
    own = (variants.float() - images.float()).abs().flatten(2).median(2).values
    assert float((own < 12).float().mean()) > 0.6  # most pixels are still the face's own
    for variant, change in zip(variants, VARIANTS, strict=True):
        expected = load_dataset(replace(dataset, **change)).split("train").images
        assert torch.equal(variant, expected)


def test_variants_are_those_of_the_faces_that_are_given() -> None:
    faces = load_dataset(DatasetConfig(synthetic_faces=40))
    index = torch.cat([torch.arange(20, 40), torch.arange(20)])
    images = training_variants(faces)[0]
    moved = faces.select(index)
    place = {name: i for i, name in enumerate(faces.split("train").names)}
    order = torch.tensor([place[name] for name in moved.split("train").names])
    assert torch.equal(training_variants(moved)[0], images[order])
    brighter = replace(faces, images=faces.images // 2 + 100)
    assert not torch.equal(training_variants(brighter)[0], images)


def test_the_seeds_of_tests_are_not_trained_on() -> None:
    assert DatasetConfig().alteration_seed not in {v["alteration_seed"] for v in VARIANTS}


@pytest.mark.parametrize("change", [{"face_masks": "mixed"}, {"left_out": "mouth"}])
def test_altered_faces_have_no_variants(change: dict[str, Any]) -> None:
    with pytest.raises(FerturbError, match="method robust hides"):
        training_variants(load_dataset(DatasetConfig(synthetic_faces=40, **change)))
