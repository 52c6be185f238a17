"""On drawn faces it is known which feature carries which emotion: does the matrix say so?

The network has seen faces with holes, in the place of features and at random, so that what it
loses is what a feature told it, not its surprise at a hole. Neutral is not judged: it is the
absence of all signs, so that whatever is hidden might have been one. All faces show the action
units of their emotion in full: they are learnt from few.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import METHOD_PRESETS, AblationOptions, ModelConfig
from ferturb.data.faces import Faces
from ferturb.evaluation.ablation.matrix import matrix
from ferturb.evaluation.ablation.measure import ablate
from ferturb.evaluation.ablation.planted import judged, tally
from ferturb.features.holes import PARTS
from ferturb.features.landmarks import find_landmarks
from ferturb.models.classifier import Classifier
from ferturb.perturb.methods import training_inputs
from ferturb.study.plan import PRESETS
from ferturb.training.files import MODEL, TrainingFiles
from ferturb.training.loop import Training, train
from strong_faces import strong_faces


@pytest.mark.slow
def test_the_matrix_names_the_planted_features(tmp_path: Path) -> None:
    """The networks and the rate of the study `quick`."""
    images, labels = strong_faces(1400, seed=1)
    splits = torch.zeros(len(labels), dtype=torch.uint8)
    splits[-140:] = 1
    faces = Faces(images, labels, splits, tuple(map(str, range(len(labels)))), "strong faces")
    views = training_inputs(METHOD_PRESETS["features-left-out"], faces)
    torch.manual_seed(0)
    classifier = Classifier(ModelConfig("compact-tiny"))
    recipe = replace(PRESETS["quick"].recipe, epochs=8)
    files = TrainingFiles(tmp_path, "")
    train(Training(classifier, faces, views, recipe, 0, files, torch.device("cpu")))

    images, labels = strong_faces(490, seed=77)
    model = Classifier.load(tmp_path / MODEL)
    options = AblationOptions(features=PARTS, controls=1, seed=1)
    measured = ablate(model, images, labels, find_landmarks(images), options)
    assert (measured.whole.predicted == measured.labels).mean() > 0.75
    # Accuracy, which sees only what tips a decision, is the weaker of the two. Seeds 0 to 2 hit 4
    # and 8 to 9, with at most one false alarm each.
    for measure, least, share in (("accuracy", 3, 1 / 2), ("probability", 6, 2 / 5)):
        found = judged(matrix(measured, measure))
        counts = tally(found)
        said = {key: verdict for key, verdict in found.items() if verdict != "right"}
        assert counts["hit"] >= least, (measure, said)
        assert counts["false alarm"] <= share * counts["hit"], (measure, said)  # blindly: 19 to 23
