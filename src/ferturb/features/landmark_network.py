"""The network that finds landmarks in 48×48 faces: under half a million parameters.

A 48-pixel face leaves 18 pixels between the eyes, so a point must be found to a fraction of a
pixel of any feature map. The network therefore reads every point off a 12×12 map: the softmax
over the map gives the cell the point is in, and an offset predicted in every cell the place in
or beyond the cell (as in Jin et al., "Pixel-in-Pixel Net", IJCV 2021, but summed over all cells
with the softmax as weights, so that it is smooth and trained end to end; compare Sun et al.,
"Integral Human Pose Regression", ECCV 2018). A linear map of the pooled features is added, so
that points outside the frame can be placed, and hidden points where the rest of the face puts them.

The network predicts an error for each point too: the scale of a Laplace distribution, from which
the confidence of a face is made.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 48
"""Side of the faces the network takes, in pixels."""
_CELLS = 12
_CELL = SIDE / _CELLS


def _conv(channels_in: int, channels: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class _Block(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x))))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return F.relu(x + self.second(self.first(x)))


class LandmarkNetwork(nn.Module):
    """Faces -> points and the logarithm of each point's expected error.

    Takes float faces (b, 1, 48, 48) in [0, 1]; every face is normalised by its own mean and
    standard deviation inside. Returns points (b, points, 2), x and y in pixels, and log scales
    (b, points): the logarithm of the mean absolute error of x and of y in pixels.
    """

    def __init__(self, points: int) -> None:
        super().__init__()
        self.points = points
        self.stem = nn.Sequential(_conv(1, 24, 5, 2), _conv(24, 32), _conv(32, 64, 3, 2))
        self.fine = _Block(64)
        self.coarse = nn.Sequential(_conv(64, 80, 3, 2), _Block(80), _Block(80))
        self.lateral = nn.Conv2d(80, 64, 1)
        self.context = nn.Linear(80, 64)
        self.merged = _conv(64, 64)
        self.maps = nn.Conv2d(64, 3 * points, 1)
        self.shift = nn.Sequential(nn.Linear(80, 32), nn.Linear(32, 2 * points))
        self.scales = nn.Sequential(nn.Linear(80, 32), nn.ReLU(), nn.Linear(32, points))
        self.cells: Tensor
        place = (torch.arange(_CELLS) + 0.5) * _CELL - 0.5
        grid = torch.stack([place.repeat(_CELLS), place.repeat_interleave(_CELLS)])
        self.register_buffer("cells", grid, persistent=False)
        for head in (self.shift, self.scales):
            nn.init.zeros_(head[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(head[-1].bias)  # type: ignore[arg-type]

    def forward(
        self, faces: Float[Tensor, "b 1 48 48"]
    ) -> tuple[Float[Tensor, "b p 2"], Float[Tensor, "b p"]]:
        """Points in pixels and the logarithm of their expected errors."""
        fine = self.fine(self.stem(_normalised(faces)))
        coarse = self.coarse(fine)
        pooled = coarse.mean((2, 3))
        above = F.interpolate(self.lateral(coarse), scale_factor=2.0, mode="nearest")
        merged = F.relu(fine + above + self.context(pooled)[:, :, None, None])
        maps = self.maps(self.merged(merged)).float().flatten(2)
        heat, offset_x, offset_y = maps.split(self.points, dim=1)
        weight = heat.softmax(2)
        x = (weight * (self.cells[0] + _CELL * offset_x)).sum(2)
        y = (weight * (self.cells[1] + _CELL * offset_y)).sum(2)
        shift = self.shift(pooled).float().unflatten(1, (self.points, 2))
        points = torch.stack([x, y], dim=2) + _CELL * shift
        return points, self.scales(pooled).float().clamp(-4.0, 4.0)


def _normalised(faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Mean 0 and standard deviation 1 of each face; a blank face becomes all zeros."""
    centred = faces - faces.mean((1, 2, 3), keepdim=True)
    deviation = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
    return centred / deviation.clamp_min(0.02)
