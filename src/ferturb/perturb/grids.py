"""Rivals: faces with cells or squares of a grid hidden, whole faces at test time.

- `hide-and-seek`: each cell of a grid is hidden with probability ½ and filled with the mean; the
  grid is one of four, or none, drawn for each face (Singh and Lee, "Hide-and-Seek", ICCV 2017:
  cells of 16, 32, 44 and 56 pixels at 224, which are 14, 7, 5 and 4 cells a side).
- `grid-mask`: a square in each unit of a regular grid is hidden (Chen et al., "GridMask", 2020):
  units of 96 to 224 pixels at 224, squares of 0.4 of a unit, at a random place and angle of up to
  45°, with a probability that climbs to 0.8 over the training.

After their papers' settings for ImageNet, scaled to the face; what is hidden is filled as the
method's `fill` says (theirs: the mean).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ferturb.base.config import MethodConfig
from ferturb.features.removal import remove
from ferturb.models.device import sent
from ferturb.training.inputs import Batch, TrainingInputs

CELLS = (0, 14, 7, 5, 4)
"""Cells a side of hide-and-seek's grids; 0 hides nothing."""
HIDDEN = 0.5
"""Probability that a cell is hidden."""
UNITS = (96 / 224, 1.0)
"""Least and largest side of GridMask's units, as shares of the face's."""
SQUARE = 0.4
"""Side of the hidden square, as a share of its unit's."""
PEAK = 0.8
"""Probability of GridMask at the end of the training."""


def hidden_cells(
    b: int, h: int, w: int, generator: torch.Generator, cells: tuple[int, ...] = CELLS
) -> Bool[Tensor, "b h w"]:
    """True in the hidden cells of hide-and-seek: 0.4 of the pixels on average."""
    chosen = torch.randint(len(cells), (b,), generator=generator)
    most = max(cells)
    dropped = torch.rand(b, most, most, generator=generator) < HIDDEN
    count = torch.tensor(cells)[chosen]
    rows = torch.arange(h)[None] * count[:, None] // h
    columns = torch.arange(w)[None] * count[:, None] // w
    face = torch.arange(b)[:, None, None]
    hidden: Tensor = dropped[face, rows[:, :, None], columns[:, None, :]]
    return hidden & (count > 0)[:, None, None]


def grid_squares(b: int, h: int, w: int, generator: torch.Generator) -> Bool[Tensor, "b h w"]:
    """True in GridMask's squares: 0.16 of the pixels on average."""
    u = torch.rand(4, b, 1, 1, generator=generator)
    unit = (UNITS[0] + (UNITS[1] - UNITS[0]) * u[0]) * min(h, w)
    angle = (2 * u[1] - 1) * math.pi / 4
    rows, columns = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    along = angle.cos() * columns + angle.sin() * rows + u[2] * unit
    across = angle.cos() * rows - angle.sin() * columns + u[3] * unit
    return (along.remainder(unit) < SQUARE * unit) & (across.remainder(unit) < SQUARE * unit)


class HideAndSeek(TrainingInputs):
    """Method `hide-and-seek`: cells of a grid hidden in every face."""

    def __init__(self, config: MethodConfig) -> None:
        self.config = config

    def __call__(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "b c h w"]:
        """Faces without what is hidden."""
        faces, draws = batch.augmented(), batch.generator
        hidden = self.hidden(len(faces), faces.shape[2], faces.shape[3], draws)
        return remove(faces, sent(~hidden, faces.device), self.config.fill, draws)

    def hidden(self, b: int, h: int, w: int, generator: torch.Generator) -> Bool[Tensor, "b h w"]:
        """True in the hidden pixels."""
        return hidden_cells(b, h, w, generator)


class GridMask(HideAndSeek):
    """Method `grid-mask`: squares of a grid hidden in more and more faces."""

    probability = 0.0

    def start_epoch(self, epoch: int, generator: torch.Generator, progress: float = 0.0) -> None:
        """The probability of this epoch."""
        self.probability = PEAK * progress

    def hidden(self, b: int, h: int, w: int, generator: torch.Generator) -> Bool[Tensor, "b h w"]:
        """True in the squares of some of the faces."""
        chosen = torch.rand(b, generator=generator) < self.probability
        return grid_squares(b, h, w, generator) & chosen[:, None, None]
