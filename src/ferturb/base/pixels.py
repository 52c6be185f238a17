"""From grey levels at rest (uint8) to numbers in flight ([0, 1]), and back."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def as_input(images: UInt8[Tensor, "n h w"]) -> Float[Tensor, "n 1 h w"]:
    """Faces as networks take them: one channel, float in [0, 1].

    >>> as_input(torch.full((1, 2, 2), 255, dtype=torch.uint8)).shape
    torch.Size([1, 1, 2, 2])
    """
    return images.unsqueeze(1).float().div_(255)


def as_bytes(grey: Float[Tensor, "*s h w"]) -> UInt8[Tensor, "*s h w"]:
    """Grey levels in [0, 1] rounded to the nearest of 256."""
    return (grey * 255).round().to(torch.uint8)
