"""Random changes of training faces, as batched tensor code.

Every function takes uint8 or float faces of a whole batch and an explicit generator; an option
at zero leaves the faces bit for bit as they are. Random erasing follows Zhong et al., "Random
Erasing Data Augmentation", AAAI 2020 (aspect 0.3–3.3, filled with uniform noise; area 2–20 % of
the face, where they have 2–40 %).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.config import AugmentConfig
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_input
from ferturb.models.device import sent
from ferturb.models.test_time import five_crops


def augment(
    images: UInt8[Tensor, "b *c h w"],
    config: AugmentConfig,
    generator: torch.Generator,
    size: int | None = None,
) -> Float[Tensor, "v c s t"]:
    """Faces as the network sees them in one step: float in [0, 1], (b, channels, size, size).

    Flip, affine and resize are one bilinear resampling; then brightness and contrast; then
    erasing. `size` None keeps the side. Five crops are (5·b, channels, crop, crop), those of a face
    together.
    """
    return augment_with_maps(images, None, config, generator, size)[0]


def augment_with_maps(
    images: UInt8[Tensor, "b *c h w"],
    maps: UInt8[Tensor, "b h w"] | None,
    config: AugmentConfig,
    generator: torch.Generator,
    size: int | None = None,
) -> tuple[Float[Tensor, "v c s t"], Int64[Tensor, "v s t"] | None]:
    """`augment`, and labels of pixels (cluster maps) that move with their faces.

    The faces are the same bits with maps and without. Labels take the nearest pixel's.
    """
    faces = as_input(images)
    labels = None if maps is None else maps.unsqueeze(1).float()
    if config.crop is not None and config.crops == "random":
        again = same_draws(generator)
        faces = random_crop(faces, config.crop, generator)
        labels = None if labels is None else random_crop(labels, config.crop, again)
    light_first = config.outside == "black"
    if light_first:
        faces = random_light(faces, config, generator)
    again = same_draws(generator)
    faces = random_affine(faces, config, generator, size)
    if labels is not None:
        labels = random_affine(labels, config, again, size, nearest=True)
    if not light_first:
        faces = random_light(faces, config, generator)
    if config.crop is not None and config.crops == "five":
        side = _fitting(config.crop, faces)
        faces = torch.stack(five_crops(faces, side, side), 1).flatten(0, 1)
        if labels is not None:
            labels = torch.stack(five_crops(labels, side, side), 1).flatten(0, 1)
    faces = random_erase(faces, config, generator)
    return faces, None if labels is None else labels[:, 0].round().long()


def same_draws(generator: torch.Generator) -> torch.Generator:
    """Another generator that draws what this one will."""
    twin = torch.Generator()
    twin.set_state(generator.get_state())
    return twin


def random_crop(
    faces: Float[Tensor, "b c h w"], side: int, generator: torch.Generator
) -> Float[Tensor, "b c s s"]:
    """A square of `side` pixels from a random place of each face."""
    b, _, h, w = faces.shape
    _fitting(side, faces)
    rows = torch.randint(h - side + 1, (b, 1), generator=generator) + torch.arange(side)
    columns = torch.randint(w - side + 1, (b, 1), generator=generator) + torch.arange(side)
    batch = torch.arange(b)[:, None, None]
    place = (batch, rows[:, :, None], columns[:, None, :])
    cut = faces.movedim(1, -1)[tuple(sent(p, faces.device) for p in place)]
    return cut.movedim(-1, 1).contiguous()


def _fitting(side: int, faces: Float[Tensor, "b c h w"]) -> int:
    """A crop's side, if it fits into the faces."""
    h, w = faces.shape[2:]
    if not 1 <= side <= min(h, w):
        raise FerturbError(
            f"a crop must be 1 to {min(h, w)} pixels of faces of {h}×{w}, got {side}; "
            "change augment.crop in the recipe"
        )
    return side


def random_affine(
    faces: Float[Tensor, "b c h w"],
    config: AugmentConfig,
    generator: torch.Generator,
    size: int | None = None,
    nearest: bool = False,
) -> Float[Tensor, "b c s t"]:
    """A random cut of each face, its flip, rotation, zoom, shift and shear, and the change to
    `size`.

    Bilinear, or for labels (which are reflected in any case) the nearest pixel.
    """
    b, _, h, w = faces.shape
    target = (h, w) if size is None else (size, size)
    flips = torch.rand(b, generator=generator) < config.flip
    if config.flip_vertical:
        upside = torch.rand(b, generator=generator) < config.flip_vertical
        faces = torch.where(_each(upside, faces.device), faces.flip(-2), faces)
    if not (config.rotate or config.scale or config.shift or config.shear or config.cut):
        faces = torch.where(_each(flips, faces.device), faces.flip(-1), faces)
        if target == (h, w):
            return faces
        if nearest:
            return F.interpolate(faces, target, mode="nearest-exact")
        return F.interpolate(faces, target, mode="bilinear", antialias=True, align_corners=False)
    matrix = sent(_affine_matrices(b, config, flips, generator), faces.device)
    grid = F.affine_grid(matrix, [b, 1, *target], align_corners=False)
    mode = "nearest" if nearest else "bilinear"
    beyond = (grid.abs() > 1).any(-1).unsqueeze(1)
    if config.cut is not None:
        middle, half = (
            sent(x[:, None, None], grid.device) for x in random_cuts(b, config.cut, generator)
        )
        grid = middle + half * grid
    moved = F.grid_sample(faces, grid, mode=mode, padding_mode="reflection", align_corners=False)
    black = config.outside == "black" and not nearest
    return moved.masked_fill(beyond, 0.0) if black else moved


def _each(drawn: Bool[Tensor, " b"], device: torch.device) -> Bool[Tensor, "b 1 1 1"]:
    return sent(drawn[:, None, None, None], device)


def random_cuts(
    b: int, area: tuple[float, float], generator: torch.Generator
) -> tuple[Float[Tensor, "b 2"], Float[Tensor, "b 2"]]:
    """Middle and half sides (x, y; the face is −1 … 1) of a random cut of each of b square faces.

    As torchvision's RandomResizedCrop: ten tries at an area from `area` and an aspect from 3/4 to
    4/3 (their logarithm uniform) that fit into the face; if none does, the whole face.
    """
    u = torch.rand(4, b, 10, generator=generator)
    share = area[0] + (area[1] - area[0]) * u[0]
    aspect = torch.exp(math.log(4 / 3) * (2 * u[1] - 1))
    tries = torch.stack([(share * aspect).sqrt(), (share / aspect).sqrt()], -1)
    fits = (tries <= 1).all(-1)
    first = fits.int().argmax(1)
    half = tries[torch.arange(b), first]
    half = torch.where(fits.any(1)[:, None], half, 1.0)
    place = torch.stack([u[2, :, 0], u[3, :, 0]], -1) * 2 - 1
    return place * (1 - half), half


def _affine_matrices(
    b: int, config: AugmentConfig, flips: Bool[Tensor, " b"], generator: torch.Generator
) -> Float[Tensor, "b 2 3"]:
    """Output to input coordinates (both −1 … 1), as `torch.nn.functional.affine_grid` wants."""

    def uniform(limit: float) -> Tensor:
        return (torch.rand(b, generator=generator) * 2 - 1) * limit

    angle = uniform(math.radians(config.rotate)) * _sometimes(b, config.chance, generator)
    zoom = torch.exp(uniform(math.log1p(config.scale)))
    shear = uniform(config.shear)
    shift_x, shift_y = uniform(2 * config.shift), uniform(2 * config.shift)
    shifted = _sometimes(b, config.chance, generator)
    shift_x, shift_y = shift_x * shifted, shift_y * shifted
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    mirror = torch.where(flips, -1.0, 1.0)
    row_x = torch.stack([cos * mirror, -sin + shear * cos, shift_x], dim=1)
    row_y = torch.stack([sin * mirror, cos + shear * sin, shift_y], dim=1)
    return torch.stack([row_x, row_y], dim=1)


def _sometimes(b: int, chance: float, generator: torch.Generator) -> Float[Tensor, " b"]:
    """1 with a probability of `chance`, else 0; nothing is drawn where it is sure."""
    if chance == 1:
        return torch.ones(b)
    return (torch.rand(b, generator=generator) < chance).float()


def random_light(
    faces: Float[Tensor, "b c h w"], config: AugmentConfig, generator: torch.Generator
) -> Float[Tensor, "b c h w"]:
    """gain · face, then contrast · (face − mean) + mean + brightness; clamped to [0, 1]."""
    if not (config.brightness or config.contrast or config.gain):
        return faces
    b = faces.shape[0]
    some = _sometimes(b, config.chance, generator).view(b, 1, 1, 1)
    draws = (torch.rand(2, b, 1, 1, 1, generator=generator) * 2 - 1) * some
    contrast, offset = (1 + config.contrast * draws[0], config.brightness * draws[1])
    contrast, offset = sent(contrast, faces.device), sent(offset, faces.device)
    if config.gain:
        gain = 1 + config.gain * (torch.rand(b, 1, 1, 1, generator=generator) * 2 - 1) * some
        faces = (faces * sent(gain, faces.device)).clamp(0, 1)
    mean = faces.mean((1, 2, 3), keepdim=True)
    return ((faces - mean) * contrast + mean + offset).clamp_(0, 1)


def random_erase(
    faces: Float[Tensor, "b c h w"], config: AugmentConfig, generator: torch.Generator
) -> Float[Tensor, "b c h w"]:
    """One rectangle of uniform noise, or black, in each face, with the config's probability."""
    if not config.erase:
        return faces
    b, _, h, w = faces.shape
    chosen = torch.rand(b, generator=generator) < config.erase
    keep = ~(random_rectangles(b, h, w, generator, config.erased) & chosen[:, None, None])
    if config.erase_fill == "black":
        return faces * sent(keep[:, None], faces.device)
    noise = torch.rand(b, 1, h, w, generator=generator)
    kept, noise = sent(keep[:, None], faces.device), sent(noise, faces.device)
    return torch.where(kept, faces, noise)


def random_rectangles(
    b: int,
    h: int,
    w: int,
    generator: torch.Generator,
    area: tuple[float, float] = (0.02, 0.2),
    aspect: tuple[float, float] = (0.3, 3.3),
) -> Bool[Tensor, "b h w"]:
    """True inside one random rectangle per face; sides never exceed the face's."""
    u = torch.rand(4, b, generator=generator)
    pixels = (area[0] + (area[1] - area[0]) * u[0]) * h * w
    ratio = torch.exp(math.log(aspect[0]) + (math.log(aspect[1]) - math.log(aspect[0])) * u[1])
    height = (pixels * ratio).sqrt().round().clamp(1, h)
    width = (pixels / ratio).sqrt().round().clamp(1, w)
    top = (u[2] * (h - height + 1)).floor()
    left = (u[3] * (w - width + 1)).floor()
    rows, columns = torch.arange(h), torch.arange(w)
    in_rows = (rows >= top[:, None]) & (rows < (top + height)[:, None])
    in_columns = (columns >= left[:, None]) & (columns < (left + width)[:, None])
    return in_rows[:, :, None] & in_columns[:, None, :]
