"""VGG in its published form, in the released program's, and in shapes to choose.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from ferturb.base.config.network import VggShape
from ferturb.models.stages import Staged, he_normal

PLAN = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
"""Channels of VGG16's convolutions (configuration D of its authors); M is a max pool."""


def vgg(name: str) -> Staged:
    """VGG (Simonyan and Zisserman, 2015) with batch norm: timm's `name` without its two fc layers.

    The 3x3 stride-1 convolutions and the five max pools stay: 48 -> 24 -> 12 -> 6 -> 3 -> 1. In
    place of the published 7x7 map and two layers of 4096 units, the classifier pools the last
    map globally and has one linear layer. A stage is the convolutions of one size; the pool that
    follows belongs to the next stage (the last one to the tail), so that attention sees the
    larger map.
    """
    import timm

    # Its head is dropped: don't build it in full.
    net: Any = timm.create_model(name, pretrained=False, in_chans=1, mlp_ratio=1 / 4096)
    return _vgg(list(net.features), net.num_features)


def vgg16_half() -> Staged:
    """`vgg("vgg16_bn")` with half the channels: a quarter of the work."""
    from timm.models.vgg import VGG

    layers = [c if isinstance(c, str) else c // 2 for c in PLAN]
    norm: Any = nn.BatchNorm2d
    net = VGG(layers, in_chans=1, norm_layer=norm, mlp_ratio=1 / 4096)
    return _vgg(list(net.features), net.num_features)


def vgg16_dropout(share: int = 1) -> Staged:
    """VGG16 as in the program that was released with the paper.

    Dropout of 0.4 behind each convolution's activation, and two layers of 4096 units with batch
    norm in place of a pooling: the five pools leave one place of a face of 40 or 48 pixels. (Larger
    faces leave more; the two layers then act on each.) Weights start as torch has it. With `share`
    2, half of all channels and units: a quarter of the work.
    """
    layers: list[nn.Module] = []
    channels = 1
    for c in PLAN:
        if isinstance(c, str):
            layers.append(nn.MaxPool2d(2))
        else:
            conv = nn.Conv2d(channels, c // share, 3, padding=1)
            channels = c // share
            layers += [conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Dropout(0.4)]
    units = 4096 // share
    for inputs in (channels, units):
        layers += [Dense(inputs, units), nn.BatchNorm2d(units), nn.ReLU(inplace=True)]
    return _vgg(layers, units, 4)


class Dense(nn.Linear):
    """A fully connected layer at each place of a map: a 1x1 convolution, faster on a single one."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """(b, inputs, h, w) -> (b, outputs, h, w)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def vgg_like(shape: VggShape | None = None) -> Staged:
    """A network of VGG's kind in a shape to choose: what a search varies (`ferturb search`).

    Blocks of convolutions, each with batch norm and ReLU, a max pool and dropout behind a block;
    their channels grow from block to block. The last maps are pooled globally, as in `vgg`.
    """
    shape, channels = shape or VggShape(), 1
    layers: list[nn.Module] = []
    for block in range(shape.blocks):
        width, side = shape.widths[block], shape.kernel if block else shape.first_kernel
        for _ in range(shape.convolutions):
            conv = nn.Conv2d(channels, width, side, padding="same", bias=False)
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        layers += [nn.MaxPool2d(2), nn.Dropout(shape.dropout)]
    network = _vgg(layers, channels)
    he_normal(network)
    return network


def _vgg(layers: list[nn.Module], features: int, stem: int = 3) -> Staged:
    """The first convolution with what follows it (`stem` layers) is the stem."""
    groups: list[list[nn.Module]] = [[]]
    for layer in layers[stem:]:
        if isinstance(layer, nn.MaxPool2d):
            groups.append([])
        groups[-1].append(layer)
    *stages, tail = (nn.Sequential(*group) for group in groups)
    return Staged(nn.Sequential(*layers[:stem]), stages, tail, features)
