from __future__ import annotations

import numpy as np
import pytest
import torch

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.perturb.clusters import coordinates, intensity
from ferturb.perturb.kmeans.kmeans import kmeans
from ferturb.web.attention import GRAPH, AttentionFinder, attention_clusters


def inertia(attention: np.ndarray, labels: np.ndarray, k: int) -> float:
    values = intensity(torch.from_numpy(attention)[None], 0.5)
    points = coordinates(values, 1.5, 1.2)[0].numpy()
    flat = labels.ravel()
    return sum(
        float(np.square(points[flat == j] - points[flat == j].mean(0)).sum()) for j in range(k)
    )


def bumps() -> np.ndarray:
    y, x = np.mgrid[0:48, 0:48]
    eye = np.exp(-((x - 14) ** 2 + (y - 16) ** 2) / 40)
    return eye + 0.9 * np.exp(-((x - 33) ** 2 + (y - 16) ** 2) / 40) + 0.05 * np.sin(x / 3)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_as_good_as_the_perturb_schemes_kmeans(k: int) -> None:
    attention = bumps()
    points = coordinates(intensity(torch.from_numpy(attention)[None].float(), 0.5), 1.5, 1.2)
    best = float(kmeans(points, k, torch.Generator().manual_seed(0)).inertia)
    labels = attention_clusters(attention, k)
    assert set(np.unique(labels)) == set(range(k))
    assert inertia(attention, labels, k) <= 1.02 * best
    means = [attention[labels == j].mean() for j in range(k)]
    assert means == sorted(means, reverse=True)
    assert (attention_clusters(attention, k) == labels).all()


def test_attention_that_is_the_same_everywhere_counts_as_none() -> None:
    # By place alone two clusters are two halves.
    labels = attention_clusters(np.full((48, 48), 0.7), 2)
    assert np.bincount(labels.ravel()).tolist() == [1152, 1152]
    assert (attention_clusters(np.full((48, 48), 0.7), 1) == 0).all()


def test_a_number_of_clusters_out_of_range() -> None:
    for k in (0, 9):
        with pytest.raises(FerturbError, match="must be 1"):
            attention_clusters(bumps(), k)


def test_the_shipped_network_looks_at_each_face_on_its_own() -> None:
    finder = AttentionFinder(GRAPH, 1)
    faces = draw(3, seed=4).images.numpy()
    maps = finder(faces)
    assert maps.shape == (3, 48, 48)
    assert ((maps >= 0) & (maps <= 1)).all()
    np.testing.assert_allclose(finder(faces[1:2])[0], maps[1], atol=1e-4)
    assert np.abs(maps[0] - maps[1]).max() > 0.05
    assert {"network", "data", "accuracy"} <= set(finder.about)
