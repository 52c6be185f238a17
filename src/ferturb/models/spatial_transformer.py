"""A spatial transformer: which affine part of a face a network looks at, found from the face.

Jaderberg et al., "Spatial Transformer Networks", NeurIPS 2015, with the localisation network that
Deep-Emotion and EmoNeXt share: a 7×7 convolution to 8 maps, a pool and ReLU, a 5×5 convolution to
10 maps, a pool and ReLU, 32 units and six numbers, which start as "the whole face".

The localisation network has a fixed number of inputs: a face of another side than 48 pixels is
resized for it, and only for it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 48
"""Pixels a side of what the localisation network is shown."""
_INPUTS = 10 * 8 * 8  # 48 -> 42 -> 21 -> 17 -> 8


class SpatialTransformer(nn.Module):
    """(b, 1, h, w) -> the part of it that it finds, at the same size.

    `norm` puts a batch norm behind each of its convolutions. With `align_corners` −1 and 1 are the
    middles of the outermost pixels, else the image's edges. What is sampled from beyond is 0.
    """

    def __init__(self, norm: bool = False, align_corners: bool = False) -> None:
        super().__init__()
        self.align_corners = align_corners
        layers: list[nn.Module] = []
        for channels_in, channels, size in ((1, 8, 7), (8, 10, 5)):
            layers += [nn.Conv2d(channels_in, channels, size)]
            layers += [nn.BatchNorm2d(channels)] * norm + [nn.MaxPool2d(2), nn.ReLU()]
        self.localisation = nn.Sequential(*layers)
        self.regression = nn.Sequential(nn.Linear(_INPUTS, 32), nn.ReLU(), nn.Linear(32, 6))
        self.start_whole()

    @torch.no_grad()
    def start_whole(self) -> None:
        """Let the six numbers be those of the whole face, whatever the face."""
        self.regression[-1].weight.zero_()  # type: ignore[operator]
        self.regression[-1].bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))  # type: ignore[operator]

    def theta(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 3"]:
        """The affine map from places of the output to places of the face, both −1 … 1."""
        found = self.localisation(at_side(faces, SIDE)).flatten(1)
        theta: Tensor = self.regression(found).float().unflatten(1, (2, 3))
        return theta

    def forward(
        self, faces: Float[Tensor, "b 1 h w"], maps: Float[Tensor, "b c u v"] | None = None
    ) -> Float[Tensor, "b d i j"]:
        """The found part of the faces, or of other maps of them, bilinear."""
        shown = faces if maps is None else maps
        size = int(shown.shape[-2]), int(shown.shape[-1])
        grid = affine_grid(self.theta(faces), size, self.align_corners)
        return F.grid_sample(shown.float(), grid, align_corners=self.align_corners)


def affine_grid(
    theta: Float[Tensor, "b 2 3"], size: tuple[int, int], align_corners: bool
) -> Float[Tensor, "b h w 2"]:
    """`torch.nn.functional.affine_grid`, of operations that ONNX has."""
    exact = torch.promote_types(theta.dtype, torch.float32)
    y, x = (_places(n, align_corners, exact, theta.device).to(theta) for n in size)
    rows = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1).flatten(0, 1)
    moved = rows @ theta[:, :, :2].transpose(1, 2) + theta[:, None, :, 2]
    return moved.view(-1, len(y), len(x), 2)


def _places(
    n: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, " n"]:
    if align_corners:
        return torch.linspace(-1, 1, n, dtype=dtype, device=device)
    return (2 * torch.arange(n, dtype=dtype, device=device) + 1) / n - 1


def at_side(faces: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c s s"]:
    """Faces of this side: as they are, or resized (bilinear)."""
    if faces.shape[-2:] == (side, side):
        return faces
    return F.interpolate(faces, (side, side), mode="bilinear", align_corners=False)
