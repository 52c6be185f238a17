"""EmoNeXt: ConvNeXt behind a spatial transformer, with squeeze-and-excitation, fitted to 48 pixels.

After El Boudouri and Bohi, "EmoNeXt: an Adapted ConvNeXt for Facial Emotion Recognition", MMSP 2023
(arXiv 2501.08199), which claims 76.1 % on FER2013 for the largest one with weights of ImageNet-22k,
and their program (yelboudouri/EmoNeXt). Blocks are timm's ConvNeXt blocks; squeeze-and-excitation
(16 channels to one) stands behind each of the three convolutions that halve the maps.

Their "self-attention" acts on the pooled features of a batch: a softmax of queries times keys,
faces by faces, so *across the batch*. Its output is thrown away; what counts is that the variance
of these weights is added to the loss. When a face is judged it does nothing. It is `BatchAttention`
here; method `batch-attention` adds its loss. Their values, which nothing trains, are left out.

Different from the program: the first convolution is 2×2 with stride 2 on one channel, where theirs
is 4×4 with stride 4 on three, so that 48 pixels become 24, 12, 6 and 3; the transformer's
localisation network sees 48 pixels, where theirs sees 224. `emonext-narrow` is our own reduction
for CPUs (depths and widths of timm's `convnext_atto`). Faces of 224 pixels with published weights
are a model from elsewhere (`ferturb.wrap`).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ferturb.models.spatial_transformer import SpatialTransformer
from ferturb.models.stages import Staged

Plan = tuple[tuple[int, ...], tuple[int, ...]]
SIZES: dict[str, Plan] = {
    "narrow": ((2, 2, 6, 2), (40, 80, 160, 320)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
    "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
    "xlarge": ((3, 3, 27, 3), (256, 512, 1024, 2048)),
}
"""Blocks and channels of the four stages."""
DROP_PATH, REDUCTION = 0.1, 16


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of maps, at each place."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """(b, c, h, w) -> the same."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SqueezeExcitation(nn.Module):
    """Channels times a gate that is found from their means (Hu et al., 2018), without biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        first, second = nn.Linear(channels, inner, False), nn.Linear(inner, channels, False)
        self.gate = nn.Sequential(first, nn.ReLU(), second, nn.Sigmoid())

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """(b, c, h, w) -> the same."""
        gate: Tensor = self.gate(x.mean((2, 3)))
        return x * gate[:, :, None, None]


class BatchAttention(nn.Module):
    """How much each face of a batch attends to each other; the features pass through unchanged."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.query = nn.Linear(features, features)
        self.key = nn.Linear(features, features)

    def forward(self, x: Float[Tensor, "b c 1 1"]) -> Float[Tensor, "b c 1 1"]:
        """The features as they are."""
        return x

    def weights(self, x: Float[Tensor, "b c 1 1"]) -> Float[Tensor, "b b"]:
        """softmax over faces j of query_i · key_j / c^¼; each row adds up to 1."""
        normed = self.norm(x.flatten(1).float())
        scores = self.query(normed) @ self.key(normed).mT / normed.shape[1] ** 0.25
        return torch.softmax(scores.float(), 1)


class Pooled(nn.Module):
    """The mean over places, then layer normalisation: (b, c, h, w) -> (b, c, 1, 1)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features, eps=1e-6)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """One vector a face."""
        pooled: Tensor = self.norm(x.mean((2, 3)))
        return pooled[:, :, None, None]


def emonext(size: str) -> Staged:
    """The network of one of the `SIZES`; a stage is its halving and its blocks.

    Weights start from a normal distribution of spread 0.02, biases at 0.
    """
    from timm.models.convnext import ConvNeXtBlock

    depths, widths = SIZES[size]
    rates = [DROP_PATH * i / (sum(depths) - 1) for i in range(sum(depths))]
    blocks = [
        [ConvNeXtBlock(width, drop_path=rates.pop(0), ls_init_value=1e-6) for _ in range(depth)]
        for depth, width in zip(depths, widths, strict=True)
    ]
    first = nn.Conv2d(1, widths[0], 2, 2)
    transformer = SpatialTransformer(norm=True, align_corners=True)
    stem = nn.Sequential(transformer, first, ChannelNorm(widths[0], eps=1e-6))
    stages = [nn.Sequential(*blocks[0])]
    for (before, width), own in zip(pairwise(widths), blocks[1:], strict=True):
        halved = [ChannelNorm(before, eps=1e-6), nn.Conv2d(before, width, 2, 2)]
        stages.append(nn.Sequential(*halved, SqueezeExcitation(width), *own))
    tail = nn.Sequential(Pooled(widths[-1]), BatchAttention(widths[-1]))
    network = Staged(stem, stages, tail, widths[-1])
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    transformer.start_whole()
    return network
