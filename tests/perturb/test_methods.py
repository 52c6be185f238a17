"""Every option and every method: off is the scheme without it, on does what its name says."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import (
    METHOD_OPTIONS,
    METHOD_PRESETS,
    AugmentConfig,
    MethodConfig,
    ModelConfig,
    RunConfig,
)
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_input
from ferturb.base.raster import Raster
from ferturb.data.drawn.synthetic import draw
from ferturb.data.faces import Faces
from ferturb.models.classifier import Classifier
from ferturb.perturb.cluster_maps import (
    AttentionClusters,
    maps_of_faces,
    mean_attention,
)
from ferturb.perturb.cluster_views import ClusterViews, view_divergence
from ferturb.perturb.clusters import by_intensity
from ferturb.perturb.controls import LandmarkCells
from ferturb.perturb.methods import (
    METHODS,
    epochs_at_equal_compute,
    needs_attention,
    passes,
    source_at_test_time,
    training_inputs,
)
from ferturb.perturb.random_erasing import RandomErasing
from ferturb.perturb.view_classifier import ViewClassifier, model_at_test_time
from ferturb.perturb.views import views_of
from ferturb.training.inputs import Batch, TrainingInputs

SIDE = 16


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spots(n: int, side: int = SIDE) -> Tensor:
    """Faces of two eyes and a mouth that lie somewhat elsewhere in each, uint8."""
    y, x = torch.meshgrid(*[torch.linspace(0, 1, side)] * 2, indexing="ij")
    where = torch.tensor([[0.3, 0.25], [0.3, 0.75], [0.8, 0.5]])
    where = where + 0.08 * torch.randn(n, 3, 2, generator=rng(4))
    squared = (y - where[..., :1, None]) ** 2 + (x - where[..., 1:, None]) ** 2
    return (255 * torch.exp(-squared / 0.02).sum(1).clamp(0, 1)).to(torch.uint8)


IMAGES = spots(24)
FACES = IMAGES.unsqueeze(1).float().div(255)


@pytest.fixture
def attention(tiny: str) -> Classifier:
    torch.manual_seed(0)
    return Classifier(ModelConfig(tiny, attention=True)).eval()


def faces_of(images: Tensor) -> Faces:
    zero = torch.zeros(len(images), dtype=torch.int64)
    names = tuple(str(i) for i in range(len(images)))
    return Faces(images, zero, zero.to(torch.uint8), names, "spots")


def views_for(
    config: MethodConfig, attention: Classifier | None, images: Tensor = IMAGES
) -> ClusterViews:
    views = training_inputs(config, faces_of(images), attention)
    assert isinstance(views, ClusterViews)
    views.start_epoch(1, rng(1))
    return views


STILL = AugmentConfig(flip=0.0)


def shown(
    inputs: TrainingInputs, seed: int, images: Tensor = IMAGES, size: int | None = None
) -> Tensor:
    """The network inputs of a step that augments nothing."""
    batch = Batch(torch.arange(len(images)), images, STILL, rng(seed), size)
    return inputs(batch, rng(seed))


def own_maps(views: ClusterViews) -> Tensor:
    return maps_of_faces(views.source, IMAGES)[0].long()


PERTURB = MethodConfig("perturb", attention_faces=24)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_trains_and_tests_on_its_views(name: str, attention: Classifier) -> None:
    config = replace(METHOD_PRESETS[name], attention_faces=24)
    faces = faces_of(IMAGES)
    first, again = (training_inputs(config, faces, attention) for _ in "ab")
    for inputs in (first, again):
        inputs.start_epoch(1, rng(1), 0.5)
    seen = shown(first, 2)
    inside = 2 if name == "eac" else 1  # its second pass is made of what the network is shown
    assert len(seen) == len(FACES) * passes(config) / inside
    assert torch.isfinite(seen).all()
    assert torch.equal(seen, shown(again, 2))  # same seed, same bits


@pytest.mark.parametrize("scope", ["epoch", "fixed", "face"])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_loaded_model_is_the_validated_one(name: str, scope: str, attention: Classifier) -> None:
    config = replace(METHOD_PRESETS[name], attention_faces=24, scope=scope)  # type: ignore[arg-type]
    inputs = training_inputs(config, faces_of(IMAGES), attention)
    inputs.start_epoch(1, rng(1))
    model = inputs.at_test_time(attention).eval()
    kept = inputs.epoch_record()
    assert bool(kept) is (METHODS[name].map_source is not None)
    if not kept:
        assert model is attention
        return
    cluster_map = kept["maps"].long()
    source = source_at_test_time(config, cluster_map, lambda: attention)
    loaded = model_at_test_time(config, attention, cluster_map, source).eval()
    with torch.no_grad():
        assert torch.equal(model(FACES), loaded(FACES))
    assert isinstance(model, ViewClassifier) is config.test_views


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_name_settles_what_it_means(name: str) -> None:
    for option, value in METHOD_OPTIONS.get(name, {}).items():
        assert getattr(MethodConfig(name), option) == value
        assert getattr(METHOD_PRESETS[name], option) == value
    config = METHOD_PRESETS[name]
    assert RunConfig.from_dict(RunConfig(method=config).to_dict()).method == config
    assert config.name == name


@pytest.mark.parametrize("scope", ["epoch", "fixed", "face"])
def test_alpha_zero_ignores_the_attention(scope: str, attention: Classifier) -> None:
    config = replace(PERTURB, intensity_weight=0.0, scope=scope)
    with_attention, without = views_for(config, attention), views_for(config, None)
    assert torch.equal(with_attention.cluster_map, without.cluster_map)
    uniform = views_for(MethodConfig("uniform-clusters", scope=scope), None)
    assert torch.equal(shown(uniform, 3), shown(without, 3))
    assert not needs_attention(config)


def test_one_map_for_each_of_identical_faces_is_the_shared_map(attention: Classifier) -> None:
    same = IMAGES[:1].expand(24, SIDE, SIDE).contiguous()
    by = {}
    for scope in ("epoch", "fixed", "face"):
        views = views_for(replace(PERTURB, scope=scope), attention, same)
        by[scope] = shown(views, 2, same)
        with torch.no_grad():
            by[scope + " tested"] = views.at_test_time(attention).eval()(same[:4, None] / 255)
    assert torch.equal(by["face"], by["epoch"])
    assert torch.equal(by["fixed"], by["epoch"])
    torch.testing.assert_close(by["face tested"], by["epoch tested"])


def test_scope_fixed_keeps_its_map_and_scope_epoch_follows_the_draw(attention: Classifier) -> None:
    seen = []
    torch.manual_seed(1)
    for scope in ("fixed", "epoch"):
        views = views_for(
            replace(PERTURB, scope=scope, attention_faces=1, intensity="pixels"), None
        )
        maps = []
        for epoch in range(1, 5):
            views.start_epoch(epoch, rng(epoch))
            maps.append(views.cluster_map)
        seen.append([torch.equal(maps[0], m) for m in maps])
    assert all(seen[0])
    assert not all(seen[1])


def test_faces_take_their_own_clusters_under_the_names_of_the_reference() -> None:
    config = replace(PERTURB, scope="face", intensity="pixels")
    views = views_for(config, None)
    maps = own_maps(views)
    assert len({tuple(m.flatten().tolist()) for m in maps}) > 12
    agreement = (maps == views.cluster_map).double().mean()
    for j, k in ((0, 1), (1, 2), (0, 2)):  # any two names swapped would agree less
        swapped = maps.clone()
        swapped[maps == j], swapped[maps == k] = k, j
        assert (swapped == views.cluster_map).double().mean() < agreement


def test_a_face_has_the_same_map_alone_and_in_company(attention: Classifier) -> None:
    config, reference = replace(PERTURB, scope="face"), torch.zeros(SIDE, SIDE).long()
    source = AttentionClusters(config, attention, reference)
    together = source(FACES)
    for i in (0, 7):
        alone = source(FACES[i : i + 1])[0]
        assert (alone == together[i]).double().mean() > 0.99


@pytest.mark.parametrize(("scope", "fill"), [("face", "black"), ("fixed", "noise")])
@pytest.mark.parametrize(
    "name", [n for n in sorted(METHODS) if METHODS[n].map_source and METHOD_PRESETS[n].test_views]
)
def test_a_face_has_the_same_views_alone_and_in_company(
    name: str, scope: Literal["face", "fixed"], fill: Literal["black", "noise"], tiny: str
) -> None:
    config = replace(METHOD_PRESETS[name], attention_faces=24, scope=scope, fill=fill)
    torch.manual_seed(0)
    attention = Classifier(ModelConfig(tiny, attention=True)).eval()
    model = views_for(config, attention).at_test_time(Weighed()).eval()
    assert isinstance(model, ViewClassifier)
    together = model(FACES)
    for i in (0, 7):
        near = (model(FACES[i : i + 1])[0] - together[i]).abs() < 1e-4
        assert near.double().mean() > 0.98


class Weighed(nn.Module):
    """Answers with a view times its mean, so that the sum over views tells where each was cut."""

    def forward(self, views: Tensor) -> Tensor:
        flat = views.flatten(1)
        return flat * flat.mean(1, keepdim=True)


def test_random_regions_of_new_faces_differ_from_face_to_face(attention: Classifier) -> None:
    config = MethodConfig("random-regions", scope="face", attention_faces=24)
    source = views_for(config, attention).source
    maps = source(FACES)
    assert len({tuple(m.flatten().tolist()) for m in maps}) == len(FACES)
    assert torch.equal(source(FACES[[3, 3]])[1], source(FACES[3:4])[0])


def test_pixels_as_intensity_are_the_face_itself_without_threshold() -> None:
    config = replace(PERTURB, intensity="pixels", scope="fixed")
    expected = views_for(config, None).cluster_map
    same = views_for(replace(config, attention_threshold=0.9), None).cluster_map
    assert torch.equal(expected, same)
    assert not needs_attention(config)
    without = views_for(replace(config, intensity_weight=0.0), None).cluster_map
    assert not torch.equal(expected, without)


def test_attention_from_the_input_gate(tiny: str) -> None:
    torch.manual_seed(0)
    gated = Classifier(ModelConfig(tiny, attention=True, attention_at="input")).eval()
    assert len(gated.gates) == 1
    x = (FACES - 0.5077) / 0.2551
    with torch.no_grad():
        gate = gated.gates[0](x)
        torch.testing.assert_close(gated.attention_maps(FACES), gate[:, 0])
        plain = Classifier(ModelConfig(tiny)).eval()
        plain.load_state_dict({k: v for k, v in gated.state_dict().items() if "gates" not in k})
        dimmed = (x * gate) * 0.2551 + 0.5077  # what the rest of the network sees
        torch.testing.assert_close(gated(FACES), plain(dimmed), atol=1e-4, rtol=1e-4)
    config = replace(PERTURB, attention_from="input")
    assert views_for(config, gated).cluster_map.shape == (SIDE, SIDE)
    with pytest.raises(FerturbError, match=r"attention from the stages, but .* at the input"):
        training_inputs(PERTURB, faces_of(IMAGES), gated)


def test_pair_shows_the_whole_face_beside_a_drawn_view(attention: Classifier) -> None:
    views = views_for(replace(PERTURB, views="pair"), attention)
    pairs = shown(views, 5).view(24, 2, 1, SIDE, SIDE)
    assert torch.equal(pairs[:, 1], FACES)
    every = views_of(FACES, views.cluster_map[None], 3)
    hits = (pairs[:, :1] == every).all((2, 3, 4))
    assert hits[:, :3].any(1).all()  # one of the three with something left out
    assert len(hits[:, :3].int().argmax(1).unique()) == 3


def test_without_training_views_a_batch_is_the_faces(attention: Classifier) -> None:
    views = views_for(MethodConfig("test-views-only", scope="face"), attention)
    assert torch.equal(shown(views, 1), FACES)
    assert isinstance(views.at_test_time(attention), ViewClassifier)
    only = views_for(MethodConfig("train-views-only"), attention)
    assert only.at_test_time(attention) is attention
    assert len(shown(only, 1)) == 4 * 24


@pytest.mark.parametrize("scope", ["epoch", "fixed", "face"])
def test_random_regions_leave_out_as_many_pixels_as_the_clusters(
    scope: str, attention: Classifier
) -> None:
    config = MethodConfig("random-regions", scope=scope, attention_faces=24)
    random = views_for(config, attention)
    clusters = views_for(replace(config, name="perturb"), attention)
    bright = torch.full_like(IMAGES, 255)
    ours, theirs = (shown(views, 2, bright) for views in (random, clusters))
    assert torch.equal(ours.view(24, 4, -1).sum(2), theirs.view(24, 4, -1).sum(2))
    assert not torch.equal(ours, theirs)
    with torch.no_grad():
        model = random.at_test_time(attention).eval()
        assert torch.equal(model(FACES), model(FACES))


def test_random_erasing_erases_rectangles_as_often_as_views_leave_out() -> None:
    bright = torch.full((400, SIDE, SIDE), 255, dtype=torch.uint8)
    config = MethodConfig("random-erasing")
    everything = shown(RandomErasing(config), 1, bright)
    erased = (everything == 0).view(400, 4, -1).sum(2)
    assert (erased[:, :3] > 0).all()
    assert (erased[:, 3] == 0).all()
    assert (erased[:, :3] <= 0.25 * SIDE * SIDE).all()
    sample = shown(RandomErasing(replace(config, views="sample")), 1, bright)
    share = (sample == 0).flatten(1).any(1).double().mean()
    assert float(share) == pytest.approx(0.75, abs=0.08)
    for image in sample[:20, 0] == 0:  # a full rectangle
        rows, columns = image.any(1).nonzero(), image.any(0).nonzero()
        assert int(image.sum()) == len(rows) * len(columns)
    pair = shown(RandomErasing(replace(config, views="pair")), 1, bright).view(400, 2, -1)
    assert (pair[:, 0] == 0).any(1).all()
    assert (pair[:, 1] == 1).all()


def test_landmark_regions_divide_the_face_by_its_landmarks() -> None:
    cells = LandmarkCells(MethodConfig("landmark-regions"))
    blank = cells.of_faces(torch.zeros(1, 1, 48, 48))  # the mean shape
    assert blank.uninformative.all()
    mean = blank.maps[0]
    for side in (48, 32):
        empty, image = torch.zeros(1, 1, side, side), torch.zeros(1, side, side).byte()
        assert torch.equal(cells(empty)[0], cells.find_reference(image)[0])
    assert (mean[16:20, 8:16] == 0).all()  # left eye
    assert (mean[16:20, 32:40] == 1).all()  # right eye
    assert (mean[36:44, 18:30] == 2).all()  # mouth
    assert sorted(mean.unique().tolist()) == [0, 1, 2]
    with pytest.raises(FerturbError, match="knows 6 features, got 7"):
        LandmarkCells(MethodConfig("landmark-regions", clusters=7))


def test_each_face_is_divided_by_its_own_landmarks_or_by_those_of_another_one() -> None:
    images = draw(20, seed=6).images
    config = MethodConfig("landmark-regions")
    own = views_for(config, None, images)
    mixed = views_for(replace(config, at_random=True), None, images)
    maps, _ = maps_of_faces(own.source, images)
    others = mixed.source.assigned(maps)
    # Faces in different poses have different maps.
    owners = [[j for j in range(20) if torch.equal(other, maps[j])] for other in others]
    assert sorted(owners) == [[i] for i in range(20)]
    assert all(found != [i] for i, found in enumerate(owners))
    drawn = torch.arange(4).repeat(20, 1)
    for inputs, used in ((own, maps), (mixed, others)):
        expected = views_of(
            as_input(images), used.long(), 3, config.view_kind, config.fill, rng(), drawn
        )
        assert torch.equal(shown(inputs, 1, images), expected.flatten(0, 1))
    later = views_for(replace(config, at_random=True), None, images)
    later.start_epoch(9, rng(8))  # a training that goes on
    assert torch.equal(shown(later, 1, images), shown(mixed, 1, images))
    tested = [inputs.at_test_time(nn.Flatten())(as_input(images)) for inputs in (own, mixed)]
    assert torch.equal(*tested)  # there each by its own


def test_the_most_attended_cluster_is_dropped_more_and_more_often(attention: Classifier) -> None:
    config = replace(PERTURB, name="drop-attended", intensity="pixels")
    views = views_for(config, None)
    many = torch.full((600, SIDE, SIDE), 255, dtype=torch.uint8)
    mean = mean_attention(lambda f: f[:, 0], IMAGES)
    means = [float(mean[views.cluster_map == j].mean()) for j in range(3)]
    assert means == sorted(means, reverse=True)  # cluster 0 is the most attended
    shares = []
    for progress in (0.0, 0.4, 0.8):
        views.start_epoch(1, rng(1), progress)
        seen = shown(views, 2, many)
        gone = (seen == 0).flatten(1)
        touched = gone.any(1)
        shares.append(float(touched.double().mean()))
        if touched.any():  # always that cluster, all of it
            assert (gone[touched] == (views.cluster_map == 0).flatten()).all()
    assert shares == pytest.approx([0.0, 0.75 * 0.4, 0.75 * 0.8], abs=0.06)


def test_seldom_shows_most_faces_whole(attention: Classifier) -> None:
    views = views_for(METHOD_PRESETS["perturb-seldom"], attention)
    seen = shown(views, 3, IMAGES.repeat(20, 1, 1))
    changed = (seen != FACES.repeat(20, 1, 1, 1)).flatten(1).any(1)
    assert 0.15 < changed.float().mean() < 0.35
    never = views_for(replace(PERTURB, views="sample", view_probability=0.0), attention)
    assert torch.equal(shown(never, 3), FACES)


def test_annealing_ends_on_whole_faces(attention: Classifier) -> None:
    views = views_for(replace(PERTURB, name="anneal"), attention)
    many = torch.full((600, SIDE, SIDE), 255, dtype=torch.uint8)
    shares = []
    for progress in (0.0, 0.375, 0.75, 0.95):
        views.start_epoch(1, rng(1), progress)
        shares.append(float((shown(views, 2, many) == 0).flatten(1).any(1).double().mean()))
    assert shares[:2] == pytest.approx([0.75, 0.375], abs=0.07)
    assert shares[2:] == [0.0, 0.0]


def test_a_constant_schedule_draws_what_it_drew_without_schedules(attention: Classifier) -> None:
    sample = views_for(replace(PERTURB, views="sample"), attention)
    sample.start_epoch(1, rng(1), 0.9)
    generator = rng(7)
    torch.rand(24, generator=generator)  # flips, though there are none
    drawn = torch.randint(4, (24,), generator=generator)
    keep = sample.cluster_map != drawn[:, None, None]
    assert torch.equal(shown(sample, 7), FACES * keep.unsqueeze(1))


def test_consistency_is_the_mean_divergence_from_the_whole_face(attention: Classifier) -> None:
    views = views_for(MethodConfig("view-consistency", consistency=0.5), attention)
    logits = torch.randn(24 * 2, 7, generator=rng(1), requires_grad=True)
    loss = views.extra_loss(logits)
    assert loss is not None
    p = logits.view(24, 2, 7)[:, 1].softmax(1)
    q = logits.view(24, 2, 7)[:, 0].softmax(1)
    torch.testing.assert_close(loss, (p * (p.log() - q.log())).sum(1).mean())  # weight 1 by name
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert not logits.grad.view(24, 2, 7)[:, 1].any()  # the whole face teaches
    assert float(view_divergence(torch.zeros(3, 4, 7))) == 0
    assert views_for(PERTURB, attention).extra_loss(logits) is None


def test_degenerate_attention_is_counted_and_clustered_by_place() -> None:
    images = IMAGES.clone()
    images[3], images[5] = 0, 77  # no light, no contrast
    images[9] = 0
    images[9, 4, 4] = 255  # one pixel
    config = replace(PERTURB, scope="face", intensity="pixels")
    place = views_for(replace(config, intensity_weight=0.0), None)
    maps, count = maps_of_faces(AttentionClusters(config, None, place.cluster_map), images)
    assert count == 3
    expected = own_maps(place)
    for i in (3, 5, 9):
        assert torch.equal(maps[i].long(), expected[i])
    views = views_for(config, None, images)
    assert views.uninformative == 3
    assert int(views.epoch_record()["uninformative"]) == 3


def test_costs() -> None:
    assert [passes(replace(PERTURB, views=v)) for v in ("all", "sample", "pair")] == [4, 1, 2]
    assert passes(MethodConfig("baseline")) == passes(MethodConfig("test-views-only")) == 1
    assert epochs_at_equal_compute(MethodConfig("extra-epochs", clusters=5), 10) == 60
    assert epochs_at_equal_compute(MethodConfig("extra-epochs", views="sample"), 10) == 10
    assert epochs_at_equal_compute(MethodConfig("perturb"), 10) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"consistency": 1.0, "views": "sample"}, "views='sample' has one"),
        ({"left_out_cluster": "most-attended", "views": "all"}, "views='all' draws none"),
        ({"consistency": -1.0}, "consistency must be at least 0"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, object], message: str) -> None:
    with pytest.raises(FerturbError, match=message):
        MethodConfig("perturb", **options)  # type: ignore[arg-type]


def test_the_attention_classifier_stays_in_evaluation_mode(attention: Classifier) -> None:
    """Whoever trains or switches the model around it, its batch norms don't move."""
    before = {k: v.clone() for k, v in attention.state_dict().items()}
    views = views_for(replace(PERTURB, scope="face"), attention)
    model = views.at_test_time(nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 7)))
    model.train()
    model(FACES)
    assert not attention.training
    assert all(torch.equal(v, before[k]) for k, v in attention.state_dict().items())


def test_faces_are_clustered_in_float32_whatever_the_autocast(attention: Classifier) -> None:
    views = views_for(replace(PERTURB, scope="face"), attention)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = views.source(FACES)
    assert torch.equal(inside, own_maps(views))


def test_by_intensity_is_a_renaming() -> None:
    maps = torch.randint(0, 4, (5, 6, 6), generator=rng()).numpy()
    values = torch.rand(5, 6, 6, generator=rng(1)).numpy()
    named = by_intensity(maps, values, 4)
    for m, n, v in zip(maps, named, values, strict=True):
        pairs = {(int(a), int(b)) for a, b in zip(m.flatten(), n.flatten(), strict=True)}
        assert len(pairs) == 4
        means = [float(v[n == j].mean()) for j in range(4)]
        assert means == sorted(means, reverse=True)


def test_views_are_resized_like_the_face(attention: Classifier) -> None:
    views = views_for(PERTURB, attention)
    small = F.interpolate(FACES, (8, 8), mode="bilinear", antialias=True)
    every = views_of(small, views.cluster_map[None], 3)
    torch.testing.assert_close(shown(views, 1, size=8), every.flatten(0, 1))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_trains_and_tests_in_colour(name: str, tiny: str) -> None:
    """Of three channels alike its inputs are those of one, and its model takes colours."""
    torch.manual_seed(0)
    grey = Classifier(ModelConfig(tiny, attention=True)).eval()
    torch.manual_seed(0)
    coloured = Classifier(ModelConfig(tiny, attention=True), Raster(SIDE + 32, 3)).eval()
    config = replace(METHOD_PRESETS[name], attention_faces=24)
    alike = IMAGES[:, None].repeat(1, 3, 1, 1)
    seen = []
    for images, attention in ((IMAGES, grey), (alike, coloured)):
        inputs = training_inputs(config, faces_of(images), attention)
        inputs.start_epoch(1, rng(1), 0.5)
        seen.append(shown(inputs, 2, images))
        network = inputs.at_test_time(attention)
    assert seen[1].shape[1] == 3
    assert torch.allclose(seen[1], seen[0].expand_as(seen[1]), atol=2 / 255)
    with torch.no_grad():
        assert network(alike[:2].float() / 255).shape == (2, 7)
