"""DPN-26, the small dual path network that timm has not.

Source: Chen et al., "Dual Path Networks", NeurIPS 2017. A block's output is split in two: the
first channels are added to the input's (the residual path), the others are appended (the dense
path). DPN-26 is the four-stage network with blocks (2, 2, 2, 2), groups 32, widths 96 … 768,
outputs 256 … 2048 and dense growth 16, 32, 24, 128, known from CIFAR programs; as there, norm
and activation follow the convolutions (the paper's larger networks put them before).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ferturb.models.stages import Staged, he_normal

GROUPS = 32


class DualPathBlock(nn.Module):
    """(b, c, h, w) -> (b, outputs + d, h', w') where d grows by `growth` with every block.

    The first block of a stage projects its input to outputs + growth channels and may halve it.
    """

    def __init__(self, c: int, width: int, outputs: int, growth: int, stride: int, first: bool):
        super().__init__()
        self.outputs = outputs
        self.body = nn.Sequential(
            nn.Conv2d(c, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, padding=1, groups=GROUPS, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, outputs + growth, 1, bias=False),
            nn.BatchNorm2d(outputs + growth),
        )
        self.shortcut: nn.Module = nn.Identity()
        if first:
            self.shortcut = nn.Sequential(
                nn.Conv2d(c, outputs + growth, 1, stride, bias=False),
                nn.BatchNorm2d(outputs + growth),
            )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d u v"]:
        """Add the residual part, append the dense part.

        Split and not sliced: the gradient of slices is put together in another order in memory
        than the maps have, with which a batch normalisation is ten times as slow on a CPU.
        """
        new, old = self.body(x), self.shortcut(x)
        added, grown = new.split([self.outputs, new.shape[1] - self.outputs], dim=1)
        kept, appended = old.split([self.outputs, old.shape[1] - self.outputs], dim=1)
        return torch.cat([kept + added, appended, grown], dim=1).relu()


def dpn26(max_pool: bool = False) -> Staged:
    """DPN-26 for small faces: 48 -> 24 -> 24 -> 12 -> 6 -> 3.

    The stem is a 3x3 convolution as in the CIFAR programs, with stride 2 in place of 1: a face
    has twice the pixels of a CIFAR image and a quarter of the work is enough. Stages are the four
    groups of blocks; there is no tail. `max_pool` puts a pool behind the stem, as the paper's
    larger networks have it: half the size everywhere, a third of the time.
    """
    c = 64
    stem = nn.Sequential(
        nn.Conv2d(1, c, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(c),
        nn.ReLU(inplace=True),
        *([nn.MaxPool2d(3, stride=2, padding=1)] if max_pool else []),
    )
    stages = []
    for width, outputs, growth, stride in (
        (96, 256, 16, 1),
        (192, 512, 32, 2),
        (384, 1024, 24, 2),
        (768, 2048, 128, 2),
    ):
        first = DualPathBlock(c, width, outputs, growth, stride, first=True)
        c = outputs + 2 * growth
        second = DualPathBlock(c, width, outputs, growth, stride=1, first=False)
        c += growth
        stages.append(nn.Sequential(first, second))
    net = Staged(stem, stages, nn.Identity(), c)
    he_normal(net)
    return net
