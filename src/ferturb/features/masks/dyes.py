"""The colours of what is worn, on faces that have any.

A dye says how much of the light cloth reflects in red, green and blue, relative to its albedo: 1 in
the channel it reflects most. Hue and strength are drawn for each face from ranges of the kind.
Things that are white, black or skin are not dyed, nor is anything on a grey face in three channels,
so that it wears the same as in one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import UInt8
from torch import Tensor

from ferturb.features.masks.frame import Scalar
from ferturb.features.masks.keyed_random import KeyedRandom

DYES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "surgical": {"hue": (0.46, 0.62), "strength": (0.08, 0.42)},
    "cloth": {"hue": (0.0, 1.0), "strength": (0.0, 0.75)},
    "random": {"hue": (0.0, 1.0), "strength": (0.0, 0.7)},
}
"""Kind -> hue (0 red, 1/3 green, 2/3 blue) and strength (0 white … 1 pure)."""


def dyes_of(
    kind: str, images: UInt8[Tensor, "n *c h w"], random: KeyedRandom
) -> tuple[Scalar | float, ...]:
    """The dye of each face in red, green and blue: (n, 1, 1) each, or 1.0 where nothing is dyed."""
    if images.ndim == 3 or kind not in DYES:
        return (1.0, 1.0, 1.0)
    draws = random.uniform(DYES[kind], 6)
    coloured = (images.amax(1) != images.amin(1)).flatten(1).any(1).view(-1, 1, 1)
    strength = torch.where(coloured, draws["strength"], 0.0)
    tones = [0.5 + 0.5 * torch.cos(2 * math.pi * (draws["hue"] - k / 3)) for k in range(3)]
    most = torch.maximum(torch.maximum(tones[0], tones[1]), tones[2])
    return tuple(1 - strength * (1 - tone / most) for tone in tones)
