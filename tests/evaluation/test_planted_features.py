"""On drawn faces it is known which feature carries which emotion: does the matrix say so?

Disgust is left out of the data, as it alone wrinkles the nose: then the nose carries nothing for
anyone, and must not be named. (With disgust there, an unwrinkled nose is evidence against it, so
other emotions truly need the nose too.) The network has seen faces with holes, of features and at
random, so that what it loses is what a feature told it, not its surprise at a hole.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ferturb.config import AugmentConfig, ModelConfig
from ferturb.data.faces import Faces
from ferturb.data.synthetic import planted_features, synthetic_faces
from ferturb.emotions import EMOTIONS
from ferturb.evaluation.ablation import ablate
from ferturb.evaluation.ablation_matrix import ALL, matrix, named
from ferturb.features.landmarks import find_landmarks
from ferturb.features.random_regions import control_regions
from ferturb.features.regions import regions
from ferturb.features.removal import remove
from ferturb.models.backbones import BACKBONES
from ferturb.models.classifier import Classifier
from ferturb.models.compact import compact
from ferturb.perturb.altered import AlteredCopies
from ferturb.study.plan import PRESETS
from ferturb.training.loop import MODEL, Training, train

PARTS = ("eyes", "brows", "nose", "mouth", "jaw", "cheeks", "forehead")
DISGUST = EMOTIONS.index("disgust")


def without_disgust(n: int, seed: int) -> Faces:
    drawn = synthetic_faces(n, seed)
    return drawn.select(torch.nonzero(drawn.labels != DISGUST).flatten())


def with_holes(images: Tensor) -> Tensor:
    """Copies of faces (14, n, h, w): without each feature, and without a control of each."""
    found = regions(find_landmarks(images).points, (48, 48), (*PARTS, "face"))
    holes = [found[part] for part in PARTS]
    holes += [control_regions(hole, found["face"], seed) for seed, hole in enumerate(holes)]
    faces = images.unsqueeze(1).float().div(255)
    return torch.stack(
        [(remove(faces, ~hole, "mean")[:, 0] * 255).round().to(torch.uint8) for hole in holes]
    )


@pytest.mark.slow
def test_the_matrix_names_the_planted_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = {"narrow": lambda: compact(widths=(16, 32, 64, 96), blocks=(1, 1, 1, 1))}
    monkeypatch.setitem(BACKBONES, "narrow", narrow["narrow"])
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    classifier = Classifier(ModelConfig("narrow"))
    faces = without_disgust(4200, seed=1)
    images = faces.split("train").images
    views = AlteredCopies(images, with_holes(images), 0.75)
    light = AugmentConfig(flip=0.5, rotate=5.0, shift=0.03)
    recipe = replace(PRESETS["quick"].recipe, epochs=10, augment=light)
    train(Training(classifier, faces, views, recipe, 0, tmp_path, "", torch.device("cpu")))
    model = Classifier.load(tmp_path / MODEL)

    fresh = without_disgust(1400, seed=77)  # 200 of each emotion
    found = find_landmarks(fresh.images)
    measured = ablate(model, fresh.images, fresh.labels, found, features=PARTS, seed=1)
    assert (measured.whole.predicted == measured.labels).mean() > 0.7
    planted = planted_features()
    for measure in ("accuracy", "probability"):
        names = named(matrix(measured, measure))
        assert not any("nose" in features for features in names.values()), names
    carried = [e for e in EMOTIONS if e not in ("disgust", "neutral")]
    for emotion in carried:
        assert names[emotion] & planted[emotion], (emotion, names)
    assert names[ALL] & {"brows", "mouth"}
    right = sum(len(names[e] & planted[e]) for e in carried)
    assert right >= 2 * sum(len(names[e] - planted[e]) for e in carried), names
    print({e: sorted(names[e]) for e in names})
