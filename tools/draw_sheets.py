"""Draw the documentation's sheets of synthetic faces: ``python tools/draw_sheets.py``.

Each row of ``docs/img/masks_sheet.png`` is one kind of thing a face can wear; each face is beside
itself without it. The last four columns are turned to profile or tilted.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.storage import atomic_path
from ferturb.data.drawn.synthetic import draw
from ferturb.features.masks.wear import KINDS, wear

IMG = Path(__file__).parent.parent / "docs" / "img"
COLUMNS = 8
ZOOM = 2
GAP = 2
LABEL = 62
TURNS = (0.0, 0.0, 0.0, 0.0, 0.42, -0.68, 0.0, 0.35)
"""Where the middle of each column's faces goes between the sides of the head, −1 … 1."""
TILTS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 50.0, -75.0)
"""How far each column's faces are tilted, degrees."""
HALF_HEAD = 21.0
BACK = 9.0
"""How far a turned head moves back to the middle of the image, pixels at a full turn."""


def pose(images: Tensor, points: Tensor, turn: Tensor, tilt: Tensor) -> tuple[Tensor, Tensor]:
    """Faces turned, so that the place t across the head goes to (t + m) / (1 + m t), and tilted."""
    middle = 23.5
    cos, sin = torch.cos(tilt).view(-1, 1, 1), torch.sin(tilt).view(-1, 1, 1)
    turn = turn.view(-1, 1, 1)
    axis = torch.arange(48.0) - middle
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    across, down = (cos * x + sin * y + BACK * turn) / HALF_HEAD, cos * y - sin * x
    u = HALF_HEAD * (across - turn) / (1 - turn * across).clamp_min(0.05)
    grid = torch.stack([u, down], 3) / 24
    turned = F.grid_sample(
        images[:, None].float(), grid, padding_mode="border", align_corners=False
    )
    u, down = (points - middle).unbind(2)
    cos, sin, turn = cos[..., 0], sin[..., 0], turn[..., 0]
    across = u / HALF_HEAD
    x = HALF_HEAD * (across + turn) / (1 + turn * across).clamp_min(0.05) - BACK * turn
    spots = torch.stack([cos * x - sin * down, sin * x + cos * down], 2) + middle
    return turned[:, 0].round().clamp(0, 255).to(torch.uint8), spots


def masks_sheet() -> Image.Image:
    """48 faces of seven emotions, eight in all kinds of poses for each of six kinds."""
    kinds = [kind for kind, drawer in KINDS.items() if drawer is not None]
    drawn = draw(COLUMNS * len(kinds), seed=21)
    turn = torch.tensor(TURNS).repeat(len(kinds))
    tilt = torch.tensor(TILTS).repeat(len(kinds)) * (math.pi / 180)
    images, points = pose(drawn.images, drawn.landmarks, turn, tilt)
    side = 48 + GAP
    sheet = np.full((side * len(kinds) + GAP, 2 * side * COLUMNS + GAP), 255, np.uint8)
    for row, kind in enumerate(kinds):
        part = slice(row * COLUMNS, (row + 1) * COLUMNS)
        worn = wear(images[part], points[part], kind, seed=row)
        pairs = torch.stack([images[part], worn.images], 1).flatten(0, 1).numpy()
        for column, image in enumerate(pairs):
            top, left = GAP + row * side, GAP + column * side
            sheet[top : top + 48, left : left + 48] = image
    height, width = sheet.shape
    picture = Image.new("L", (LABEL + width * ZOOM, height * ZOOM), 255)
    enlarged = Image.fromarray(sheet).resize(
        (width * ZOOM, height * ZOOM), Image.Resampling.NEAREST
    )
    picture.paste(enlarged, (LABEL, 0))
    for row, kind in enumerate(kinds):
        ImageDraw.Draw(picture).text((6, (row * side + 20) * ZOOM), kind, fill=0)
    return picture


SHEETS = {"masks_sheet.png": masks_sheet}


def main() -> None:
    for name, make in SHEETS.items():
        with atomic_path(IMG / name) as path:
            make().save(path, format="PNG", optimize=True)
        print(f"{IMG / name}: {(IMG / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
