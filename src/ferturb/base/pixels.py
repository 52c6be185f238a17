"""From grey levels at rest (uint8) to numbers in flight ([0, 1]), and back."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.base.raster import FACE_SIZE


def as_input(images: UInt8[Tensor, "n *c h w"]) -> Float[Tensor, "n k h w"]:
    """Faces, grey (n, h, w) or RGB (n, 3, h, w), as networks take them: float in [0, 1].

    >>> as_input(torch.full((1, 2, 2), 255, dtype=torch.uint8)).shape
    torch.Size([1, 1, 2, 2])
    """
    return (images if images.ndim == 4 else images.unsqueeze(1)).float().div_(255)


def as_images(faces: Float[Tensor, "n k h w"]) -> UInt8[Tensor, "n *c h w"]:
    """The inverse of `as_input`: to the nearest of 256 levels, grey without its channel."""
    return as_bytes(faces[:, 0] if faces.shape[1] == 1 else faces)


def luma(images: UInt8[Tensor, "n *c h w"]) -> UInt8[Tensor, "n h w"]:
    """Faces in grey, as Pillow makes it of RGB (ITU-R 601-2 in 16 bits); grey ones as they are.

    >>> luma(torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)).item()
    76
    """
    if images.ndim == 3:
        return images
    red, green, blue = images.int().unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).to(torch.uint8)


def as_grey(faces: Float[Tensor, "b k h w"]) -> Float[Tensor, "b h w"]:
    """The grey of faces in [0, 1], as `luma` has it but for rounding."""
    if faces.shape[1] == 1:
        return faces[:, 0]
    red, green, blue = faces.unbind(1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def over(region: Shaped[Tensor, "n h w"], images: Tensor) -> Shaped[Tensor, "n *one h w"]:
    """A map a face, ready to meet its grey or coloured pixels.

    >>> over(torch.zeros(1, 4, 4), torch.zeros(1, 3, 4, 4)).shape
    torch.Size([1, 1, 4, 4])
    """
    return region.unsqueeze(1) if images.ndim == 4 else region


def as_bytes(grey: Float[Tensor, "*s h w"]) -> UInt8[Tensor, "*s h w"]:
    """Grey levels in [0, 1] rounded to the nearest of 256."""
    return (grey * 255).round().to(torch.uint8)


def require_images(images: Tensor, name: str = "images") -> None:
    """Raise `FerturbError` for what can't be the pixels of faces."""
    if not are_images(images):
        raise FerturbError(
            f"{name} must be uint8 (n, height, width), 0 … 255 grey, or (n, 3, height, width) RGB, "
            f"got {str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}"
        )


def at_once(count: int, images: Tensor) -> int:
    """How many faces to work on together: `count` of 48×48, of larger ones as many pixels.

    >>> at_once(512, torch.zeros(9, 48, 48)), at_once(512, torch.zeros(9, 3, 96, 96))
    (512, 128)
    """
    return max(1, min(count, count * FACE_SIZE**2 // max(1, images.shape[-2:].numel())))


def are_images(images: Tensor) -> bool:
    """Whether a tensor can be the pixels of faces."""
    sound = images.ndim == 3 or (images.ndim == 4 and images.shape[1] == 3)
    return sound and images.dtype == torch.uint8
