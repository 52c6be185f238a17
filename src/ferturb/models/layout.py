"""In which order a network's feature maps lie in memory."""

from __future__ import annotations

import torch
from torch import nn

BLOCK = 16
"""Channels that oneDNN's convolutions take at once: 16 with AVX-512, 8 with AVX2."""


def layout_of(network: nn.Module) -> torch.memory_format:
    """Channels last, which convolutions like; for the few that it would crash, as torch has them.

    A 1 x 1 convolution with a stride that reads more than one channel and fewer than a block of
    them writes past its memory when it is trained channels last in float32 (oneDNN 3.12, which
    torch 2.14 contains, seen with AVX2; uxlfoundation/oneDNN, issue 6035): the process dies or the
    gradients are wrong. No network that comes with ferturb is that narrow; yours may be.
    """
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    narrow = any(
        set(layer.kernel_size) == {1}
        and set(layer.stride) != {1}
        and 1 < layer.in_channels // layer.groups < BLOCK
        for layer in layers
    )
    return torch.contiguous_format if narrow else torch.channels_last
