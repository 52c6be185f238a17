"""Residual masking: a small U-Net after every stage says which responses to strengthen.

Source: Pham, Vu and Tran, "Facial Expression Recognition Using Residual Masking Network",
ICPR 2020. With F the output of a stage, the masking block gives

    x = F * (1 + M(F)),    M(F) in (0, 1), of F's shape, sums to 1 over the channels,

M a U-Net of residual blocks of depth 4, 3, 2, 1 behind the four stages of a ResNet-34. Its first
block doubles the channels, every further level doubles them again on maps of half the size.
The softmax over channels is what the authors' released program computes. Its 142.9 M parameters
count the 1x1 convolutions on the shortcuts of M twice; the network has 137.8 M.

Differences: the stem is fitted to small faces (`backbones.resnet`), and an upsampled map that is
a row or column short of its skip (odd sizes; 36-pixel faces have them) repeats its last one.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.models.stages import Staged, he_normal

DEPTHS = (4, 3, 2, 1)
"""Depth of the U-Net behind each stage."""


def with_masking(base: Staged, channels: tuple[int, ...] = (64, 128, 256, 512)) -> Staged:
    """`base` with a masking block behind each of its four stages, whose outputs have `channels`."""
    stages = [
        MaskedStage(stage, Mask(c, depth))
        for stage, c, depth in zip(base.stages, channels, DEPTHS, strict=True)
    ]
    return Staged(base.stem, stages, base.tail, base.features)


class MaskedStage(nn.Module):
    """A stage and its masking block: F * (1 + M(F)) with F = stage(x)."""

    def __init__(self, stage: nn.Module, mask: nn.Module) -> None:
        super().__init__()
        self.stage = stage
        self.mask = mask

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d u v"]:
        """The stage's response, every value kept or strengthened up to twofold."""
        x = self.stage(x)
        out: Tensor = x * (1 + self.mask(x))
        return out


class Mask(nn.Module):
    """M: a U-Net of residual blocks, (b, c, h, w) -> (b, c, h, w) in (0, 1).

    `depth` residual blocks go down (c -> 2c -> 4c …, half the size each time but the first),
    the same number comes up; h and w must be at least 2^(depth - 1).
    """

    def __init__(self, c: int, depth: int) -> None:
        super().__init__()
        widths = [c * 2**i for i in range(depth + 1)]
        self.down = nn.ModuleList(_residual(widths[i], widths[i + 1]) for i in range(depth))
        self.upsample = nn.ModuleList(
            _upsample(widths[i + 1], widths[i]) for i in range(depth - 1, 0, -1)
        )
        self.up = nn.ModuleList(
            _residual(widths[i + 1], widths[i]) for i in range(depth - 1, -1, -1)
        )
        he_normal(self)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The mask of a stage's response."""
        maps = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            maps.append(x)
        maps.pop()
        for upsample, block in zip(self.upsample, self.up, strict=False):
            skip = maps.pop()
            x = block(torch.cat([_extend(upsample(x), skip), skip], dim=1))
        out: Tensor = self.up[-1](x).softmax(dim=1)
        return out


def _extend(x: Tensor, like: Tensor) -> Tensor:
    """Repeat the last row and column of `x` where `like` has one more."""
    below, right = like.shape[-2] - x.shape[-2], like.shape[-1] - x.shape[-1]
    return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


def _residual(inputs: int, outputs: int) -> nn.Module:
    from timm.models.resnet import BasicBlock

    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    block: nn.Module = BasicBlock(inputs, outputs, downsample=shortcut)
    return block


def _upsample(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
