"""Where a drawn face shows its emotion: known, since its author planted it.

Two answers. *Regions*: the facial features whose action units belong to the emotion, at their
whole area (`FEATURES_OF_EMOTION` of `ferturb.data.drawn.action_units`). *Pixels*: what the
emotion's action units change in this face, that is the difference between it and the same person
in the same pose and light without them. The second is sharper: a region has pixels that no unit
moved.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import FEATURES_OF_EMOTION, FEATURES_OF_UNIT, PROTOTYPES
from ferturb.data.drawn.synthetic import SyntheticFaces, draw_with

LEAST = 4 / 255
"""A smaller change, as a share of white, is none."""


def without_its_units(drawn: SyntheticFaces) -> Float32[Tensor, "n u"]:
    """The faces' action units without those of their emotion; stray units stay."""
    own = torch.tensor([[unit in PROTOTYPES[e] for unit in FEATURES_OF_UNIT] for e in EMOTIONS])
    return torch.where(own[drawn.labels], 0.0, drawn.action_units)


def changed_pixels(
    drawn: SyntheticFaces, seed: int, least: float = LEAST
) -> Float32[Tensor, "n h w"]:
    """How much each face's emotion changes each pixel, as a share of white; 0 below `least`.

    `drawn` is `draw(n, seed)`. Measured before the camera's blur and noise. A neutral face is 0
    everywhere.
    """
    size = drawn.images.shape[1]
    with_units, without = (
        draw_with(units, seed, size, with_camera=False).images.float()
        for units in (drawn.action_units, without_its_units(drawn))
    )
    change = (with_units - without).abs() / 255
    return torch.where(change >= least, change, 0.0)


def carrying_regions(drawn: SyntheticFaces) -> Bool[Tensor, "n h w"]:
    """The pixels of the facial features that carry each face's emotion; none of a neutral one."""
    found = torch.zeros(drawn.images.shape, dtype=torch.bool)
    for label, emotion in enumerate(EMOTIONS):
        who = drawn.labels == label
        for feature in FEATURES_OF_EMOTION[emotion]:
            found[who] |= drawn.regions[feature][who]
    return found


def mass_on(maps: Float[Tensor, "n h w"], pixels: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The share of each map's sum on some pixels, 0 … 1; maps add up to one each."""
    return (maps.double() * pixels).sum((1, 2))
