"""On drawn faces it is known which feature carries which emotion: does the matrix say so?

The network has seen faces with holes, in the place of features and at random, so that what it
loses is what a feature told it, not its surprise at a hole. And it must be a good one: with 40 %
of these faces (79 % right where this one has 88 %) 10 of 14 named features were planted, since
such a network mixes up emotions when something beside their signs is hidden. Neutral is not
judged: it is the absence of all signs, so that whatever is hidden might have been one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import AblationOptions, AugmentConfig, ModelConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import planted_features
from ferturb.data.drawn.synthetic import draw, synthetic_faces
from ferturb.evaluation.ablation.matrix import matrix, named
from ferturb.evaluation.ablation.measure import ablate
from ferturb.features.landmarks import find_landmarks
from ferturb.models.backbones import BACKBONES
from ferturb.models.classifier import Classifier
from ferturb.models.compact import compact
from ferturb.perturb.hidden_variants import HiddenVariants
from ferturb.study.plan import PRESETS
from ferturb.training.files import MODEL, TrainingFiles
from ferturb.training.loop import Training, train
from research.holes import with_holes

PARTS = ("eyes", "brows", "nose", "mouth", "jaw", "cheeks", "forehead")
CARRIED = tuple(emotion for emotion in EMOTIONS if emotion != "neutral")


@pytest.mark.slow
def test_the_matrix_names_the_planted_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some three minutes of one core."""
    monkeypatch.setitem(BACKBONES, "narrow", lambda: compact((16, 32, 64, 96), (1, 1, 1, 1)))
    torch.manual_seed(0)
    classifier = Classifier(ModelConfig("narrow"))
    faces = synthetic_faces(14_000, seed=1)
    images = faces.split("train").images
    points = find_landmarks(images).points
    views = HiddenVariants(images, with_holes(images, points, PARTS), 0.85)
    light = AugmentConfig(flip=0.5, rotate=5.0, shift=0.03)
    recipe = replace(PRESETS["quick"].recipe, epochs=12, augment=light)
    files = TrainingFiles(tmp_path, "")
    train(Training(classifier, faces, views, recipe, 0, files, torch.device("cpu")))

    fresh = draw(1400, seed=77)
    landmarks = find_landmarks(fresh.images)
    model = Classifier.load(tmp_path / MODEL)
    measured = ablate(
        model, fresh.images, fresh.labels, landmarks, AblationOptions(features=PARTS, seed=1)
    )
    assert (measured.whole.predicted == measured.labels).mean() > 0.85
    planted = planted_features()
    # Accuracy, which sees only what tips a decision, is the weaker of the two.
    for measure, least, share in (("accuracy", 3, 1 / 3), ("probability", 8, 1 / 5)):
        said = named(matrix(measured, measure))
        right = sum(len(said[emotion] & planted[emotion]) for emotion in CARRIED)
        wrong = sum(len(said[emotion] - planted[emotion]) for emotion in CARRIED)
        assert right >= least, (measure, said)
        assert wrong <= share * right, (measure, said)  # drawn blindly, as 20 to 22
    for emotion in CARRIED:
        assert said[emotion] & planted[emotion], (emotion, said)
