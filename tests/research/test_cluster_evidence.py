from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.evaluation.ablation.matrix import paired_p
from ferturb.evaluation.significance import bootstrap, holm
from research.cluster_evidence import (
    CONTROLS,
    cluster_evidence,
    coverage,
    monte_carlo_p,
    precision,
    random_coverage,
)

# Two faces of 2×4 pixels; cluster 0 is the left half, 1 the third column, 2 the last.
MAP = torch.tensor([[[0, 0, 1, 2], [0, 0, 1, 2]]])
EVIDENCE = torch.tensor(
    [
        [[3.0, 0.0, 1.0, 0.0], [2.0, 0.0, 0.0, 2.0]],
        [[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 3.0]],
    ]
)


def test_coverage_and_precision_by_hand() -> None:
    assert coverage(EVIDENCE, MAP, 3).tolist() == [[5 / 8, 1 / 8, 2 / 8], [0, 0, 1]]
    assert precision(EVIDENCE, MAP, 3).tolist() == [[2 / 4, 1 / 2, 1 / 2], [0, 0, 1]]


def test_each_face_may_have_its_own_map() -> None:
    maps = torch.cat([MAP, 2 - MAP])
    assert coverage(EVIDENCE, maps, 3)[1].tolist() == [1, 0, 0]
    assert torch.equal(coverage(EVIDENCE, maps, 3)[:1], coverage(EVIDENCE[:1], MAP, 3))


def test_no_evidence_and_no_cluster_are_nan() -> None:
    assert coverage(torch.zeros(1, 2, 4), MAP, 3).isnan().all()
    assert precision(EVIDENCE, MAP, 4)[:, 3].isnan().all()


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("own", [False, True])
def test_random_regions_have_the_clusters_area(control: str, own: bool) -> None:
    """Evidence that is the same everywhere: a region covers exactly its share of the image."""
    g = torch.Generator().manual_seed(0)
    maps = torch.randint(3, (4 if own else 1, 12, 10), generator=g)
    face = torch.ones(4, 12, 10, dtype=torch.bool)
    face[:, :3] = False
    found = random_coverage(torch.ones(4, 12, 10), maps, 1, face, control, draws=7, seed=5)
    area = (maps == 1).double().mean((1, 2)).expand(4)
    assert torch.allclose(found, area.expand(7, 4))


def test_the_control_in_the_face_keeps_the_share_of_face() -> None:
    maps = torch.zeros(1, 12, 12, dtype=torch.int64)
    maps[:, 4:8] = 1
    face = torch.zeros(2, 12, 12, dtype=torch.bool)
    face[:, :, 3:9] = True
    inside = face.double()  # evidence everywhere in the face: the cluster covers 24 of its 72
    found = random_coverage(inside, maps, 1, face, "in-the-face", draws=20)
    assert torch.allclose(found, torch.full((20, 2), 1 / 3, dtype=torch.float64))
    anywhere = random_coverage(inside, maps, 1, face, "anywhere", draws=20)
    assert float(anywhere.std()) > 0.01


def test_monte_carlo_p_by_hand() -> None:
    draws = np.arange(1.0, 100.0)  # 99 draws
    assert monte_carlo_p(200.0, draws) == pytest.approx(2 / 100)
    assert monte_carlo_p(-1.0, draws) == pytest.approx(2 / 100)
    assert monte_carlo_p(97.5, draws) == pytest.approx(2 * 3 / 100)
    assert monte_carlo_p(50.0, draws) == 1.0


def made_up(own: bool) -> tuple[torch.Tensor, ...]:
    """Happy evidence at the top, sad at the bottom, neutral without; the cluster is the top."""
    labels = torch.tensor([EMOTIONS.index(e) for e in ("happy", "sad", "neutral") * 30])
    maps = torch.zeros(len(labels) if own else 1, 16, 16, dtype=torch.int64)
    maps[:, 8:] = 1
    evidence = torch.zeros(len(labels), 16, 16)
    g = torch.Generator().manual_seed(1)
    lot = (torch.rand(len(labels), 4, 16, generator=g) < 0.7).float()
    evidence[:, 2:6] = torch.where((labels == EMOTIONS.index("happy"))[:, None, None], lot, 0.0)
    evidence[:, 10:14] = torch.where((labels == EMOTIONS.index("sad"))[:, None, None], lot, 0.0)
    return evidence, labels, maps, torch.ones(len(labels), 16, 16, dtype=torch.bool)


@pytest.mark.parametrize("own", [False, True])
def test_clusters_on_the_evidence_beat_random_regions(own: bool) -> None:
    evidence, labels, maps, face = made_up(own)
    rows = cluster_evidence(
        evidence, labels, maps, face, control="partition", draws=39 if own else 199
    )
    found = {row.emotion: row for row in rows}
    assert list(found) == ["happy", "sad", "all"]  # neutral has nothing to cover
    assert [row.n for row in rows] == [30, 30, 60]
    assert found["happy"].coverage.estimate == 1
    assert found["sad"].coverage.estimate == 0
    assert found["sad"].precision == 0
    assert found["all"].coverage.estimate == pytest.approx(0.5)
    assert found["happy"].area == 0.5
    assert found["happy"].evidence_area == pytest.approx(
        float((evidence[labels == EMOTIONS.index("happy")] > 0).double().mean())
    )
    assert [row.p_holm for row in rows[:2]] == holm([row.p for row in rows[:2]])
    assert math.isnan(found["all"].p_holm)
    if own:
        assert found["happy"].p_holm < 1e-6
    else:  # half of the draws are cuts from the left or the right, so that no p can be tiny
        assert found["happy"].random.low < 0.2
        assert found["happy"].random.high > 0.8


def test_the_p_of_maps_of_ones_own_is_the_paired_test() -> None:
    evidence, labels, maps, face = made_up(own=True)
    (_, sad, _) = cluster_evidence(evidence, labels, maps, face, draws=5, seed=3)
    who = labels == EMOTIONS.index("sad")
    shown = evidence.flatten(1).sum(1) > 0
    random = random_coverage(
        evidence[shown], maps[shown], 0, face[shown], "anywhere", draws=5, seed=3
    )
    covered = coverage(evidence, maps, 2)[who, 0]
    assert sad.p == paired_p((covered - random.mean(0)[who[shown]]).numpy())
    assert sad.random == bootstrap(random.mean(0)[who[shown]].numpy())


def test_the_p_of_a_shared_map_is_that_of_the_mean_over_faces() -> None:
    evidence, labels, maps, face = made_up(own=False)
    happy, sad = (labels == EMOTIONS.index(emotion) for emotion in ("happy", "sad"))
    some = torch.cat([torch.nonzero(happy).flatten()[:17], torch.nonzero(sad).flatten()[:13]])
    evidence, face = evidence[some], face[some]
    *_, found = cluster_evidence(evidence, labels[some], maps, face, draws=39, seed=3)
    random = random_coverage(evidence, maps, 0, face, "anywhere", draws=39, seed=3).mean(1).numpy()
    assert found.p == monte_carlo_p(17 / 30, random)
    assert found.random.estimate == pytest.approx(random.mean())


def test_a_shared_map_is_one_draw_however_many_faces() -> None:
    """Doubling the faces leaves the p-value of a shared map as it is."""
    evidence, labels, maps, face = made_up(own=False)
    once = cluster_evidence(evidence, labels, maps, face, draws=99)
    twice = cluster_evidence(
        evidence.repeat(2, 1, 1), labels.repeat(2), maps, face.repeat(2, 1, 1), draws=99
    )
    assert [row.p for row in once] == [row.p for row in twice]


def test_bad_input_is_said() -> None:
    evidence, labels, maps, face = made_up(own=True)
    with pytest.raises(FerturbError, match="one map, or one a face"):
        cluster_evidence(evidence, labels, maps[:3], face)
    with pytest.raises(FerturbError, match="unknown control 'blobs'"):
        cluster_evidence(evidence, labels, maps, face, control="blobs")
    with pytest.raises(FerturbError, match="at least 1 draw"):
        cluster_evidence(evidence, labels, maps, face, draws=0)
