from __future__ import annotations

import numpy as np
import pytest
import torch
from landmark_module import shipped_module

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.features.landmarks import find_landmarks
from ferturb.predict.landmark_finder import LandmarkFinder


def test_without_torch_the_same_landmarks_are_found() -> None:
    faces = draw(40, seed=2).images.numpy()
    faces[7] = 100  # a blank one gets the mean shape
    finder = LandmarkFinder()
    found, expected = finder(faces), find_landmarks(torch.from_numpy(faces))
    np.testing.assert_allclose(found.points, expected.points.numpy(), atol=1e-3)
    np.testing.assert_allclose(found.confidence, expected.confidence.numpy(), atol=1e-4)
    assert found.confidence[7] == 0
    np.testing.assert_allclose(found.points[7], finder.mean_shape, atol=1e-3)
    with torch.no_grad():
        errors = shipped_module()(torch.from_numpy(faces))[2].numpy()
    np.testing.assert_allclose(found.errors, errors, rtol=1e-3)


def test_nothing_in_nothing_out_and_wrong_faces() -> None:
    finder = LandmarkFinder()
    assert finder(np.zeros((0, 48, 48), np.uint8)).points.shape == (0, 108, 2)
    with pytest.raises(FerturbError, match="grayscale faces need uint8"):
        finder(np.zeros((1, 40, 40), np.uint8))
