from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ferturb.base.config import MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.perturb.cluster_maps import clustered, face_draws
from ferturb.perturb.clusters import by_intensity, unit_range
from ferturb.web.attention import GRAPH, AttentionFinder, attention_clusters


def trained_clusters(attention: np.ndarray, k: int) -> np.ndarray:
    """The clusters that a training finds and the report shows, most attended first."""
    config = MethodConfig(
        "perturb-face", clusters=k, left_out_cluster="most-attended", views="sample"
    )
    values = torch.from_numpy(attention)
    maps = clustered(values, config, face_draws()).maps.numpy()
    return by_intensity(maps, values.nan_to_num().numpy(), k)


def varied(n: int) -> np.ndarray:
    """Attention of several smoothness, with some maps that say nothing."""
    generator = torch.Generator().manual_seed(3)
    noise = [torch.rand(n // 4, 1, s, s, generator=generator) for s in (3, 7, 16, 48)]
    maps = [nn.functional.interpolate(m, (48, 48), mode="bilinear")[:, 0] for m in noise]
    attention = torch.cat(maps).numpy()
    attention[1] = 0.7
    attention[2] = 0
    attention[2, 20, 20] = 1
    attention[3, 5, 5] = np.nan
    return attention


@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_page_shows_the_clusters_of_the_report(k: int) -> None:
    drawn = AttentionFinder(GRAPH, 1)(draw(24, seed=4).images.numpy())
    attention = np.concatenate([varied(200), drawn])
    page = np.stack([attention_clusters(face, k) for face in attention])
    assert np.array_equal(page, trained_clusters(attention, k))


def test_the_most_attended_cluster_comes_first() -> None:
    attention = varied(200)[100]
    labels = attention_clusters(attention, 5)
    means = [attention[labels == j].mean() for j in range(5)]
    assert means == sorted(means, reverse=True)


def test_attention_that_is_the_same_everywhere_counts_as_none() -> None:
    # By place alone two clusters are two halves.
    labels = attention_clusters(np.full((48, 48), 0.7), 2)
    assert np.bincount(labels.ravel()).tolist() == [1152, 1152]
    assert (attention_clusters(np.full((48, 48), 0.7), 1) == 0).all()


def test_a_number_of_clusters_out_of_range() -> None:
    for k in (0, 9):
        with pytest.raises(FerturbError, match="must be 1"):
            attention_clusters(np.ones((48, 48)), k)


def test_the_shipped_network_looks_at_each_face_on_its_own() -> None:
    finder = AttentionFinder(GRAPH, 1)
    faces = draw(3, seed=4).images.numpy()
    maps = finder(faces)
    assert maps.shape == (3, 48, 48)
    assert ((maps >= 0) & (maps <= 1)).all()
    np.testing.assert_allclose(finder(faces[1:2])[0], maps[1], atol=1e-4)
    assert np.abs(maps[0] - maps[1]).max() > 0.05
    assert {"network", "data", "accuracy"} <= set(finder.about)


def test_the_shipped_attention_lies_on_the_face_whatever_the_emotion() -> None:
    drawn = draw(70, seed=5)
    maps = AttentionFinder(GRAPH, 1)(drawn.images.numpy())
    scaled, face = unit_range(maps), drawn.regions["face"].numpy()
    inside = (scaled * face).sum((1, 2)) / face.sum((1, 2))
    outside = (scaled * ~face).sum((1, 2)) / (~face).sum((1, 2))
    for emotion in range(7):
        shown = drawn.labels.numpy() == emotion
        assert (inside - outside)[shown].mean() > 0.1
    highest = maps.reshape(70, -1).argmax(1)
    assert face.reshape(70, -1)[np.arange(70), highest].mean() > 0.9
    # a face's mirror image is attended to alike
    mirrored = AttentionFinder(GRAPH, 1)(np.ascontiguousarray(drawn.images.numpy()[:, :, ::-1]))
    np.testing.assert_allclose(mirrored[:, :, ::-1], maps, atol=0.05)  # of int8
