from __future__ import annotations

from dataclasses import replace

import torch

from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import ACTION_UNITS, FEATURES_OF_UNIT, PROTOTYPES
from ferturb.data.drawn.synthetic import draw, draw_with
from research.planted import (
    carrying_regions,
    changed_pixels,
    mass_on,
    without_its_units,
)

DRAWN = draw(21, seed=4)


def test_the_units_of_the_emotion_are_gone_and_stray_ones_stay() -> None:
    left = without_its_units(DRAWN)
    for row, before, label in zip(left, DRAWN.action_units, DRAWN.labels.tolist(), strict=True):
        for i, unit in enumerate(FEATURES_OF_UNIT):
            own = unit in PROTOTYPES[EMOTIONS[label]]
            assert float(row[i]) == (0.0 if own else float(before[i])), ACTION_UNITS[i]


def test_pixels_change_in_the_carrying_regions_alone() -> None:
    changed = changed_pixels(DRAWN, seed=4)
    inside = carrying_regions(DRAWN)
    neutral = DRAWN.labels == EMOTIONS.index("neutral")
    assert not changed[neutral].any()
    assert not inside[neutral].any()
    assert bool((changed[~neutral].flatten(1).sum(1) > 0).all())
    # A unit changes no pixel outside its features' regions, before or after
    # (ferturb.data.drawn.synthetic).
    other = draw_with(without_its_units(DRAWN), seed=4, with_camera=False)
    inside |= carrying_regions(replace(other, labels=DRAWN.labels))
    assert float((changed * ~inside).sum() / changed.sum()) < 0.005
    assert float(changed.max()) <= 1
    assert float(changed[changed > 0].min()) >= 4 / 255


def test_mass_is_counted_on_the_pixels_given() -> None:
    maps = torch.tensor([[[0.5, 0.25], [0.25, 0.0]]])
    pixels = torch.tensor([[[True, False], [True, True]]])
    assert mass_on(maps, pixels).tolist() == [0.75]
