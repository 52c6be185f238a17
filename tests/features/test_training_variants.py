from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.features.altered import load_dataset
from ferturb.features.training_variants import COPIES, altered_copies


def test_copies_are_the_training_faces_with_something_hidden() -> None:
    dataset = DatasetConfig(synthetic_faces=40)
    faces = load_dataset(dataset).split("train")
    copies = altered_copies(dataset)
    assert copies.shape == (len(COPIES), *faces.images.shape)
    changed = (copies != faces.images).flatten(2).float().mean(2)  # share of pixels, (c, n)
    assert float(changed.mean(1).min()) > 0.01
    assert float(changed.mean(1).max()) < 0.8
    own = (copies.float() - faces.images.float()).abs().flatten(2).median(2).values
    assert float((own < 12).float().mean()) > 0.6  # most pixels of a copy are still its own face's
    worn, left_out = COPIES[0], COPIES[6]
    for i, change in ((0, worn), (6, left_out)):
        expected = load_dataset(replace(dataset, **change)).split("train").images
        assert torch.equal(copies[i], expected)


def test_the_seeds_of_tests_are_not_trained_on() -> None:
    assert DatasetConfig().alteration_seed not in {c["alteration_seed"] for c in COPIES}


def test_altered_datasets_have_no_copies() -> None:
    with pytest.raises(FerturbError, match="method robust hides"):
        altered_copies(DatasetConfig(face_masks="mixed"))
