from __future__ import annotations

import pytest
import torch

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.evaluation.benchmark.protocol import BY_KEY, CONDITIONS, FEATURES, SEVERITIES, WORN
from ferturb.evaluation.benchmark.showing import Shown
from ferturb.features.landmarks import Landmarks, find_landmarks
from ferturb.features.regions import regions

N = 6


@pytest.fixture(scope="module")
def shown() -> Shown:
    images = draw(N, seed=3, size=48).images
    return Shown(images, find_landmarks(images))


@pytest.mark.parametrize("feature", FEATURES)
def test_severities_are_shares_of_the_face_around_the_feature(shown: Shown, feature: str) -> None:
    found = regions(shown.points, (48, 48), (feature, "face"))
    own, face = found[feature].flatten(1), found["face"].flatten(1)
    before = torch.zeros_like(own)
    for level, share in enumerate(SEVERITIES, 1):
        gone = shown.left_out(feature, level).flatten(1)
        assert torch.equal(gone.sum(1), (face.sum(1) * share).round().long())
        assert not bool((before & ~gone).any())  # a larger area holds the smaller one
        assert not bool((gone & ~face).any())
        for i in range(N):  # the feature goes before anything else of the face
            inside = int((gone[i] & own[i]).sum())
            assert inside == min(int(gone[i].sum()), int(own[i].sum()))
        before = gone


def test_what_is_kept_stays_as_it_was(shown: Shown) -> None:
    for key, gone in (("mouth 2", shown.left_out("mouth", 2)), ("eyes 3", None)):
        gone = shown.left_out("eyes", 3) if gone is None else gone
        changed = shown.under(BY_KEY[key]) != shown.images
        assert not bool((changed & ~gone).any())
        assert bool(changed.any())


def test_controls_have_the_areas_of_what_they_stand_beside(shown: Shown) -> None:
    images = 3 * torch.arange(48 * 48).view(1, 48, 48).expand(N, 48, 48) % 251
    other = Shown(images.to(torch.uint8), Landmarks(shown.points, torch.ones(N), ("network",) * N))
    for level in (1, 2, 3):
        changed = (other.under(BY_KEY[f"random {level}"]) != other.images).flatten(1).sum(1)
        assert bool(((changed - other.area(level)).abs() <= 5).all())  # some are the mean already
    for what, kind in WORN.items():
        hidden = (~other._worn(kind).kept).flatten(1).sum(1)
        changed = (other.under(BY_KEY[f"random as {what}"]) != other.images).flatten(1).sum(1)
        assert bool(((changed - hidden).abs() <= 0.02 * hidden + 3).all())


def test_a_face_is_shown_alike_in_any_selection_and_order(shown: Shown) -> None:
    some = torch.tensor([4, 1])
    marks = Landmarks(shown.points[some], torch.ones(2), ("network", "network"))
    alone = Shown(shown.images[some], marks)
    for condition in CONDITIONS:
        assert torch.equal(alone.under(condition), shown.under(condition)[some]), condition.key


def test_other_sides_are_shown_as_well() -> None:
    images = draw(2, seed=3, size=96).images
    larger = Shown(images, find_landmarks(images))
    assert larger.left_out("nose", 3).sum() > 3 * 200
    assert all(larger.under(c).shape == (2, 96, 96) for c in CONDITIONS)


def test_colours_are_left_out_and_corrupted_alike(shown: Shown) -> None:
    marks = Landmarks(shown.points, torch.ones(N), ("network",) * N)
    coloured = Shown(shown.images[:, None].expand(-1, 3, -1, -1).contiguous(), marks)
    coloured.keys = shown.keys  # which are of all bytes, so other ones in colour
    for condition in CONDITIONS:
        found = coloured.under(condition)
        assert found.shape == (N, 3, 48, 48)
        if condition.family == "worn":
            assert not torch.equal(found, coloured.images)
            continue
        for channel in found.unbind(1):
            assert torch.equal(channel, shown.under(condition)), condition.key


def test_landmarks_of_other_faces_are_refused(shown: Shown) -> None:
    with pytest.raises(FerturbError, match="needs faces with landmarks each"):
        Shown(shown.images[:2], Landmarks(shown.points, torch.ones(N), ("network",) * N))
