"""What the ONNX files do is what the torch programs do, bit for bit."""

from __future__ import annotations

import altering_modules
import numpy as np
import pytest
import torch

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.features.masks.wear import wear
from ferturb.features.regions import regions
from ferturb.features.removal import remove
from ferturb.predict.altering import Alterer
from ferturb.predict.landmark_finder import LandmarkFinder

FACES = draw(6, seed=3).images.numpy()
POINTS = LandmarkFinder(1)(FACES).points


@pytest.fixture(scope="module")
def alterer() -> Alterer:
    return Alterer(1)


def test_the_files_know_what_the_program_knows(alterer: Alterer) -> None:
    assert alterer.features == altering_modules.LEAVABLE
    assert alterer.fills == altering_modules.FILLS
    assert alterer.kinds == altering_modules.WORN


@pytest.mark.parametrize("fill", altering_modules.FILLS)
def test_leaving_out_is_what_torch_does(alterer: Alterer, fill: str) -> None:
    names = altering_modules.LEAVABLE
    for face, points in zip(FACES[:3], POINTS[:3], strict=True):
        hulls = regions(torch.from_numpy(points[None]), (48, 48), names)
        hidden = torch.cat([hulls[name] for name in names])
        shown = torch.from_numpy(face / np.float32(255)).expand(len(names), 1, 48, 48)
        filled = (remove(shown, ~hidden, fill)[:, 0] * 255).round().numpy()
        expected = np.where(hidden.numpy(), filled, face)
        found = alterer.left_out(face, points, [(), *((name,) for name in names)], fill)
        assert np.abs(found[1:] - expected).max() <= 1
        assert (found[1:] == expected).mean() > 0.999
        assert (found[0] == face).all()


def test_several_features_leave_the_union_out(alterer: Alterer) -> None:
    face, points = FACES[0], POINTS[0]
    whole = np.full_like(face, 200)
    one, other, both = alterer.left_out(
        whole, points, [("mouth",), ("eyes",), ("mouth", "eyes")], "black"
    )
    assert ((both == 0) == ((one == 0) | (other == 0))).all()
    assert (one == 0).any()
    assert set(np.unique(both)) == {0, 200}
    upper, lower = alterer.left_out(whole, points, [("upper_face",), ("lower_face",)], "black")
    assert ((upper == 0) ^ (lower == 0)).all()
    assert alterer.left_out(face, points, []).shape == (0, 48, 48)


def test_masks_are_those_of_face_masks(alterer: Alterer) -> None:
    for kind in alterer.kinds:
        seed = altering_modules.SEEDS[kind]
        for face, points in zip(FACES[:3], POINTS[:3], strict=True):
            expected = wear(
                torch.from_numpy(face[None]), torch.from_numpy(points[None]), kind, seed
            )
            found = alterer.worn(face, points, kind)
            assert np.abs(found.astype(int) - expected.images[0].numpy().astype(int)).max() <= 1
            assert (found != face).mean() > 0.1


def test_unknown_words_are_one_line(alterer: Alterer) -> None:
    for call in (
        lambda: alterer.left_out(FACES[0], POINTS[0], [("ear",)]),
        lambda: alterer.left_out(FACES[0], POINTS[0], [("mouth",)], "glitter"),
        lambda: alterer.worn(FACES[0], POINTS[0], "veil"),
    ):
        with pytest.raises(FerturbError, match=r"unknown .*; known: "):
            call()
