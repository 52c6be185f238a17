from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ferturb.data.drawn.synthetic import draw
from ferturb.features.masks.geometry import place
from ferturb.features.masks.keyed_random import KeyedRandom, index_keys
from ferturb.features.masks.light import Layer, lay_over, measure, smooth

POINTS = draw(8, seed=3).landmarks


def faces(grey: Tensor) -> Tensor:
    return (grey * 255).round().clamp(0, 255).to(torch.uint8).expand(8, 48, 48).contiguous()


@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_even_skin(level: float) -> None:
    light = measure(faces(torch.full((8, 48, 48), level)), place(POINTS, 48, 48))
    assert torch.allclose(light.skin, torch.tensor(level), atol=0.01)
    assert torch.allclose(light.field, torch.tensor(1.0), atol=0.01)
    assert (light.grain == 0).all()
    assert (light.white > light.skin).all()
    assert (light.white <= 1).all()
    assert torch.allclose(light.grey(torch.ones(8, 1, 1)), light.white)


def test_grain_is_the_noise_that_was_added() -> None:
    generator = torch.Generator().manual_seed(0)
    for sigma in (0.02, 0.04):
        noise = torch.randn(8, 48, 48, generator=generator) * sigma
        slope = torch.linspace(0.4, 0.6, 48)
        light = measure(faces(0.5 * slope + 0.25 + noise), place(POINTS, 48, 48))
        assert abs(light.grain.mean().item() / sigma - 1) < 0.15


def test_the_field_follows_the_light_and_not_dark_features() -> None:
    slope = torch.linspace(0.8, 0.4, 48).expand(8, 48, 48).clone()
    face = place(POINTS, 48, 48)
    plain = measure(faces(slope), face).field
    assert (plain[:, 24, 12] > 1.25 * plain[:, 24, 36]).all()
    slope[:, 34:37, 20:28] = 0.05  # an open mouth
    assert (measure(faces(slope), face).field / plain - 1).abs().max() < 0.06


def test_blur_is_seen() -> None:
    drawn = draw(8, seed=3)
    soft = drawn.images.float()
    for _ in range(4):
        soft = smooth(soft)
    face = place(drawn.landmarks, 48, 48)
    sharp = measure(drawn.images, face).blur
    assert (measure(soft.round().to(torch.uint8), face).blur > sharp + 0.2).all()


def test_smooth_keeps_planes_and_spreads_a_point() -> None:
    plane = torch.arange(6.0)[:, None] + 2 * torch.arange(5.0)
    assert torch.allclose(smooth(plane)[1:-1, 1:-1], plane[1:-1, 1:-1])
    point = torch.zeros(5, 5)
    point[2, 2] = 16
    binomial = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])
    assert torch.equal(smooth(point)[1:4, 1:4], binomial)


def test_nothing_laid_over_changes_nothing() -> None:
    drawn = draw(8, seed=3)
    face = place(drawn.landmarks, 48, 48)
    light = measure(drawn.images, face)
    none = torch.zeros(8, 48, 48)
    layer = Layer(none, none, none + 99)
    for layers in ((), (layer,)):
        worn, kept = lay_over(drawn.images, layers, light, face, KeyedRandom(index_keys(8, 0)))
        assert torch.equal(worn, drawn.images)
        assert kept.all()
