"""Few points that stand for many, on which the starts of K-means are told apart.

Of points in any order a *sample*: every so many-th of them, evenly apart.

Of the pixels of a picture *halved blocks*: each square block of pixels becomes two weighted points,
one of its pixels above the picture's mean intensity and one of the others. Where intensity is
smooth but for jumps (attention below its threshold counts as 0), this keeps nearly all of what
tells good clusters from bad ones; plain block means would blur the jumps, and so prefer other
clusters. 32 halved blocks choose better than a sample of 110 pixels.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ferturb.perturb.kmeans.lloyd import Weighted, weighted

ALIGNED = 16
"""Products of rows that are a multiple of this long are faster."""
FINE, COARSE = 64, 16
"""Blocks of a picture, about; more for many clusters."""


def size_for(size: int, k: int) -> int:
    """How many points a sample has: some for each cluster."""
    return max(size, 16 * k)


@cache
def stride_of(n: int, size: int) -> int:
    """Every how many-th of n points to take for an even sample of about `size`.

    Chosen as if the points were the pixels of a square picture, row by row: of the strides
    about a sixth around n/size, the one whose pixels lie farthest apart for their number. A stride
    that divides the width, say, would take few columns, and all pixels of them.
    """
    width = max(1, round(math.sqrt(n)))

    def evenness(stride: int) -> float:
        offsets = ((row, -width * row % stride) for row in range(1, stride))
        squared = (row**2 + min(column, stride - column) ** 2 for row, column in offsets)
        return min(stride**2, *squared) / stride if stride > 1 else 1.0

    nearest = max(1, round(n / size))
    off = max(nearest // 6, int(nearest > 2))
    return max(range(nearest - off, nearest + off + 1), key=evenness)


def count_of(n: int, size: int) -> int:
    """How many points the sample of `sample` has, without what `aligned` adds."""
    stride = stride_of(n, size)
    return len(range(stride // 2, n, stride))


def sample(columns: Float[Tensor, "b d1 n"], size: int) -> Weighted:
    """About `size` of the points, evenly apart."""
    stride = stride_of(columns.shape[2], size)
    return weighted(columns[:, :, stride // 2 :: stride].contiguous())


def aligned(points: Weighted) -> Weighted:
    """The same with columns of zeros, which count for nothing, not even as a point."""
    padding = (0, -points.columns.shape[2] % ALIGNED)
    return weighted(F.pad(points.columns, padding))


def block_side(picture: tuple[int, int], k: int) -> int:
    """How many pixels high and wide the fine blocks are."""
    return max(1, round(math.sqrt(picture[0] * picture[1] / max(FINE, 8 * k))))


def halved_blocks(
    columns: Float[Tensor, "b d1 n"], picture: tuple[int, int], k: int, scratch: Tensor
) -> tuple[Weighted, Weighted]:
    """Coarse and fine halved blocks of pixels whose last coordinate is intensity.

    The two halves of a fine block both lie in its middle. Where a picture's sides aren't multiples
    of the block's, the last blocks are smaller.
    """
    b, d = len(columns), columns.shape[1] - 1
    side = block_side(picture, k)
    high, wide = (-(-s // side) for s in picture)
    pixels = columns.view(b, d + 1, *picture)
    planes = scratch[: 3 * b * high * wide * side**2].view(b, 3, high * side, wide * side)
    if planes[0, 0].numel() > columns.shape[2]:
        planes.zero_()  # beyond the picture's edges there is nothing
    value, above, bright = planes.unbind(1)
    value[:, : picture[0], : picture[1]] = pixels[:, -2]
    torch.gt(value, 0, out=above)  # coordinates count from the mean
    torch.mul(value, above, out=bright)
    whole, size, value = _block_sums(planes, side).unbind(1)
    halves = columns.new_empty(b, d + 1, 2, high, wide)  # sums of what lies above, and the rest
    halves[:, -1, 0], halves[:, -2, 0] = size, value
    torch.sub(_pixels_in(picture, side).to(size), size, out=halves[:, -1, 1])
    torch.sub(whole, value, out=halves[:, -2, 1])
    middle = (_corner(pixels[:, :-2], side, 0) + _corner(pixels[:, :-2], side, side - 1)).mul_(0.5)
    torch.mul(middle.unsqueeze(2), halves[:, -1:], out=halves[:, :-2])
    coarse = halves.view(-1, high * wide) @ _merging(high, wide, k).to(halves)
    return _points(coarse.view(b, d + 1, -1)), _points(halves.view(b, d + 1, -1))


def _corner(
    pixels: Float[Tensor, "b c h w"], side: int, offset: int
) -> Float[Tensor, "b c high wide"]:
    """The pixel of each block that is `offset` down and along, or the picture's last."""
    h, w = pixels.shape[2:]
    down, along = (
        torch.arange(0, s, side, device=pixels.device).add_(offset).clamp_max_(s - 1)
        for s in (h, w)
    )
    return pixels[:, :, down[:, None], along]


@cache
def _pixels_in(picture: tuple[int, int], side: int) -> Float[Tensor, "high wide"]:
    """How many pixels each block has."""
    h, w = (torch.arange(s).div(side, rounding_mode="floor").bincount() for s in picture)
    return (h[:, None] * w).float()


def _block_sums(planes: Float[Tensor, "b p h w"], side: int) -> Float[Tensor, "b p h_side w_side"]:
    """Over squares of `side` pixels."""
    b, p, h, w = planes.shape
    first, *others = planes.view(b, p, h // side, side, w).unbind(3)
    total = first.clone()
    for row in others:
        total += row
    sums: Tensor = total @ _adding(w, side).to(planes)
    return sums


@cache
def _adding(width: int, side: int) -> Float[Tensor, "w blocks"]:
    """Adds up every `side` columns."""
    return torch.eye(width // side).repeat_interleave(side, 0)


def coarse_shape(high: int, wide: int, k: int) -> tuple[int, int]:
    """How many coarse blocks there are in height and width, of so many fine ones."""
    side = max(1.0, math.sqrt(high * wide / max(COARSE, 5 * k)))
    return max(1, round(high / side)), max(1, round(wide / side))


@cache
def _merging(high: int, wide: int, k: int) -> Float[Tensor, "fine coarse"]:
    """Adds up the fine blocks of each coarse one."""
    rows, columns = coarse_shape(high, wide, k)
    down = torch.arange(high) * rows // high
    along = torch.arange(wide) * columns // wide
    return F.one_hot((down[:, None] * columns + along).flatten(), rows * columns).float()


def _points(sums: Float[Tensor, "b d1 m"]) -> Weighted:
    columns = sums / sums[:, -1:].clamp_min(1)
    columns[:, -1] = 1
    return weighted(columns, sums)
