"""dlib's face recognition network as a backbone: 29 convolutions, trained on three million faces.

King, "High Quality Face Recognition with Deep Metric Learning", 2017 (dlib 19.3), in the form that
face-api.js has of it: batch normalisation as a scale and a shift of each channel; a 7×7
convolution, then residual blocks, of which those named "down" halve the maps with a convolution
without a rim and add the pooled maps, the smaller of the two filled up with zeros. The linear layer
is given the 256 means over places, in place of dlib's map onto 128 numbers.

Faces are enlarged to 150 pixels, as there: at 48 its maps end before its layers do. It takes red,
green and blue; grey is three times the same, so that the first convolution has one channel here
(`ferturb.models.published` adds the three up).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.models.spatial_transformer import at_side
from ferturb.models.stages import Staged, he_normal

SIDE = 150
STAGES: tuple[tuple[str, ...], ...] = (
    ("conv32_1", "conv32_2", "conv32_3"),
    ("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    ("conv128_down", "conv128_1", "conv128_2"),
    ("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
"""The blocks by face-api's names, which say how many channels they have."""


class Scaled(nn.Module):
    """A convolution with a bias, then a scale and a shift of each channel.

    They are put into the convolution's weights and bias, which is the same and, in training, a
    third of the network's time.
    """

    def __init__(self, channels_in: int, channels: int, size: int, stride: int) -> None:
        super().__init__()
        padding = 0 if stride == 2 else size // 2
        self.conv = nn.Conv2d(channels_in, channels, size, stride, padding)
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """(b, channels_in, h, w) -> (b, channels, …)."""
        layer: nn.Conv2d = self.conv
        bias: Tensor = self.shift
        if layer.bias is not None:
            bias = bias + self.scale * layer.bias
        weight = self.scale[:, None, None, None] * layer.weight
        return F.conv2d(x, weight, bias, layer.stride, layer.padding)


class Block(nn.Module):
    """relu(x + conv2(relu(conv1(x)))); "down" halves the maps, and x is pooled."""

    def __init__(self, channels_in: int, channels: int, down: bool) -> None:
        super().__init__()
        self.conv1 = Scaled(channels_in, channels, 3, 2 if down else 1)
        self.conv2 = Scaled(channels, channels, 3, 1)
        self.down = down

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """(b, channels_in, h, w) -> (b, channels, h or h/2, …)."""
        y = self.conv2(F.relu(self.conv1(x)))
        if self.down:
            x = F.avg_pool2d(x, 2)
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return F.relu(x + y)


class Enlarged(nn.Module):
    """Faces at the side that the network was trained at."""

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 150 150"]:
        """Bilinear."""
        return at_side(faces, SIDE)


def dlib_resnet() -> Staged:
    """The network, untrained: 150 -> 72 -> 35 -> 17 -> 8 -> 4 -> 2."""
    first = Scaled(1, 32, 7, 2)
    stem = nn.Sequential(Enlarged(), first, nn.ReLU(), nn.MaxPool2d(3, 2))
    stages, channels = [], 32
    for names in STAGES:
        stage = nn.Sequential()
        for name in names:
            width = int(name.removeprefix("conv").split("_")[0])
            stage.add_module(name, Block(channels, width, "down" in name))
            channels = width
        stages.append(stage)
    network = Staged(stem, stages, nn.Identity(), channels)
    he_normal(network)
    for module in network.modules():
        if isinstance(module, Scaled) and module.conv.bias is not None:
            nn.init.zeros_(module.conv.bias)
    return network
