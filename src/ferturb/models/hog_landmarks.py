"""Histograms of the upper face and landmarks into a small network: for faces that wear masks.

After Mukhiddinov, Djuraev, Akhmedov, Mukhamadiyev and Cho, "Masked Face Emotion Recognition Based
on Facial Landmarks and Deep Learning Approaches for Visually Impaired People", Sensors 23:1080,
2023 (69.3 % on AffectNet's eight classes). They take HOG and the coordinates of MediaPipe's
landmarks along an "infinity shape" about the eyes into a convolutional network with Mish. They give
no sizes and no program; the choices here are ours:

- HOG (`ferturb.models.hog`) of the upper 30 of 48 pixels: what a mask leaves free.
- ferturb's landmarks of brows, eyes, lids and bridge, about the middle of the eyes in units of
  their distance. Our landmark network finds them, as part of this one; it isn't trained further.
- two 3×3 convolutions over the blocks, then a layer of 128 units with the landmarks; Mish behind
  each. Their enhancement of dark photos is left out: HOG is divided by its length.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ferturb.features.landmarks import shipped_model
from ferturb.features.points import GROUPS
from ferturb.models.hog import BLOCKS, CHANNELS, SIDE, HogBlocks
from ferturb.models.spatial_transformer import at_side
from ferturb.models.stages import Staged

ROWS = 4
"""Of blocks: 30 pixels."""
WIDTH, UNITS = 64, 128
EYES = (GROUPS["left_eye"], GROUPS["right_eye"])
UPPER = tuple(
    point
    for name, points in GROUPS.items()
    if name == "bridge" or any(word in name for word in ("brow", "eye", "lids"))
    for point in points
)
"""The landmarks that a mask leaves free."""


class UpperFace(nn.Module):
    """(b, 1, h, w) -> (b, 128, 1, 1), faces of another side than 48 pixels resized."""

    def __init__(self) -> None:
        super().__init__()
        self.hog = HogBlocks()
        self.blocks = nn.Sequential(*_convolution(CHANNELS), *_convolution(WIDTH), nn.Flatten())
        # It is read once for all, wherever this network is built, and draws nothing for it.
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            self.landmarks = copy.deepcopy(shipped_model().network)
        self.placed = Placed()
        joined = WIDTH * ROWS * BLOCKS + 2 * len(UPPER)
        self.dense = nn.Sequential(nn.Linear(joined, UNITS), nn.Mish())

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 128 1 1"]:
        """What the linear layer is given."""
        faces = at_side(faces, SIDE)
        seen = self.blocks(self.hog(faces)[:, :, :ROWS])
        with torch.autocast(faces.device.type, enabled=False), torch.no_grad():
            # The landmark network goes by each face's own mean and spread.
            points, _ = self.landmarks(faces.float())
        joined: Tensor = self.dense(torch.cat([seen, self.placed(points).to(seen)], 1))
        return joined[..., None, None]


class Placed(nn.Module):
    """x and y of the upper landmarks from the middle of the eyes, in units of the eyes' distance.

    The distance counts as 1 pixel at least.
    """

    eyes: Tensor
    upper: Tensor

    def __init__(self) -> None:
        super().__init__()
        # On the network's device: an index from elsewhere would have to be sent there each time.
        self.register_buffer("eyes", torch.tensor(EYES), persistent=False)
        self.register_buffer("upper", torch.tensor(UPPER), persistent=False)

    def forward(self, points: Float[Tensor, "b p 2"]) -> Float[Tensor, "b n"]:
        """The places of n / 2 landmarks."""
        left, right = (points.index_select(1, eye).mean(1) for eye in self.eyes)
        middle, distance = (left + right) / 2, (right - left).norm(dim=1).clamp_min(1.0)
        upper = points.index_select(1, self.upper) - middle[:, None]
        found: Tensor = (upper / distance[:, None, None]).flatten(1)
        return found


def _convolution(channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.Mish()


def hog_landmarks() -> Staged:
    """The network, in one piece: attention can't sit between stages."""
    return Staged(nn.Identity(), [], UpperFace(), UNITS)
