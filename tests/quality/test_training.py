"""A short training must learn: the whole way from faces to the logits of the test split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import FAST, AugmentConfig, MethodConfig, ModelConfig, RunConfig
from ferturb.data.faces import Faces
from ferturb.models.backbones import BACKBONES
from ferturb.models.compact import compact
from ferturb.runs.execute import execute_run, prepare
from strong_faces import strong_faces

TRAIN, VALIDATION, TEST = 700, 140, 140
RECIPE = replace(
    FAST,
    epochs=8,
    batch_size=32,
    average=0.9,
    progressive_sizes=(),
    precision="float32",
    augment=AugmentConfig(flip=0.5),
    evaluate=("flip",),
)


@pytest.fixture
def small() -> Iterator[str]:
    """The name of a network of three narrow stages."""
    BACKBONES["small"] = lambda: compact((16, 32, 64), (1, 1, 1))
    yield "small"
    del BACKBONES["small"]


@pytest.mark.slow
def test_eight_epochs_on_drawn_faces_reach_their_accuracy(small: str, tmp_path: Path) -> None:
    n = TRAIN + VALIDATION + TEST
    images, emotions = strong_faces(n, seed=4)
    splits = torch.tensor([0] * TRAIN + [1] * VALIDATION + [2] * TEST, dtype=torch.uint8)
    faces = Faces(images, emotions, splits, tuple(map(str, range(n))), "strong faces")
    method = MethodConfig("uniform-clusters", views="sample")
    run = prepare(tmp_path, RunConfig(model=ModelConfig(small), method=method, recipe=RECIPE))
    execute_run(run, faces)
    labels, logits = run.logits("test", "flip")
    assert len(labels) == TEST
    # Chance is 0.14; seeds 0 to 2 reached 0.46 to 0.59, and without clusters 0.67 to 0.75.
    assert (logits.argmax(1) == labels).mean() >= 0.35
