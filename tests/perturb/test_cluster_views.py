from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ferturb.base.config import MethodConfig, ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.perturb.cluster_maps import mean_attention
from ferturb.perturb.cluster_views import ClusterViews
from ferturb.perturb.clusters import cluster_maps
from ferturb.perturb.methods import METHODS
from ferturb.perturb.view_classifier import ViewClassifier
from ferturb.perturb.views import left_out_masks, sampled_view, views_of
from ferturb.training.inputs import WholeFaces


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def case(b: int = 5, side: int = 8, k: int = 3) -> tuple[Tensor, Tensor]:
    faces = torch.rand(b, 1, side, side, generator=rng(1)) * 0.9 + 0.1
    return faces, torch.randint(0, k, (b, side, side), generator=rng(2))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_what_the_views_leave_out_adds_up_to_the_face(k: int) -> None:
    faces, clusters = case(k=k)
    views = views_of(faces, clusters, k)
    left_out = faces.unsqueeze(1) - views[:, :k]
    torch.testing.assert_close(left_out.sum(1), faces)
    assert torch.equal(views[:, k], faces)
    masks = left_out_masks(clusters, k)
    assert torch.equal((~masks).sum(1), torch.ones_like(clusters))  # each pixel once


def test_one_cluster_leaves_nothing() -> None:
    faces, _ = case()
    views = views_of(faces, torch.zeros(1, 8, 8, dtype=torch.int64), 1)
    assert not views[:, 0].any()
    assert torch.equal(views[:, 1], faces)


def test_each_view_is_the_face_where_kept_and_black_elsewhere() -> None:
    faces, clusters = case()
    views = views_of(faces, clusters, 3)
    for b in range(5):
        for j in range(3):
            for row in range(8):
                for column in range(8):
                    gone = int(clusters[b, row, column]) == j
                    expected = 0.0 if gone else float(faces[b, 0, row, column])
                    assert float(views[b, j, 0, row, column]) == expected


def test_a_map_for_all_faces_is_that_map_for_each() -> None:
    faces, clusters = case()
    together = views_of(faces, clusters[:1], 3)
    assert torch.equal(together, views_of(faces, clusters[:1].expand(5, 8, 8), 3))
    alone = [views_of(f[None], clusters[:1], 3)[0] for f in faces]
    assert torch.equal(together, torch.stack(alone))


def test_a_map_per_face_is_a_loop_over_faces() -> None:
    faces, clusters = case()
    alone = [views_of(f[None], c[None], 3)[0] for f, c in zip(faces, clusters, strict=True)]
    assert torch.equal(views_of(faces, clusters, 3), torch.stack(alone))


def test_a_48_map_on_a_32_face_keeps_its_places() -> None:
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    quarters = (rows >= 24).long() * 2 + (columns >= 24).long()
    faces = torch.ones(2, 1, 32, 32)
    views = views_of(faces, quarters[None], 4)
    for j, (top, left) in enumerate(((0, 0), (0, 16), (16, 0), (16, 16))):
        expected = torch.ones(32, 32)
        expected[top : top + 16, left : left + 16] = 0
        assert torch.equal(views[0, j, 0], expected)


def test_a_sampled_view_is_one_of_the_views_each_as_often() -> None:
    k, n = 3, 4000
    faces, clusters = case(1)
    many = faces.expand(n, 1, 8, 8)
    drawn = sampled_view(many, clusters, k, rng(4))
    views = views_of(faces, clusters, k)[0]
    same = (drawn.unsqueeze(1) == views.unsqueeze(0)).all((2, 3, 4))
    assert same.sum(1).eq(1).all()
    share = same.double().mean(0)
    assert (share - 1 / (k + 1)).abs().max() < 4 * math.sqrt(0.25 * 0.75 / n)
    assert torch.equal(drawn, sampled_view(many, clusters, k, rng(4)))


def test_sampled_views_take_each_face_its_own_map() -> None:
    faces, clusters = case()
    drawn = sampled_view(faces, clusters, 3, rng(5))
    views = views_of(faces, clusters, 3)
    assert (drawn.unsqueeze(1) == views).all((2, 3, 4)).any(1).all()


def test_view_classifier_sums_the_logits_of_views_taken_one_at_a_time(tiny: str) -> None:
    torch.manual_seed(0)
    classifier = Classifier(ModelConfig(tiny)).eval()
    faces = torch.rand(4, 1, 32, 32, generator=rng())
    clusters = torch.randint(0, 3, (32, 32), generator=rng(1))
    with torch.no_grad():
        got = ViewClassifier(classifier, clusters, 3).eval()(faces)
        expected = torch.zeros(4, 7)
        for i, face in enumerate(faces):
            for j in range(3):
                expected[i] += classifier((face * (clusters != j))[None])[0]
            expected[i] += classifier(face[None])[0]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_view_classifier_of_no_faces_gives_no_logits(tiny: str) -> None:
    model = ViewClassifier(Classifier(ModelConfig(tiny)), torch.zeros(32, 32).long(), 1).eval()
    assert model(torch.zeros(0, 1, 32, 32)).shape == (0, 7)


def look_up(faces: Tensor) -> Tensor:
    return faces[:, 0].square()


def test_mean_attention_is_the_mean_whatever_the_batches() -> None:
    images = torch.randint(0, 256, (23, 6, 6), generator=rng(), dtype=torch.uint8)
    expected = (images.double() / 255).square().mean(0).float()
    for batch_size in (1, 7, 100):
        torch.testing.assert_close(mean_attention(look_up, images, batch_size), expected)


def cluster_views(**options: object) -> ClusterViews:
    images = torch.randint(0, 256, (20, 8, 8), generator=rng(3), dtype=torch.uint8)
    return ClusterViews(MethodConfig("perturb", **options), look_up, images)  # type: ignore[arg-type]


def test_the_map_of_an_epoch_is_the_clustering_of_the_mean_attention() -> None:
    views = cluster_views(attention_faces=20, clusters=4, attention_threshold=0.2)
    views.start_epoch(1, rng(6))
    mean = mean_attention(look_up, views.images)[None].numpy()
    expected = cluster_maps(mean, 4, rng(6).initial_seed(), threshold=0.2)[0]
    assert np.array_equal(views.cluster_map(), expected)


def test_an_epoch_looks_at_as_many_faces_as_it_should() -> None:
    seen = 0

    def count(faces: Tensor) -> Tensor:
        nonlocal seen
        seen += len(faces)
        return look_up(faces)

    views = cluster_views(attention_faces=7)
    views.intensity = count
    views.start_epoch(1, rng())
    assert seen == 14  # the reference, once, and the epoch's own
    views.start_epoch(2, rng())
    assert seen == 21


def test_training_inputs_of_perturb_all_and_sample() -> None:
    faces, _ = case()
    views = cluster_views(views="all")
    views.start_epoch(1, rng())
    inputs = views(faces, rng(1)).view(5, 4, 1, 8, 8)
    assert torch.equal(inputs, views_of(faces, views.cluster_map()[None], 3))
    sample = cluster_views(views="sample")
    sample.start_epoch(1, rng())
    drawn = sample(faces, rng(1))
    assert torch.equal(drawn, sampled_view(faces, views.cluster_map()[None], 3, rng(1)))


def test_test_views_can_be_left_out() -> None:
    inner = nn.Identity()
    for wanted in (True, False):
        views = cluster_views(test_views=wanted)
        views.start_epoch(1, rng())
        tested = views.at_test_time(inner)
        assert isinstance(tested, ViewClassifier) is wanted
        assert (tested is inner) is not wanted


def test_before_the_first_epoch_there_is_no_map() -> None:
    with pytest.raises(FerturbError, match="call start_epoch first"):
        cluster_views()(torch.rand(1, 1, 8, 8), rng())


def test_whole_faces_change_nothing() -> None:
    faces, _ = case()
    views, model = WholeFaces(), nn.Identity()
    views.start_epoch(1, rng())
    assert views(faces, rng()) is faces
    assert views.at_test_time(model) is model
    assert views.cluster_map() is None


def test_methods_need_what_they_need(tiny: str) -> None:
    images = torch.randint(0, 256, (8, 32, 32), generator=rng(), dtype=torch.uint8)
    for name in ("baseline", "attention"):
        assert isinstance(METHODS[name](MethodConfig(name), None, images), WholeFaces)
    with pytest.raises(FerturbError, match="needs an attention classifier"):
        METHODS["perturb"](MethodConfig("perturb"), None, images)
    blind = METHODS["perturb"](MethodConfig("perturb"), Classifier(ModelConfig(tiny)), images)
    with pytest.raises(FerturbError, match="built without spatial attention"):
        blind.start_epoch(1, rng())


def test_perturb_looks_with_its_classifier_in_evaluation_mode(tiny: str) -> None:
    torch.manual_seed(0)
    attention = Classifier(ModelConfig(tiny, attention=True)).train()
    images = torch.randint(0, 256, (8, 32, 32), generator=rng(), dtype=torch.uint8)
    before = {k: v.clone() for k, v in attention.state_dict().items()}
    views = METHODS["perturb"](MethodConfig("perturb"), attention, images)
    views.start_epoch(1, rng())
    assert not attention.training
    for key, value in attention.state_dict().items():
        assert torch.equal(value, before[key])
