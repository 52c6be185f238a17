"""Copies of faces with holes: where they are, how large, and what is left alone."""

from __future__ import annotations

import torch

from ferturb.data.drawn.synthetic import draw
from ferturb.features.holes import PARTS, feature_holes, with_holes
from ferturb.features.landmarks import find_landmarks
from ferturb.features.regions import regions

DRAWN = draw(9, seed=3)
POINTS = find_landmarks(DRAWN.images).points


def test_each_feature_goes_and_then_as_many_pixels_elsewhere() -> None:
    copies = with_holes(DRAWN.images, POINTS, PARTS, fill="black")
    found = regions(POINTS, (48, 48), (*PARTS, "face"))
    assert copies.shape == (2 * len(PARTS), 9, 48, 48)
    for k, name in enumerate(PARTS):
        region = found[name]
        assert torch.equal(copies[k], DRAWN.images * ~region)
        elsewhere = copies[len(PARTS) + k]
        hole = elsewhere != DRAWN.images
        assert bool((elsewhere[hole] == 0).all())
        assert not bool((hole & ~found["face"]).any())
        black = (DRAWN.images == 0) & found["face"]  # a hole can't be seen there
        few, area = hole.flatten(1).sum(1), region.flatten(1).sum(1)
        assert bool((few <= area).all())
        assert bool((area - few <= black.flatten(1).sum(1)).all())


def test_the_same_faces_give_the_same_copies_with_the_landmarks_found() -> None:
    assert torch.equal(feature_holes(DRAWN.images), with_holes(DRAWN.images, POINTS, PARTS))
