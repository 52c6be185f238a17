"""Landmarks, regions, removal and face masks at any side, in grey and in colour."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from coloured_faces import coloured_faces
from ferturb.data.faces import Faces
from ferturb.features.holes import feature_holes
from ferturb.features.landmarks import find_landmarks
from ferturb.features.masks.dyes import dyes_of
from ferturb.features.masks.keyed_random import KeyedRandom, index_keys
from ferturb.features.masks.mask_fer import mask_faces
from ferturb.features.masks.wear import KINDS, wear
from ferturb.features.random_regions import control_regions
from ferturb.features.regions import regions
from ferturb.features.removal import FILLS, leave_out, without


@pytest.fixture(scope="module")
def drawn() -> Faces:
    faces: Faces = coloured_faces(14, 144, seed=2)
    return faces


def test_landmarks_are_found_at_48_in_grey_and_given_at_full_size(drawn: Faces) -> None:
    full = find_landmarks(drawn.images)
    grey = find_landmarks(drawn.view(144).images)
    assert torch.equal(full.points, grey.points)
    small = find_landmarks(drawn.view().images)
    apart = (full.points - (small.points * 3 + 1)).norm(dim=2)  # the middle of 3×3 pixels
    assert float(apart.mean()) < 1.0  # a third of a pixel of 48: resized by another filter
    assert set(full.source) == {"network"}


def test_regions_are_drawn_at_full_size(drawn: Faces) -> None:
    points = find_landmarks(drawn.view().images).points
    small, large = regions(points), regions(points * 3 + 1, (144, 144))
    for name, region in large.items():
        share, own = (r.float().mean((1, 2)) for r in (region, small[name]))
        assert torch.allclose(share, own, rtol=0.06, atol=0.004), name
    blocks = torch.nn.functional.avg_pool2d(large["mouth"][:, None].float(), 3)
    edges = (blocks > 0) & (blocks < 1)  # what an enlarged region of 48 would not have
    assert edges.flatten(1).any(1).all()


@pytest.mark.parametrize("fill", sorted(FILLS))
def test_each_channel_is_filled_by_itself(drawn: Faces, fill: str) -> None:
    points = find_landmarks(drawn.images).points
    hidden = regions(points, (144, 144), ("mouth",))["mouth"]
    filled = without(drawn.images, hidden, fill)
    assert filled.shape == drawn.images.shape
    kept = ~hidden[:, None].expand_as(filled)
    assert torch.equal(filled[kept], drawn.images[kept])
    for k in range(3):
        alone = without(drawn.images[:, k], hidden, fill)
        assert int((alone.short() - filled[:, k].short()).abs().max()) <= 1
    if fill != "black":
        assert not torch.equal(filled[:, 0][hidden], filled[:, 2][hidden])


def test_what_is_filled_in_is_as_smooth_at_full_size(drawn: Faces) -> None:
    """Inpainting has come to its end: what it drew solves Laplace's equation to a grey level."""
    points = find_landmarks(drawn.images).points
    hidden = regions(points, (144, 144), ("lower_face",))["lower_face"]
    filled = without(drawn.images, hidden, "inpaint").float()
    laplace = 4 * filled[..., 1:-1, 1:-1]
    laplace = laplace - filled[..., 2:, 1:-1] - filled[..., :-2, 1:-1]
    laplace = laplace - filled[..., 1:-1, 2:] - filled[..., 1:-1, :-2]
    inside = hidden[:, None, 1:-1, 1:-1].expand_as(laplace)
    assert float(laplace[inside].abs().max()) <= 4.0  # five levels, each rounded by a half


def test_a_control_is_as_large_and_the_same_in_grey_and_colour(drawn: Faces) -> None:
    found = regions(find_landmarks(drawn.images).points, (144, 144), ("nose", "face"))
    control = control_regions(found["nose"], found["face"], 3)
    assert torch.equal(control.flatten(1).sum(1), found["nose"].flatten(1).sum(1))
    faces = replace(drawn, images=drawn.images.clamp_min(30))
    coloured = leave_out(faces, "nose", "black", control=True).images == 0
    assert torch.equal(coloured.all(1), coloured.any(1))
    grey = leave_out(faces.view(144), "nose", "black", control=True).images == 0
    assert torch.equal(coloured.all(1), grey)
    assert grey.any()


def test_holes_are_in_all_channels(drawn: Faces) -> None:
    holes = feature_holes(drawn.images[:3])
    assert holes.shape == (14, 3, 3, 144, 144)
    changed = holes != drawn.images[:3]
    assert torch.equal(changed[0, :, 0].any((1, 2)), changed[0, :, 2].any((1, 2)))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_grey_faces_in_three_channels_wear_the_same_as_in_one(drawn: Faces, kind: str) -> None:
    grey = drawn.view(96).select(slice(0, 7))
    in_three, _ = mask_faces(grey.view(96, 3), kind, 3)
    alone, _ = mask_faces(grey, kind, 3)
    assert torch.equal(in_three.images, alone.images[:, None].expand(-1, 3, -1, -1))


def test_masks_are_dyed_on_coloured_faces_and_white_stays_white(drawn: Faces) -> None:
    points = find_landmarks(drawn.images).points
    worn = {kind: wear(drawn.images, points, kind, 1) for kind in ("surgical", "n95")}
    for kind, found in worn.items():
        assert found.kept.shape == (14, 144, 144)
        covered = ~found.kept
        assert torch.equal(found.kept, wear(drawn.view(144).images, points, kind, 1).kept)
        red, _, blue = (found.images[:, k].float() for k in range(3))
        skin_red, _, skin_blue = (drawn.images[:, k].float() for k in range(3))
        for i in range(14):
            tint = float((blue[i] - red[i])[covered[i]].mean())
            skin = float((skin_blue[i] - skin_red[i])[covered[i]].mean())
            assert skin < -10  # the faces are
            assert tint > 5 if kind == "surgical" else abs(tint) < 12, (kind, i, tint)


def test_dyes_are_shares_that_follow_from_the_face_alone(drawn: Faces) -> None:
    keys = index_keys(14, 5)
    dyes = torch.cat(dyes_of("cloth", drawn.images, KeyedRandom(keys)), 1)[:, :, 0]
    assert float(dyes.min()) >= 0.25 - 1e-5
    assert torch.allclose(dyes.amax(1), torch.ones(14))
    some = torch.cat(dyes_of("cloth", drawn.images[4:6], KeyedRandom(keys[4:6])), 1)[:, :, 0]
    assert torch.equal(some, dyes[4:6])
    assert dyes_of("n95", drawn.images, KeyedRandom(keys)) == (1.0, 1.0, 1.0)


def test_a_masks_edge_is_smooth_and_its_place_the_same_at_any_side(drawn: Faces) -> None:
    points = find_landmarks(drawn.images).points
    large = wear(drawn.view(144).images, points, "n95", 1)
    small = wear(drawn.view().images, (points - 1) / 3, "n95", 1)
    shrunk = torch.nn.functional.avg_pool2d(large.kept[:, None].float(), 3)[:, 0] > 0.5
    both = (~shrunk & ~small.kept).flatten(1).sum(1) / (~shrunk | ~small.kept).flatten(1).sum(1)
    assert float(both.min()) > 0.9
    flat = torch.full((14, 144, 144), 60, dtype=torch.uint8)  # skin, mask, and levels between
    levels = wear(flat, points, "n95", 1).images
    assert all(len(face.unique()) > 20 for face in levels)
