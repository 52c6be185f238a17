"""Histograms of oriented gradients as a layer, and the networks that see nothing else.

Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005, as
scikit-image's `hog` has it with its default norm: in cells of 6 × 6 pixels (8 × 8 of a face) the
lengths of the gradients, by 9 directions without sign; blocks of 2 × 2 cells, each divided by its
length, cut at 0.2 and divided again (L2-Hys). A direction counts for one bin alone, and pixels on
the rim have no gradient across it. Without trained numbers, and of operations that ONNX has.

- `hog`: all 7 × 7 blocks into the linear layer; recipe `linear-svm` makes that a support vector
  machine, any other a softmax.
- `hog-boosted`: into boosted trees (`ferturb.models.trees`), recipe `boosting`.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.models.spatial_transformer import at_side
from ferturb.models.stages import Staged
from ferturb.models.trees import Trees

SIDE, CELL, DIRECTIONS, BLOCK = 48, 6, 9, 2
BLOCKS = SIDE // CELL - BLOCK + 1
"""Along a side."""
CHANNELS = BLOCK * BLOCK * DIRECTIONS
_EPS, _MOST = 1e-5, 0.2


class HogBlocks(nn.Module):
    """(b, 1, h, w) -> (b, 36, 7, 7): of each block its cells' histograms, row by row.

    Faces of another side than 48 pixels are resized.
    """

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 36 7 7"]:
        """The normalised histograms, in float32."""
        cells = cell_histograms(at_side(faces.float(), SIDE))
        places = [(i, j) for i in range(BLOCK) for j in range(BLOCK)]
        blocks = torch.cat([cells[:, :, i : i + BLOCKS, j : j + BLOCKS] for i, j in places], 1)
        return _unit(_unit(blocks).clamp_max(_MOST))


def cell_histograms(faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 9 u v"]:
    """Mean length of the gradients in each cell by their direction: from 0°, in steps of 20°."""
    down = F.pad(faces[:, :, 2:] - faces[:, :, :-2], (0, 0, 1, 1))
    right = F.pad(faces[:, :, :, 2:] - faces[:, :, :, :-2], (1, 1))
    square = down.square() + right.square()
    length = square.clamp_min(1e-12).sqrt() * (square > 0)  # the root of 0 has no slope
    turned = (down < 0) | ((down == 0) & (right < 0))
    sign = 1 - 2 * turned.float()
    # A direction is beyond θ where its cross product with θ's is not negative: no arctan.
    bounds = [math.pi * k / DIRECTIONS for k in range(1, DIRECTIONS)]
    beyond = [sign * (math.cos(a) * down - math.sin(a) * right) >= 0 for a in bounds]
    number = torch.stack(beyond).sum(0)
    bins = torch.arange(DIRECTIONS, device=faces.device)[:, None, None]
    return F.avg_pool2d(length * (number == bins), CELL)


def _unit(blocks: Float[Tensor, "b c u v"]) -> Float[Tensor, "b c u v"]:
    return blocks / (blocks.square().sum(1, keepdim=True) + _EPS**2).sqrt()


def hog() -> Staged:
    """The histograms of the face, 1,764 numbers, for the linear layer."""
    tail = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (-1, 1, 1)))
    return Staged(HogBlocks(), [], tail, CHANNELS * BLOCKS**2)


def hog_boosted() -> Staged:
    """The histograms of the face into boosted trees, which give the seven logits."""
    trees = Trees()
    tail = nn.Sequential(nn.Flatten(), trees, nn.Unflatten(1, (-1, 1, 1)))
    return Staged(HogBlocks(), [], tail, trees.outputs)
