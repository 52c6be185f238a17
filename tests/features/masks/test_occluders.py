from __future__ import annotations

import torch

from ferturb.data.drawn.synthetic import draw
from ferturb.features.masks.geometry import place
from ferturb.features.masks.keyed_random import KeyedRandom, index_keys
from ferturb.features.masks.light import measure
from ferturb.features.masks.occluders import glasses, hand, random_occluder, segment_distance

DRAWN = draw(60, seed=8)
FACE = place(DRAWN.landmarks, 48, 48)
LIGHT = measure(DRAWN.images, FACE)
RANDOM = KeyedRandom(index_keys(60, 0))


def test_distance_to_a_segment_by_hand() -> None:
    x = torch.tensor([[[0.0, 4.0, 7.0, -3.0, 2.0]]])
    y = torch.tensor([[[2.0, -1.0, 4.0, 4.0, 0.0]]])
    zero, four = torch.zeros(1, 1, 1), torch.full((1, 1, 1), 4.0)
    distance = segment_distance(x, y, (zero, zero), (four, zero))
    assert torch.allclose(distance, torch.tensor([[[2.0, 1.0, 5.0, 5.0, 0.0]]]))
    point = segment_distance(x, y, (zero, zero), (zero, zero))
    assert torch.allclose(point, torch.hypot(x, y))


def test_dark_glasses_are_dark_and_cover_both_eyes() -> None:
    (layer,) = glasses(FACE, LIGHT, RANDOM)
    solid = layer.cover == 1
    grey = (layer.grey * solid).flatten(1).sum(1) / solid.flatten(1).sum(1)
    assert (grey < 0.6 * LIGHT.skin.flatten()).all()
    for eye in (range(36, 42), range(42, 48)):
        center = DRAWN.landmarks[:, list(eye)].mean(1).round().long()
        assert solid[torch.arange(60), center[:, 1], center[:, 0]].all()


def test_a_hand_has_the_tone_of_the_skin() -> None:
    (layer,) = hand(FACE, LIGHT, RANDOM)
    solid = layer.cover == 1
    grey = (layer.grey * solid).flatten(1).sum(1) / solid.flatten(1).sum(1)
    ratio = grey / LIGHT.skin.flatten()
    assert 0.75 < ratio.min() < ratio.max() < 1.25
    share = solid.float().mean((1, 2))
    assert share.median() > 0.08
    assert share.max() < 0.6


def test_random_occluders_vary_in_place_size_and_tone() -> None:
    (layer,) = random_occluder(FACE, LIGHT, RANDOM)
    share = layer.cover.mean((1, 2))
    assert share.max() < 0.5
    assert share.max() > 4 * share.clamp_min(0.01).min()
    grey = layer.grey.sum((1, 2)) / layer.cover.sum((1, 2)).clamp_min(1)
    assert grey.std() > 0.1
    anywhere = (layer.cover > 0.5).float().mean(0)
    assert (anywhere[8:, 6:-6] > 0).float().mean() > 0.95
