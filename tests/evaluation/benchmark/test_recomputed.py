"""Three cells of an entry computed again from the faces, by other means at every step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.evaluation.benchmark.corruptions import BLUR
from ferturb.evaluation.benchmark.measure import ask
from ferturb.evaluation.benchmark.protocol import CONDITIONS
from ferturb.evaluation.benchmark.scores import entry_of
from ferturb.export.wrap import wrap
from ferturb.features.landmarks import find_landmarks
from ferturb.features.regions import regions

WEIGHTS = np.random.default_rng(8).normal(size=(7, 48 * 48)).astype(np.float32)
PLACES = np.indices((48, 48)).reshape(2, -1).T


def answer(faces: np.ndarray) -> np.ndarray:
    """A linear model of pixels."""
    return np.asarray((faces.reshape(len(faces), -1) - 0.5) @ WEIGHTS.T)


def without(image: np.ndarray, region: np.ndarray, face: np.ndarray, share: float) -> np.ndarray:
    """The pixels of the face that are deepest in the region, then nearest to it, as the mean."""
    inside, outside = PLACES[region.ravel()], PLACES[~region.ravel()]
    depth = cdist(PLACES, inside).min(1) - cdist(PLACES, outside).min(1)
    middle = inside.mean(0)
    off = np.hypot(*(PLACES - middle).T)
    allowed = (region | face).ravel()
    order = sorted(
        (i for i in range(48 * 48) if allowed[i]), key=lambda i: (depth[i] + 1e-4 * off[i], i)
    )
    gone = np.isin(np.arange(48 * 48), order[: round(float(face.sum()) * share)])
    flat = image.ravel().copy()
    flat[gone] = np.rint(flat[~gone].mean())
    return flat.reshape(48, 48)


def blurred(image: np.ndarray) -> np.ndarray:
    return np.rint(
        ndimage.gaussian_filter(image.astype(float), 48 * BLUR, mode="nearest", radius=3)
    )


def test_whole_faces_faces_without_the_mouth_and_blurred_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path))
    faces = synthetic_faces(140, seed=6).split("test")
    (answers,) = ask({"linear": wrap(answer, "fer2013")}, faces)
    entry = entry_of(answers)

    images, labels = faces.images.numpy(), faces.labels.numpy()
    found = regions(find_landmarks(faces.images).points, (48, 48), ("mouth", "face"))
    triples = zip(images, found["mouth"].numpy(), found["face"].numpy(), strict=True)
    shown = {
        "whole": images,
        "mouth 2": np.stack([without(*three, share=0.10) for three in triples]),
        "blur": np.stack([blurred(image) for image in images]),
    }
    keys = [condition.key for condition in CONDITIONS]
    for key, pictures in shown.items():
        expected = answer(pictures.astype(np.float32) / 255)
        assert np.abs(answers.logits[keys.index(key)] - expected).max() < 0.05, key
        right = sum(int(row.argmax()) == label for row, label in zip(expected, labels, strict=True))
        assert entry.conditions[key].accuracy.estimate == pytest.approx(right / len(labels)), key
