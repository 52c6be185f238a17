"""Runs on faces they were not trained for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.config import DatasetConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.evaluation import other_data
from ferturb.evaluation.other_data import (
    altered_name,
    data_name,
    logits_on,
    measure_on,
    measure_own,
    pair_of,
)
from ferturb.models.test_time import predict_logits
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run

RECIPE = RecipeConfig(epochs=1, batch_size=32, precision="float32", evaluate=("none", "flip"))


@pytest.fixture
def run(tiny: str, toy_faces: Faces, tmp_path: Path) -> Run:
    made = prepare(tmp_path, RunConfig(model=ModelConfig(tiny), recipe=RECIPE))
    execute_run(made, toy_faces)
    return made


@pytest.fixture
def others(toy_faces: Faces) -> Faces:
    return replace(toy_faces, images=255 - toy_faces.images, source="negatives")


def test_what_is_stored_is_what_the_model_says(run: Run, others: Faces) -> None:
    measure_on(run, others, "on-negatives")
    test = others.split("test")
    for augmentation in RECIPE.evaluate:
        labels, logits = logits_on(run, "on-negatives", "test", augmentation)
        np.testing.assert_array_equal(labels, test.labels.numpy())
        expected = predict_logits(run.load_model(), test.images, augmentation).numpy()
        np.testing.assert_array_equal(logits, expected)
    own = logits_on(run, None, "test", "flip")[1]
    np.testing.assert_array_equal(own, run.logits("test", "flip")[1])
    record = run.analysis("on-negatives")[1]  # type: ignore[index]
    assert record["data"]["source"] == "negatives"


def test_nothing_is_computed_twice_for_the_same_faces(
    run: Run, others: Faces, toy_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_on(run, others, "on-x", ("none",))
    asked: list[str] = []

    def predict(model: object, images: torch.Tensor, name: str, **_: object) -> torch.Tensor:
        asked.append(name)
        return torch.zeros(len(images), 7)

    monkeypatch.setattr(other_data, "predict_logits", predict)
    measure_on(run, others, "on-x", ("none",))
    assert asked == []
    measure_on(run, others, "on-x", ("none", "flip"))
    assert asked == ["flip", "flip"]  # both splits
    measure_on(run, toy_faces, "on-x", ("none",))  # other faces under the same name
    assert asked == ["flip", "flip", "none", "none"]
    with pytest.raises(KeyError):
        logits_on(run, "on-x", "test", "flip")


def test_what_is_only_looked_at_is_not_stored(run: Run, toy_faces: Faces, others: Faces) -> None:
    arrays = measure_on(run, others, "on-negatives", ("flip",), store=False)
    own = measure_own(run, toy_faces, "zoom", store=False)
    assert run.analyses() == ()
    assert not (run.folder / "analyses").exists()
    measure_on(run, others, "on-negatives", ("flip",))
    measure_own(run, toy_faces, "zoom")
    for kept, name, augmentation in ((arrays, "on-negatives", "flip"), (own, None, "zoom")):
        for split in ("validation", "test"):
            for first, second in zip(
                pair_of(kept, split, augmentation),
                logits_on(run, name, split, augmentation),
                strict=True,
            ):
                np.testing.assert_array_equal(first, second)


def test_an_augmentation_a_run_did_not_store_is_measured_of_its_own_faces(
    run: Run, toy_faces: Faces, others: Faces
) -> None:
    with pytest.raises(KeyError):
        logits_on(run, None, "test", "zoom")
    with pytest.raises(FerturbError, match="trained on other faces"):
        measure_own(run, others, "zoom")
    measure_on(run, others, altered_name(run.config.dataset), ("zoom",))  # under the same name
    with pytest.raises(KeyError):
        logits_on(run, None, "test", "zoom")
    measure_own(run, toy_faces, "zoom")
    for split in ("validation", "test"):
        part = toy_faces.split(split)
        labels, logits = logits_on(run, None, split, "zoom")
        np.testing.assert_array_equal(labels, part.labels.numpy())
        expected = predict_logits(run.load_model(), part.images, "zoom").numpy()
        np.testing.assert_array_equal(logits, expected)


def test_errors(run: Run, others: Faces, tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="has no test faces"):
        measure_on(run, others.select(torch.arange(70)), "on-x")
    unfinished = prepare(tmp_path, RunConfig(model=ModelConfig("tiny"), recipe=RECIPE, seed=9))
    with pytest.raises(FerturbError, match="not finished"):
        measure_on(unfinished, others, "on-x")
    with pytest.raises(FerturbError, match="not finished"):
        measure_own(unfinished, others, "zoom")


def test_names(toy_faces: Faces, others: Faces) -> None:
    names = {
        altered_name(config)
        for config in (
            DatasetConfig(),
            *(DatasetConfig(face_masks=kind) for kind in ("mixed", "surgical", "hand")),
            DatasetConfig(left_out="upper_face"),
            DatasetConfig(left_out="upper_face", left_out_control=True),
        )
    }
    assert names == {
        *("on-whole", "on-maskfer", "on-surgical", "on-hand"),
        *("on-without-upper-face", "on-random-upper-face"),
    }
    assert data_name(toy_faces) != data_name(others)
