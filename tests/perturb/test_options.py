"""Each option of a method reaches what is shown, as it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ferturb.base.config import AugmentConfig, MethodConfig
from ferturb.perturb.cluster_maps import AttentionClusters, clustered
from ferturb.perturb.cluster_views import ClusterViews, view_divergence
from ferturb.perturb.clusters import cluster_maps
from ferturb.perturb.controls import partition_draws, random_partitions
from ferturb.perturb.eac import ErasingConsistency
from ferturb.perturb.methods import epochs_within
from ferturb.perturb.random_erasing import RandomErasing
from ferturb.perturb.view_classifier import ViewClassifier
from ferturb.perturb.views import views_of
from ferturb.training.inputs import Batch

FACES = 300
SIDE = 12
Shown = Callable[[MethodConfig], Tensor]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


IMAGES = torch.randint(100, 200, (FACES, SIDE, SIDE), generator=rng(3)).to(torch.uint8)
"""No pixel of them is black."""
WHOLE = IMAGES[:, None].float() / 255


def batch() -> Batch:
    return Batch(torch.arange(FACES), IMAGES, AugmentConfig(flip=0.0), rng(1))


def in_training(config: MethodConfig, progress: float = 0.0) -> Tensor:
    views = ClusterViews(config, AttentionClusters(config), IMAGES)
    views.start_epoch(1, rng(), progress)
    return views(batch(), rng())


class Seen(nn.Module):
    """A network that keeps what it is shown."""

    def forward(self, faces: Tensor) -> Tensor:
        self.faces = faces
        return faces.flatten(1)[:, :7]


def at_test_time(config: MethodConfig) -> Tensor:
    seen, columns = Seen(), torch.arange(SIDE) * 3 // SIDE
    ViewClassifier(seen, columns.expand(SIDE, SIDE), config)(WHOLE)
    return seen.faces


def erased_at_random(config: MethodConfig) -> Tensor:
    return RandomErasing(replace(config, name="random-erasing"))(batch(), rng())


def erased_for_attention(config: MethodConfig) -> Tensor:
    eac = ErasingConsistency(MethodConfig("eac"))
    eac.config = replace(config, name="perturb")  # `eac` settles its fill; what fills is the same
    return eac(batch(), rng())


def pixels(**options: object) -> MethodConfig:
    return MethodConfig("perturb", intensity="pixels", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "shown", [in_training, at_test_time, erased_at_random, erased_for_attention]
)
def test_what_is_hidden_is_filled_as_asked(shown: Shown) -> None:
    black, mean = shown(pixels(fill="black")), shown(pixels(fill="mean"))
    hidden = black == 0
    assert 0.02 < float(hidden.float().mean()) < 0.5
    assert torch.equal(black[~hidden], mean[~hidden])
    kept = (black * ~hidden).sum((1, 2, 3)) / (~hidden).sum((1, 2, 3))
    expected = kept[:, None, None, None].expand_as(mean)
    torch.testing.assert_close(mean[hidden], expected[hidden])


@pytest.mark.parametrize("shown", [in_training, at_test_time])
def test_a_view_shows_all_but_a_cluster_or_it_alone(shown: Shown) -> None:
    without, alone = (
        shown(pixels(view_kind=kind)).view(FACES, 4, 1, SIDE, SIDE)
        for kind in ("leave-one-out", "keep-one")
    )
    torch.testing.assert_close(
        without[:, :3] + alone[:, :3], WHOLE[:, None].expand(-1, 3, -1, -1, -1)
    )
    assert not (without[:, :3] * alone[:, :3]).any()
    for views in (without, alone):
        assert torch.equal(views[:, 3], WHOLE)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_rectangle_has_the_share_that_is_asked_for(share: float) -> None:
    config = MethodConfig("random-erasing", views="pair", erased=(share, share))
    hidden = RandomErasing(config)(batch(), rng())[::2] == 0
    assert float(hidden.float().mean()) == pytest.approx(share, rel=0.3)
    eac = ErasingConsistency(replace(MethodConfig("eac"), hidden_probability=1.0))
    eac.config = replace(config, name="perturb", fill="black", hidden_probability=1.0)
    assert float((eac(batch(), rng()) == 0).float().mean()) == pytest.approx(share, rel=0.3)


@pytest.mark.parametrize(
    ("schedule", "progress", "probability", "used"),
    [
        ("constant", 0.5, 0.4, 0.4),
        ("rising", 0.5, 1.0, 0.5),
        ("rising", 0.5, 0.4, 0.2),
        ("falling", 0.375, 0.4, 0.2),
    ],
)
def test_the_share_of_views_is_the_schedules_times_their_probability(
    schedule: str, progress: float, probability: float, used: float
) -> None:
    config = pixels(views="pair", schedule=schedule, view_probability=probability)
    first = in_training(config, progress)[::2]
    changed = (first != WHOLE).flatten(1).any(1).float().mean()
    assert float(changed) == pytest.approx(used, abs=4 * (used * (1 - used) / FACES) ** 0.5)


def test_consistency_is_the_weight_of_the_divergence() -> None:
    logits = torch.randn(8, 7, generator=rng())
    expected = float(view_divergence(logits.view(2, 4, 7)))
    assert expected > 0.1
    for weight in (0.5, 2.0):
        config = pixels(consistency=weight)
        found = ClusterViews(config, AttentionClusters(config), IMAGES).extra_loss(logits)
        assert found is not None
        assert float(found) == pytest.approx(weight * expected)


@pytest.mark.parametrize(
    ("options", "direct"),
    [
        ({"distance_weight": 0.3}, {"distance_weight": 0.3}),
        ({"intensity_weight": 4.0}, {"intensity_weight": 4.0}),
        ({"attention_threshold": 0.9}, {"threshold": 0.9}),
        ({"clusters": 5}, {"k": 5}),
        ({"kmeans_starts": 1}, {"starts": 1}),
        ({"intensity": "pixels"}, {"threshold": 0.0}),
    ],
)
def test_clusters_are_those_of_the_options(
    options: dict[str, object], direct: dict[str, object]
) -> None:
    values = torch.rand(1, 16, 16, generator=rng(4)).repeat(12, 1, 1)
    values = torch.rand(12, 16, 16, generator=rng(4)) * values
    standard = {
        "k": 3,
        "seed": rng(9).initial_seed(),
        "distance_weight": 1.5,
        "intensity_weight": 1.2,
        "threshold": 0.5,
        "threads": 1,
        "starts": 48,
    }

    def found(given: dict[str, object]) -> Tensor:
        return torch.from_numpy(cluster_maps(values.numpy(), *(standard | given).values()))  # type: ignore[arg-type]

    config = replace(MethodConfig("perturb"), **options)  # type: ignore[arg-type]
    maps = clustered(values, config, rng(9)).maps
    assert torch.equal(maps, found(direct))
    assert not torch.equal(maps, found({}))


def test_all_but_the_first_cut_turn_by_up_to_thirty_degrees() -> None:
    draws = partition_draws(40, 3, rng())
    maps = torch.zeros(40, 24, 24, dtype=torch.int64)
    maps[:, 8:], maps[:, 16:] = 1, 2
    turned = {}
    for turn in (0.0, 0.5, 1.0):
        given = draws.clone()
        given[1, :, 1] = turn
        turned[turn] = random_partitions(maps, 3, given)
    first = draws[0].argsort(1)[:, :1, None]
    for turn in (0.0, 1.0):
        assert torch.equal(turned[turn] == first, turned[0.5] == first)
        assert (turned[turn] != turned[0.5]).flatten(1).any(1).all()


def test_epochs_at_the_cost_of_others_are_rounded() -> None:
    four = MethodConfig("perturb")
    assert [epochs_within(four, n) for n in (1, 9, 11, 24)] == [1, 2, 3, 6]


def test_views_without_a_drawing_are_all() -> None:
    config = pixels()
    columns = (torch.arange(SIDE) * 3 // SIDE).expand(1, SIDE, SIDE)
    assert torch.equal(at_test_time(config), views_of(WHOLE, columns, 3).flatten(0, 1))
