"""Where the pixels of many faces lie: in memory, or in a file that is mapped into it.

A data set of coloured faces of 224 pixels may be larger than a machine's memory. So from `LARGE`
bytes on faces that are read lie in a file of no name in the cache's folder, and those that come
from the cache in the cached file itself; the system reads what is looked at.
"""

from __future__ import annotations

import math
import os
import tempfile

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from ferturb.base.storage import cache_folder, writing

LARGE = 2**30
"""Bytes from which on faces lie in a file."""
_CHUNK = 256


def room(shape: tuple[int, ...]) -> UInt8[np.ndarray, "n *c h w"]:
    """Black faces to write on: in memory, or from `LARGE` bytes on in a file that is mapped.

    The file has no name, and is gone as soon as nobody uses the faces.
    """
    if math.prod(shape) < LARGE:
        return np.zeros(shape, np.uint8)
    folder = cache_folder()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is an error now, no crash later
                os.posix_fallocate(file.fileno(), 0, math.prod(shape))
            return np.memmap(file, np.uint8, "r+", shape=shape)


def black_like(images: UInt8[Tensor, "n *c h w"]) -> UInt8[Tensor, "n *c h w"]:
    """Black images to write on, as many and as large as these."""
    if images.device.type != "cpu":
        return torch.zeros_like(images)
    return torch.from_numpy(room(tuple(images.shape)))


def readable_ones(
    faces: UInt8[np.ndarray, "n *c h w"], readable: Bool[np.ndarray, " n"]
) -> UInt8[np.ndarray, "m *c h w"]:
    """The faces that could be read, moved together in their own place."""
    places = np.flatnonzero(readable)
    if len(places) < len(faces):
        for start in range(0, len(places), _CHUNK):
            some = places[start : start + _CHUNK]
            faces[start : start + len(some)] = faces[some]
    return faces[: len(places)]


def selected(
    images: UInt8[Tensor, "n *c h w"], index: Int64[Tensor, " m"]
) -> UInt8[Tensor, "m *c h w"]:
    """The images at these positions, in this order.

    Of many pixels no copy is made where the positions follow each other, as a split's do that was
    read from a folder of its own; otherwise the copy has its `room`.
    """
    size = len(index) * images[:1].numel()
    if size < LARGE:
        return images[index]
    index = index % len(images)
    first, last = int(index[0]), int(index[-1])
    if last - first == len(index) - 1 and bool((index.diff() == 1).all()):
        return images[first : last + 1]
    copied = torch.from_numpy(room((len(index), *images.shape[1:])))
    for start in range(0, len(index), _CHUNK):
        torch.index_select(
            images, 0, index[start : start + _CHUNK], out=copied[start : start + _CHUNK]
        )
    return copied
