"""Random regions of a given area: the control beside every facial feature.

Features differ in area, and leaving more pixels out hurts more, whatever they show. So each
feature is compared with a random region of the same number of pixels in the same face: one
connected blob with a smooth outline, round or long, anywhere in the face.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.features.masks.keyed_random import draw_uniform

_WAVES = 3
_WAVINESS = 0.18
_LONGEST = 3.0
_DRAWS = 2 + 2 * _WAVES


def random_regions(
    area: Int64[Tensor, " n"],
    size: tuple[int, int] = (48, 48),
    seed: int = 0,
    within: Bool[Tensor, "n h w"] | None = None,
    keys: Int64[Tensor, " n"] | None = None,
) -> Bool[Tensor, "n h w"]:
    """One random region a face, True on exactly `area` pixels of it.

    Each is star-shaped about a centre drawn at random from `within` (None: the image), an ellipse
    up to three times as long as wide whose outline is wavy; pixels are taken from the centre
    outwards, those in `within` first. Connected where `within` is convex and large enough. The
    same seed gives the same regions; with `keys`, one a face, a face's region follows from its own
    key and the seed alone, whatever faces it comes with.
    """
    h, w = size
    if len(area) and not 0 <= int(area.min()) <= int(area.max()) <= h * w:
        raise FerturbError(
            f"a region of a face of {h}×{w} has 0 to {h * w} pixels, got areas from "
            f"{int(area.min())} to {int(area.max())}"
        )
    n = len(area)
    allowed = torch.ones(n, h * w, dtype=torch.bool) if within is None else within.flatten(1).cpu()
    if keys is None:
        generator = torch.Generator().manual_seed(seed)
        # One allowed pixel of each face, uniformly; any pixel where none is allowed.
        index = (torch.rand(allowed.shape, generator=generator) + allowed).argmax(1)
        draws = torch.rand(n, _DRAWS, 1, generator=generator).double()
    else:
        index, draws = _of_keys(keys.cpu(), seed, allowed)
    centres = torch.stack([index % w, index // w], 1).double()
    rank = _from_centre_outwards(centres, size, draws)
    rank = rank + (~allowed).double() * 1e6
    return _lowest(rank, area.cpu()).view(n, h, w).to(area.device)


def control_regions(
    region: Bool[Tensor, "n h w"],
    face: Bool[Tensor, "n h w"],
    seed: int = 0,
    keys: Int64[Tensor, " n"] | None = None,
) -> Bool[Tensor, "n h w"]:
    """A random region in the place of each region: as many pixels in the face, as many beside it.

    `face` are the faces' own pixels (feature ``face``). Halves of the image hold background,
    which says nothing: a control of the same area within the face alone would hide more of it.
    """
    size = (region.shape[1], region.shape[2])
    inside, beside = (part.flatten(1).sum(1) for part in (region & face, region & ~face))
    found = random_regions(inside, size, seed, face, keys)
    if bool(beside.any()):
        found = found | random_regions(beside, size, seed + 1, ~face, keys)
    return found


def _lowest(rank: Float[Tensor, "n hw"], count: Int64[Tensor, " n"]) -> Bool[Tensor, "n hw"]:
    """True for so many of the lowest ranks of each row; of equal ones for the first."""
    found = np.zeros(rank.shape, bool)
    for row, k, taken in zip(rank.numpy(), count.tolist(), found, strict=True):
        if k:
            last = np.partition(row, k - 1)[k - 1]
            np.less(row, last, out=taken)
            taken[np.flatnonzero(row == last)[: k - np.count_nonzero(taken)]] = True
    return torch.from_numpy(found)


def _of_keys(
    keys: Int64[Tensor, " n"], seed: int, allowed: Bool[Tensor, "n hw"]
) -> tuple[Int64[Tensor, " n"], Float[Tensor, "n d 1"]]:
    """The pixel that each face's region begins at, and the numbers that shape it."""
    names = {str(i): (0.0, 1.0) for i in range(1 + _DRAWS)}
    draws = torch.cat(list(draw_uniform(keys, names, purpose=seed).values()), 1).double()
    open_to = torch.where(allowed.any(1, keepdim=True), allowed, True)
    wanted = (draws[:, 0] * open_to.sum(1, keepdim=True)).floor()
    index = ((open_to.cumsum(1) == wanted + 1) & open_to).int().argmax(1)
    return index, draws[:, 1:]


def _from_centre_outwards(
    centres: Float[Tensor, "n 2"], size: tuple[int, int], draws: Float[Tensor, "n d 1"]
) -> Float[Tensor, "n hw"]:
    """Distance of each pixel from its face's centre, over the blob's radius in that direction."""
    rows, columns = torch.meshgrid(*(torch.arange(s).double() for s in size), indexing="ij")
    dx = columns.flatten()[None] - centres[:, :1]
    dy = rows.flatten()[None] - centres[:, 1:]
    turn, stretch = math.pi * draws[:, 0], torch.exp(math.log(_LONGEST) * draws[:, 1])
    u = (turn.cos() * dx + turn.sin() * dy) / stretch.sqrt()
    v = (turn.cos() * dy - turn.sin() * dx) * stretch.sqrt()
    angle = torch.atan2(v, u)
    radius = torch.ones_like(angle)
    for k in range(_WAVES):
        height, phase = draws[:, 2 + 2 * k], draws[:, 3 + 2 * k]
        wave = torch.sin((k + 1) * angle + 2 * math.pi * phase)
        radius = radius + _WAVINESS * height / math.sqrt(k + 1) * wave
    return torch.hypot(u, v) / radius
