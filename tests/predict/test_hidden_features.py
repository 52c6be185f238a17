from __future__ import annotations

import json

import numpy as np
import torch

from ferturb.data.drawn.synthetic import draw
from ferturb.features.landmarks import find_landmarks
from ferturb.features.regions import region
from ferturb.predict.hidden_features import FEATURES, FITTED, evidence, hidden_features
from ferturb.predict.landmark_finder import LandmarkFinder


def test_a_flat_mouth_looks_more_hidden_than_the_mouth() -> None:
    faces = draw(30, seed=4).images
    where = region(find_landmarks(faces).points, "mouth")
    covered = faces.clone()
    covered[where] = 128
    finder = LandmarkFinder()
    p = []
    for images in (faces.numpy(), covered.numpy()):
        found = finder(images)
        p.append(hidden_features(images, found.points, found.errors))
    change = (p[1] - p[0]).mean(0)
    assert p[0].shape == (30, len(FEATURES))
    assert int(change.argmax()) == FEATURES.index("mouth")
    assert change[FEATURES.index("mouth")] > 0.2


def test_evidence_by_hand() -> None:
    face = np.zeros((48, 48), np.uint8)
    face[:, 24:] = 200  # mean 100, deviation 100
    points = np.full((1, 108, 2), 10.0)
    found = evidence(face[None], points, np.full((1, 108), 2.0))[0]
    np.testing.assert_allclose(found[:10], np.log(2.0))
    np.testing.assert_allclose(found[10:20], np.log(1.0 / 100))
    np.testing.assert_allclose(found[20:], 1.0)


def test_the_record_says_how_good_the_estimate_is() -> None:
    record = json.loads(FITTED.read_text())
    assert tuple(record["features"]) == FEATURES
    assert all(0.5 < row["auc"] <= 1 for row in record["features"].values())


def test_points_far_outside_are_no_error() -> None:
    points = np.full((1, 108, 2), 1e4)
    p = hidden_features(torch.zeros(1, 48, 48, dtype=torch.uint8).numpy(), points, points[..., 0])
    assert np.isfinite(p).all()
