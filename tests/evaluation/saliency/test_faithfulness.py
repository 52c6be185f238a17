from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import FEATURES_OF_EMOTION
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.evaluation.saliency.faithfulness import (
    BASELINES,
    FEATURES,
    area_under,
    deletion,
    insertion,
    named_feature,
    planted,
    pointed_at,
    ranked,
)
from ferturb.evaluation.saliency.parts import PARTS


class Bright(nn.Module):
    """Happy, the brighter a square of 4×4 pixels is; else neutral."""

    def __init__(self, top: int, left: int) -> None:
        super().__init__()
        self.place = top, left

    def forward(self, x: Tensor) -> Tensor:
        top, left = self.place
        bright = x[:, 0, top : top + 4, left : left + 4].mean((1, 2))
        return 10 * bright[:, None] * torch.eye(7)[3] + 5 * torch.eye(7)[6]


def square(top: int, left: int) -> Tensor:
    found = torch.zeros(2, 16, 16)
    found[:, top : top + 4, left : left + 4] = 1
    return found


FACES = 0.2 + 0.8 * square(8, 4).unsqueeze(1)
HAPPY = torch.tensor([3, 3])


@pytest.mark.parametrize("fill", ["mean", "blur", "black"])
def test_a_true_map_falls_and_rises_before_a_false_one(fill: str) -> None:
    model = Bright(8, 4)
    areas = {}
    for name, guess in {"true": square(8, 4), "false": square(0, 0)}.items():
        order = ranked(
            guess + 0.01 * torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
        )
        down = deletion(model, FACES, HAPPY, order, fill)
        up = insertion(model, FACES, HAPPY, order, fill)
        areas[name] = area_under(down)[0], area_under(up)[0]
    assert areas["true"][0] < areas["false"][0] - 0.2
    assert areas["true"][1] > areas["false"][1] + 0.1


def test_curves_begin_and_end_at_the_face_and_at_nothing() -> None:
    model, order = Bright(8, 4), ranked(square(8, 4))
    whole = model(FACES).softmax(1)[:, 3]
    nothing = model(torch.full((2, 1, 16, 16), 0.5)).softmax(1)[:, 3]
    down, up = (f(model, FACES, HAPPY, order, steps=4) for f in (deletion, insertion))
    torch.testing.assert_close(down[:, 0], whole)
    torch.testing.assert_close(up[:, -1], whole)
    torch.testing.assert_close(down[:, -1], nothing)
    torch.testing.assert_close(up[:, 0], nothing)


def test_without_any_pixel_every_face_gets_the_same() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 7)).train()
    faces, target = torch.rand(5, 1, 16, 16), torch.full((5,), 2)
    end = deletion(model, faces, target, ranked(torch.rand(5, 16, 16)))[:, -1]
    assert end.unique().numel() == 1
    assert model.training


def test_a_curve_by_hand() -> None:
    order = ranked(square(8, 4))
    found = deletion(Bright(8, 4), FACES, HAPPY, order, steps=16)
    # The first sixteenth is the whole square; then the mean of the rest, 0.2, stands in it.
    logits = 10 * 0.2 * torch.eye(7)[3] + 5 * torch.eye(7)[6]
    torch.testing.assert_close(found[0, 1], logits.softmax(0)[3])
    assert area_under(torch.tensor([[1.0, 0.5, 0.0]])).item() == 0.5


def test_pixels_are_ranked_by_saliency_and_ties_by_lot() -> None:
    maps = torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(0))
    order = ranked(maps)
    sorted_ = maps.flatten(1).gather(1, order)
    assert bool((sorted_.diff(dim=1) <= 0).all())
    assert order.sort(1).values.tolist() == [list(range(30))] * 3
    flat = ranked(torch.zeros(2, 6, 5), seed=1)
    assert flat[0].tolist() != list(range(30))
    assert torch.equal(flat, ranked(torch.zeros(2, 6, 5), seed=1))
    assert not torch.equal(flat, ranked(torch.zeros(2, 6, 5), seed=2))


def test_pointing_game_on_a_constructed_map() -> None:
    parts = torch.zeros(2, 8, 8, dtype=torch.int64)
    parts[:, 4:] = PARTS.index("mouth")
    maps = torch.zeros(2, 8, 8)
    maps[0, 6, 3] = 1
    maps[1, 1, 7] = 1
    found = pointed_at(ranked(maps), parts)
    assert [PARTS[i] for i in found.tolist()] == ["mouth", "eyes"]


def test_the_named_feature_has_the_most_mass_for_its_area() -> None:
    share = torch.tensor([[0.1, 0.1, 0.2, 0.1, 0.0, 0.0, 0.0, 0.5]])
    area = torch.tensor([[0.1, 0.0001, 0.1, 0.3, 0.1, 0.1, 0.1, 0.1]])
    # The brows are all but hidden; outside, which has more for its area, is no feature.
    assert PARTS[int(named_feature(share, area))] == "nose"
    assert len(FEATURES) == len(PARTS) - 1


def test_what_is_planted_is_known_for_drawn_faces_alone() -> None:
    faces = synthetic_faces(14)
    truth = planted(faces)
    assert truth is not None
    for emotion, carries in zip(EMOTIONS, truth, strict=True):
        assert {p for p, c in zip(PARTS, carries, strict=True) if c} == set(
            FEATURES_OF_EMOTION[emotion]
        )
    assert planted(replace(faces, kind="fer2013")) is None
    assert planted(replace(faces, info={"left_out": {"feature": "mouth"}})) is None


def test_baselines_know_nothing_of_the_faces() -> None:
    dark, light = torch.zeros(3, 1, 48, 40), torch.ones(3, 1, 48, 40)
    for make in BASELINES.values():
        assert torch.equal(make(dark, 1), make(light, 1))
        assert bool((make(dark, 1) >= 0).all())
    centre = BASELINES["centre"](dark, 0)
    assert divmod(int(centre[0].argmax()), 40)[0] in (23, 24)
    torch.testing.assert_close(centre, centre.flip(1).flip(2))
    assert not torch.equal(BASELINES["random"](dark, 1), BASELINES["random"](dark, 2))
