from __future__ import annotations

import pytest

from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.base.config.dataset import FEATURE_NAMES, FILL_NAMES, MASK_KINDS
from ferturb.base.errors import FerturbError
from ferturb.features import regions, removal
from ferturb.features.masks import wear


def test_what_is_done_to_the_faces_makes_another_run() -> None:
    prints = {
        RunConfig(config).fingerprint()
        for config in (
            DatasetConfig("faces.zip"),
            DatasetConfig("faces.zip", face_masks="mixed"),
            DatasetConfig("faces.zip", face_masks="mixed", alteration_seed=1),
            DatasetConfig("faces.zip", left_out="mouth"),
            DatasetConfig("faces.zip", left_out="mouth", left_out_fill="black"),
            DatasetConfig("faces.zip", left_out="mouth", left_out_control=True),
        )
    }
    assert len(prints) == 6
    for config in (DatasetConfig("x", face_masks="n95"), DatasetConfig("x", left_out="eyes")):
        run = RunConfig(config)
        assert RunConfig.from_dict(run.to_dict()) == run


def test_altered() -> None:
    assert not DatasetConfig(clean=True, alteration_seed=3).altered
    assert DatasetConfig(face_masks="hand").altered
    assert DatasetConfig(left_out="jaw").altered


def test_options_that_make_no_sense() -> None:
    with pytest.raises(FerturbError, match="alteration_seed must be from 0 to 4294967295, got -1"):
        DatasetConfig(alteration_seed=-1)
    with pytest.raises(FerturbError, match=r"unknown kind of face mask 'n96': did you mean 'n95'"):
        DatasetConfig(face_masks="n96")
    with pytest.raises(FerturbError, match=r"unknown facial feature 'mouht': did you mean 'mouth'"):
        DatasetConfig(left_out="mouht")
    with pytest.raises(FerturbError, match=r"unknown fill 'pink'; known: black, mean"):
        DatasetConfig(left_out="mouth", left_out_fill="pink")
    with pytest.raises(FerturbError, match="give the feature as left_out"):
        DatasetConfig(left_out_control=True)


def test_the_names_are_those_of_the_programs() -> None:
    assert set(MASK_KINDS) == set(wear.KINDS)
    assert set(FEATURE_NAMES) == set(regions.FEATURES)
    assert set(FILL_NAMES) == set(removal.FILLS)
