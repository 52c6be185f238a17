"""Networks trained on drawn faces, for the tools that measure what is known there.

Each is trained once and kept in a folder by its name; a second call reads it. Minutes of one core
each. The faces they are measured on are others, drawn from another seed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ferturb.base.config import AugmentConfig, ModelConfig
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.evaluation.saliency.faithfulness import FEATURES
from ferturb.features.holes import with_holes
from ferturb.features.landmarks import find_landmarks
from ferturb.models.backbones import BACKBONES
from ferturb.models.classifier import Classifier
from ferturb.models.compact import compact
from ferturb.perturb.hidden_variants import HiddenVariants
from ferturb.study.plan import PRESETS
from ferturb.training.files import MODEL, TrainingFiles
from ferturb.training.inputs import TrainingInputs
from ferturb.training.loop import Training, train

NARROW = "narrow"
"""A third as wide as the compact network, one block a stage: enough for drawn faces."""
TRAINING_SEED, MEASURING_SEED = 1, 77
"""Of the faces."""
_HOLES = 0.85

BACKBONES.setdefault(NARROW, lambda: compact((16, 32, 64, 96), (1, 1, 1, 1)))


def network(
    folder: Path,
    seed: int,
    *,
    holes: bool = False,
    attention: bool = False,
    faces: int = 14_000,
    epochs: int = 12,
) -> Classifier:
    """A narrow network trained on drawn faces; with `holes` also on faces that lack something."""
    kind = f"{'attention-between' if attention else 'holes' if holes else 'whole'}-{faces}-{epochs}"
    kept = folder / f"{kind}-s{seed}"
    if not (kept / MODEL).exists() or (kept / "unfinished").exists():
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "unfinished").touch()
        _train(kept, seed, holes, attention, faces, epochs)
        (kept / "unfinished").unlink()
    return Classifier.load(kept / MODEL)


def _train(folder: Path, seed: int, holes: bool, attention: bool, count: int, epochs: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier(ModelConfig(NARROW, attention=attention))
    faces = synthetic_faces(count, seed=TRAINING_SEED)
    images = faces.split("train").images
    inputs = TrainingInputs()
    if holes:
        points = find_landmarks(images).points
        inputs = HiddenVariants(images, with_holes(images, points, FEATURES), _HOLES)
    light = AugmentConfig(flip=0.5, rotate=5.0, shift=0.03)
    recipe = replace(
        PRESETS["quick"].recipe, epochs=epochs, batch_size=32, learning_rate=0.03, augment=light
    )
    files = TrainingFiles(folder, "")
    train(Training(classifier, faces, inputs, recipe, seed, files, torch.device("cpu")))
