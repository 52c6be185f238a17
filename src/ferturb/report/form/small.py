"""A PNG for the page: the colours that matter, in a third of the bytes."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.spatial import KDTree

COLOURS = 256
_FREQUENT = 64
"""How many of them are the picture's most frequent, such as its paper and its ink."""
_ALIKE = 0xFCFCFC
"""Colours that differ in the other bits alone, by 3 of 255 at most, stand for each other."""


def small(png: bytes) -> bytes:
    """The same picture in at most `COLOURS` colours; the same bytes give the same bytes.

    The most frequent stay as they are; the others are chosen so that none of the picture's is far
    from its nearest, however rare it is.
    """
    with Image.open(io.BytesIO(png)) as picture:
        red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB")).astype(np.int32), 2, 0)
    codes = red << 16 | green << 8 | blue
    palette, index = _indexed(codes)
    few = Image.fromarray(index)
    few.putpalette(palette.tobytes())
    out = io.BytesIO()
    few.save(out, format="png", optimize=True)
    return out.getvalue()


def _indexed(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The chosen colours (k, 3) and which of them each pixel is nearest to; both uint8."""
    seen = np.zeros(1 << 24, bool)
    seen[codes] = True
    colours = np.flatnonzero(seen)
    place = np.empty(1 << 24, np.int32)  # of a colour among those
    place[colours] = np.arange(len(colours))
    where = place[codes]
    counts = np.bincount(where.ravel())
    frequent = colours[np.argsort(-counts, kind="stable")]
    unlike = frequent[np.sort(np.unique(frequent & _ALIKE, return_index=True)[1])]
    palette = _rgb(unlike)
    if len(palette) > COLOURS:  # chosen among single pixels of each, which takes no time
        each, rest = Image.fromarray(palette[None]), COLOURS - _FREQUENT
        chosen = each.quantize(rest, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        others = np.array(chosen.getpalette(), np.uint8).reshape(-1, 3)
        palette = np.concatenate([palette[:_FREQUENT], others])
    nearest = KDTree(palette).query(_rgb(colours))[1].astype(np.uint8)
    return palette, nearest[where]


def _rgb(codes: np.ndarray) -> np.ndarray:
    """Colours (k, 3), uint8."""
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], 1).astype(np.uint8)
