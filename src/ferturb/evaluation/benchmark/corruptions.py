"""What is done to whole pictures: blur, noise, light, low resolution, rotation, crop error.

Each takes faces in [0, 1] and the random numbers of each face, and gives faces of the same size in
[0, 1]. Lengths are shares of the face's side, so that an amount means the same at 48 and at 224
pixels. The kinds are those of common corruptions (Hendrycks and Dietterich, ICLR 2019) that
cameras and face detectors make, at amounts chosen on PublicTest so that people still see the
expression.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ferturb.features.masks.keyed_random import KeyedRandom

Corruption = Callable[[Float[Tensor, "n h w"], KeyedRandom], Float[Tensor, "n h w"]]

BLUR = 0.02
"""Standard deviation of the Gaussian: 1 pixel of 48."""
NOISE = 0.05
"""Standard deviation of each pixel's normal noise, in shares of white."""
GAMMA = 2.0
"""The exponent of the brightness: half of the faces get darker by it, half brighter."""
COARSE = 1 / 2
"""The share of the pixels a side that is kept: 24 of 48."""
TURN = 20.0
"""Degrees, to the left or to the right."""
SHIFT, ZOOM = 0.10, 0.15
"""How far off its centre the crop is, in any direction, and how much too large or too small."""

_PURPOSE = 71
"""Tells these random numbers from those of what is worn."""


def blur(faces: Float[Tensor, "n h w"], random: KeyedRandom) -> Float[Tensor, "n h w"]:
    """A Gaussian; beyond the rim the last pixel goes on."""
    width = faces.shape[2]
    reach = math.ceil(3 * BLUR * width)
    offsets = torch.arange(-reach, reach + 1).float()
    kernel = torch.exp(-(offsets / (BLUR * width)).square() / 2)
    kernel = (kernel / kernel.sum()).to(faces)
    x = F.pad(faces[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def noise(faces: Float[Tensor, "n h w"], random: KeyedRandom) -> Float[Tensor, "n h w"]:
    """Noise of its own for every pixel."""
    h, w = faces.shape[1:]
    return faces + NOISE * random.noise(h, w, _PURPOSE).to(faces)


def light(faces: Float[Tensor, "n h w"], random: KeyedRandom) -> Float[Tensor, "n h w"]:
    """Too dark or too bright."""
    dark = _sign(random) > 0
    return faces.clamp(0, 1) ** torch.where(dark, GAMMA, 1 / GAMMA).to(faces)


def low_resolution(faces: Float[Tensor, "n h w"], random: KeyedRandom) -> Float[Tensor, "n h w"]:
    """As if taken from afar: fewer pixels, each a mean around its place."""
    h, w = faces.shape[1:]
    few = F.interpolate(
        faces[:, None], (round(h * COARSE), round(w * COARSE)), mode="bilinear", antialias=True
    )
    return F.interpolate(few, (h, w), mode="bilinear", align_corners=False)[:, 0]


def rotation(faces: Float[Tensor, "n h w"], random: KeyedRandom) -> Float[Tensor, "n h w"]:
    """The head tilted."""
    turn = math.radians(TURN) * _sign(random).flatten()
    cos, sin, zero = turn.cos(), turn.sin(), torch.zeros_like(turn)
    return _moved(faces, torch.stack([cos, -sin, zero, sin, cos, zero], 1))


def crop_error(faces: Float[Tensor, "n h w"], random: KeyedRandom) -> Float[Tensor, "n h w"]:
    """A face detector's box that is off its place and of the wrong size."""
    way = 2 * math.pi * _draw(random, "way").flatten()
    size = (1 + ZOOM) ** _sign(random).flatten()
    zero = torch.zeros_like(way)
    across, down = (2 * SHIFT * part for part in (way.cos(), way.sin()))
    return _moved(faces, torch.stack([size, zero, across, zero, size, down], 1))


CORRUPTIONS: dict[str, Corruption] = {
    "blur": blur,
    "noise": noise,
    "light": light,
    "low resolution": low_resolution,
    "rotation": rotation,
    "crop error": crop_error,
}
"""Name -> what it does."""


def _draw(random: KeyedRandom, name: str) -> Float[Tensor, "n 1 1"]:
    """A number from 0 to 1 for each face; every name has its own."""
    both = random.uniform({"sign": (0.0, 1.0), "way": (0.0, 1.0)}, _PURPOSE)
    return both[name]


def _sign(random: KeyedRandom) -> Float[Tensor, "n 1 1"]:
    """1 for half of the faces, −1 for the others."""
    return torch.where(_draw(random, "sign") < 0.5, -1.0, 1.0)


def _moved(faces: Float[Tensor, "n h w"], where: Float[Tensor, "n 6"]) -> Float[Tensor, "n h w"]:
    """Each pixel taken from where an affine map says; beyond the rim the last pixel goes on."""
    x = faces[:, None]
    grid = F.affine_grid(where.view(-1, 2, 3).to(x), list(x.shape), align_corners=False)
    moved = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return moved[:, 0]
