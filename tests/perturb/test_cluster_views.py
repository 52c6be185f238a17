from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ferturb.base.config import AugmentConfig, MethodConfig, ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.perturb.cluster_maps import AttentionClusters, FaceMaps, mean_attention
from ferturb.perturb.cluster_views import ClusterViews
from ferturb.perturb.clusters import cluster_maps
from ferturb.perturb.view_classifier import ViewClassifier
from ferturb.perturb.views import masks_of, views_of
from ferturb.training.inputs import Batch


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
    masks = masks_of(clusters, torch.arange(k + 1)[None], k, "leave-one-out")
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


def test_view_classifier_sums_the_logits_of_views_taken_one_at_a_time(tiny: str) -> None:
    torch.manual_seed(0)
    classifier = Classifier(ModelConfig(tiny)).eval()
    faces = torch.rand(4, 1, 32, 32, generator=rng())
    clusters = torch.randint(0, 3, (32, 32), generator=rng(1))
    with torch.no_grad():
        got = ViewClassifier(classifier, clusters, MethodConfig("perturb")).eval()(faces)
        expected = torch.zeros(4, 7)
        for i, face in enumerate(faces):
            for j in range(3):
                expected[i] += classifier((face * (clusters != j))[None])[0]
            expected[i] += classifier(face[None])[0]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_view_classifier_of_no_faces_gives_no_logits(tiny: str) -> None:
    config = MethodConfig("perturb", clusters=1)
    model = ViewClassifier(Classifier(ModelConfig(tiny)), torch.zeros(32, 32).long(), config).eval()
    assert model(torch.zeros(0, 1, 32, 32)).shape == (0, 7)


def look_up(faces: Tensor) -> Tensor:
    return faces[:, 0].square()


def test_mean_attention_is_the_mean_whatever_the_batches() -> None:
    images = torch.randint(0, 256, (23, 6, 6), generator=rng(), dtype=torch.uint8)
    expected = (images.double() / 255).square().mean(0).float()
    for batch_size in (1, 7, 100):
        torch.testing.assert_close(mean_attention(look_up, images, batch_size), expected)


IMAGES = torch.randint(1, 256, (20, 8, 8), generator=rng(3), dtype=torch.uint8)


class Squares(AttentionClusters):
    """Clusters of an intensity that is easily computed; counts the faces it sees."""

    seen = 0

    def intensity(self, faces: Tensor) -> Tensor:
        self.seen += len(faces)
        return look_up(faces)


def cluster_views(**options: object) -> ClusterViews:
    config = MethodConfig("perturb", intensity="pixels", **options)  # type: ignore[arg-type]
    return ClusterViews(config, Squares(config), IMAGES)


def test_the_map_of_an_epoch_is_the_clustering_of_the_mean_attention() -> None:
    views = cluster_views(attention_faces=20, clusters=4)
    views.start_epoch(1, rng(6))
    mean = mean_attention(look_up, IMAGES)[None].numpy()
    expected = cluster_maps(mean, 4, rng(6).initial_seed(), threshold=0.0)[0]
    for j in range(4):  # the same clusters, under the names of the reference
        names = views.cluster_map[torch.from_numpy(expected == j)].unique()
        assert len(names) == 1
    assert len(views.cluster_map.unique()) == 4


def test_an_epoch_looks_at_as_many_faces_as_it_should() -> None:
    views = cluster_views(attention_faces=7)
    assert isinstance(views.source, Squares)
    views.start_epoch(1, rng())
    assert views.source.seen == 14  # the reference, once, and the epoch's own
    views.start_epoch(2, rng())
    assert views.source.seen == 21


def shown(views: ClusterViews, seed: int) -> Tensor:
    batch = Batch(torch.arange(20), IMAGES, AugmentConfig(flip=0.0), rng(seed))
    return views(batch, rng())


def test_training_inputs_of_perturb_all_and_sample() -> None:
    views, faces = cluster_views(views="all"), IMAGES.unsqueeze(1).float() / 255
    views.start_epoch(1, rng())
    inputs = shown(views, 1).view(20, 4, 1, 8, 8)
    assert torch.equal(inputs, views_of(faces, views.cluster_map[None], 3))
    sample = cluster_views(views="sample")
    sample.start_epoch(1, rng())
    generator = rng(1)
    torch.rand(20, generator=generator)  # flips, though there are none
    drawn = torch.randint(4, (20, 1), generator=generator)
    expected = views_of(faces, views.cluster_map[None], 3)[torch.arange(20), drawn[:, 0]]
    assert torch.equal(shown(sample, 1), expected)


def test_each_view_is_drawn_as_often() -> None:
    views = cluster_views(views="sample")
    views.start_epoch(1, rng())
    faces = IMAGES.unsqueeze(1).float() / 255
    every = views_of(faces, views.cluster_map[None], 3)
    counts = torch.zeros(4)
    for seed in range(100):
        same = (shown(views, seed).unsqueeze(1) == every).all((2, 3, 4))
        assert same.sum(1).eq(1).all()
        counts += same.sum(0)
    assert float((counts / 2000 - 1 / 4).abs().max()) < 4 * math.sqrt(0.25 * 0.75 / 2000)


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
        shown(cluster_views(), 0)


def test_faces_maps_need_a_reference_for_their_names() -> None:
    source = AttentionClusters(MethodConfig("perturb", intensity="pixels", scope="face"))
    with pytest.raises(FerturbError, match="names from a reference map"):
        source(torch.rand(2, 1, 8, 8))


def test_methods_need_what_they_need(tiny: str) -> None:
    config = MethodConfig("perturb")
    with pytest.raises(FerturbError, match="needs an attention classifier"):
        AttentionClusters(config)
    blind = ClusterViews(config, AttentionClusters(config, Classifier(ModelConfig(tiny))), IMAGES)
    with pytest.raises(FerturbError, match="built without spatial attention"):
        blind.start_epoch(1, rng())


def test_perturb_looks_with_its_classifier_in_evaluation_mode(tiny: str) -> None:
    torch.manual_seed(0)
    attention = Classifier(ModelConfig(tiny, attention=True)).train()
    images = torch.randint(0, 256, (8, 32, 32), generator=rng(), dtype=torch.uint8)
    before = {k: v.clone() for k, v in attention.state_dict().items()}
    config = MethodConfig("perturb")
    views = ClusterViews(config, AttentionClusters(config, attention), images)
    views.start_epoch(1, rng())
    assert not attention.training
    for key, value in attention.state_dict().items():
        assert torch.equal(value, before[key])


def test_attention_is_computed_where_the_network_is_trained(tiny: str) -> None:
    """It was computed on the CPU, slowly, and refused the faces of a GPU."""
    config = MethodConfig("perturb")
    attention = Classifier(ModelConfig(tiny, attention=True))
    views = ClusterViews(config, AttentionClusters(config, attention), IMAGES)
    with views.attached(Classifier(ModelConfig(tiny)).to("meta")):
        assert {p.device.type for p in attention.parameters()} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("scope", ["epoch", "batch", "face", "fixed"])
def test_views_on_a_gpu_are_those_of_the_cpu(tiny: str, scope: str) -> None:
    config = MethodConfig("perturb", scope=scope, views="all")  # type: ignore[arg-type]
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        attention, network = (Classifier(ModelConfig(tiny, attention=a)) for a in (True, False))
        views = ClusterViews(config, AttentionClusters(config, attention), IMAGES)
        index = torch.arange(6)
        batch = Batch(index, IMAGES[index].to(device), AugmentConfig(flip=0.0), rng(3))
        with views.attached(network.to(device)):
            views.start_epoch(1, rng(1))
            shown = views(batch, rng(2))
            judged = views.at_test_time(network).to(device)(batch.augmented())
        found.append((shown.cpu(), judged.shape))
    (here, shape), (there, other_shape) = found
    assert shape == other_shape
    assert ((here - there).abs() > 1e-4).double().mean() < 0.02


class Counted(AttentionClusters):
    """Clusters that know how often they were asked for."""

    asked = 0

    def of_faces(self, faces: Tensor) -> FaceMaps:
        self.asked += 1
        return super().of_faces(faces)


def test_the_maps_of_faces_that_come_again_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation shows the same faces after every epoch."""
    config = MethodConfig("perturb", intensity="pixels", scope="face")
    source = Counted(config, reference=torch.zeros(32, 32, dtype=torch.int64))
    one, other = (torch.rand(4, 1, 32, 32, generator=rng(seed)) for seed in (1, 2))
    first = source(one)
    assert torch.equal(first, source.of_faces(one).maps)
    source.asked = 0
    assert torch.equal(source(one), first)
    assert source.asked == 0
    assert not torch.equal(source(other), first)
    assert torch.equal(source(one.flip(0)), first.flip(0))
    source(one[:2])
    assert source.asked == 3
    source.reference = torch.ones(32, 32, dtype=torch.int64)  # other names
    source(one)
    assert source.asked == 4
    monkeypatch.setattr("ferturb.perturb.cluster_maps.REMEMBERED", 1)
    source(other)
    source(one)
    assert source.asked == 6
