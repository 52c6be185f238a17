"""A short training must learn: the whole way from faces to the logits of the test split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import FAST, AugmentConfig, MethodConfig, ModelConfig, RunConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import PROTOTYPES, units
from ferturb.data.drawn.synthetic import draw_with
from ferturb.data.faces import Faces
from ferturb.models.backbones import BACKBONES
from ferturb.models.compact import compact
from ferturb.runs.execute import execute_run, prepare

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


@pytest.fixture(scope="module")
def strong_faces() -> Faces:
    """Drawn faces that show every action unit of their emotion in full."""
    n = TRAIN + VALIDATION + TEST
    labels = torch.arange(n) % len(EMOTIONS)
    rows = torch.stack([units(dict.fromkeys(PROTOTYPES[emotion], 1.0)) for emotion in EMOTIONS])
    splits = torch.tensor([0] * TRAIN + [1] * VALIDATION + [2] * TEST, dtype=torch.uint8)
    images = draw_with(rows[labels], seed=4).images
    return Faces(images, labels, splits, tuple(str(i) for i in range(n)), "strong expressions")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "least"),
    [
        # chance is 0.14; seeds 0 to 2 reached 0.67 to 0.75 and 0.46 to 0.59
        (MethodConfig("baseline"), 0.55),
        (MethodConfig("uniform-clusters", views="sample"), 0.35),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_eight_epochs_on_drawn_faces_reach_their_accuracy(
    method: MethodConfig, least: float, strong_faces: Faces, small: str, tmp_path: Path
) -> None:
    config = RunConfig(model=ModelConfig(small), method=method, recipe=RECIPE)
    run = prepare(tmp_path, config)
    execute_run(run, strong_faces)
    labels, logits = run.logits("test", "flip")
    assert len(labels) == TEST
    assert (logits.argmax(1) == labels).mean() >= least
