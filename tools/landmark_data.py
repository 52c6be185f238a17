"""Labelled faces for the landmark network, and what is done to them in training and measuring.

The labels are `fer2013_landmarks.npz`: for every file of `fer2013.zip` the 468 vertices of
MediaPipe's face mesh, fitted to several crops of the face, with the mesh's own score and the
spread of the fits. Where the fits disagree the label is not trusted: it counts less in training,
and not at all in measuring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_images, as_input
from ferturb.data.sources import load_faces
from ferturb.features.points import FLIP, GROUPS, MESH

SIDE = 48
RIGHT_WITHIN = 2.0
"""A face's landmarks are called right when its inner points are off by less than this on average,
in pixels of a 48×48 face (a ninth of the distance between the eyes)."""
_GRID = torch.stack(torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="xy"), 2)
_LEFT, _RIGHT = list(GROUPS["left_eye"]), list(GROUPS["right_eye"])


@dataclass(frozen=True)
class Labelled:
    """Faces with landmark labels: uint8 (n, 48, 48), float (n, points, 2), float (n,) each."""

    images: Tensor
    points: Tensor
    score: Tensor
    spread: Tensor

    def select(self, index: Tensor) -> Labelled:
        return Labelled(
            self.images[index], self.points[index], self.score[index], self.spread[index]
        )

    def trusted(self) -> Labelled:
        """Score above 0.9 and fits within 1 pixel of each other."""
        return self.select((self.score > 0.9) & (self.spread < 1.0))

    def weights(self) -> Tensor:
        """How far each label counts in training: 1 up to a spread of 0.5 px, 0 from 2.5 px on."""
        return ((2.5 - self.spread) / 2.0).clamp(0, 1) * (self.score > 0.5)


def load(folder: Path, split: str) -> Labelled:
    """The labelled faces of one split; faces the mesh did not find are left out."""
    faces = load_faces(DatasetConfig(source=str(folder / "fer2013.zip")))
    table = np.load(folder / "fer2013_landmarks.npz")
    row = {name: i for i, name in enumerate(table["names"].tolist())}
    missing = [name for name in faces.names if name not in row]
    if missing:
        raise FerturbError(f"no landmark label for {missing[0]}; labels and zip do not match")
    chosen = faces.split(split)
    rows = [row[name] for name in chosen.names]
    points = torch.from_numpy(table["points"][rows][:, list(MESH)].astype(np.float32))
    found = points.isfinite().flatten(1).all(1)
    score = torch.from_numpy(table["score"][rows].astype(np.float32))
    spread = torch.from_numpy(table["spread"][rows].astype(np.float32))
    return Labelled(chosen.images, points, score, spread).select(found)


def moved(
    faces: Tensor,
    points: Tensor,
    angle: Tensor,
    zoom: Tensor | None = None,
    shift: Tensor | None = None,
    mirror: Tensor | None = None,
    padding: str = "zeros",
) -> tuple[Tensor, Tensor]:
    """Faces (b, 1, 48, 48) mirrored, rolled clockwise by angle (b,), zoomed and shifted (px)."""
    b = len(faces)
    if mirror is not None:
        faces = torch.where(mirror[:, None, None, None], faces.flip(3), faces)
        swapped = points[:, list(FLIP)] * points.new_tensor([-1.0, 1.0]) + points.new_tensor(
            [SIDE - 1.0, 0.0]
        )
        points = torch.where(mirror[:, None, None], swapped, points)
    zoom = torch.ones(b) if zoom is None else zoom
    shift = torch.zeros(b, 2) if shift is None else shift
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    centre = (SIDE - 1) / 2
    placed = (points - centre) @ (turn * zoom[:, None, None]).transpose(1, 2)
    placed = placed + centre + shift[:, None]
    back = turn.transpose(1, 2) / zoom[:, None, None]
    half = SIDE / 2
    offset = -(back @ shift.unsqueeze(2)) / half
    grid = F.affine_grid(torch.cat([back, offset], 2), [b, 1, SIDE, SIDE], align_corners=False)
    faces = F.grid_sample(faces, grid, "bilinear", padding, align_corners=False)
    return faces, placed


def inside_polygon(corners: Tensor) -> Tensor:
    """Corners (b, k, 2) -> bool (b, 48, 48), by counting crossings."""
    x, y = _GRID[..., 0], _GRID[..., 1]
    odd = torch.zeros(len(corners), SIDE, SIDE, dtype=torch.bool)
    following = corners.roll(-1, 1)
    for k in range(corners.shape[1]):
        x0, y0 = corners[:, k, :, None, None].unbind(1)
        x1, y1 = following[:, k, :, None, None].unbind(1)
        cross = x0 + (y - y0) * (x1 - x0) / torch.where(y1 == y0, 1.0, y1 - y0)
        odd ^= ((y0 > y) != (y1 > y)) & (x < cross)
    return odd


def worn_mask(faces: Tensor, points: Tensor, g: torch.Generator) -> Tensor:
    """A crude face mask: a shaded polygon from the cheeks and the bridge down to the chin."""
    b = len(faces)
    jaw = points[:, list(GROUPS["jaw"])[1:16]]
    height = torch.rand(b, 1, generator=g)
    ridge, bridge = points[:, list(GROUPS["nose_ridge"])], points[:, list(GROUPS["bridge"])]
    nose = torch.lerp(bridge[:, 0], ridge[:, 2], height)
    left, right = points[:, list(GROUPS["left_cheek"])], points[:, list(GROUPS["right_cheek"])]
    sink = 0.6 * height
    tops = [
        torch.lerp(right[:, 2], right[:, 0], sink),
        torch.lerp(right[:, 3], right[:, 0], sink),
        nose,
        torch.lerp(left[:, 3], left[:, 0], sink),
        torch.lerp(left[:, 2], left[:, 0], sink),
    ]
    centre = points[:, GROUPS["outer_lips"][3]][:, None]
    wide = 1.0 + 0.12 * torch.rand(b, 1, 1, generator=g)
    corners = torch.cat([centre + (jaw - centre) * wide, torch.stack(tops, 1)], 1)
    corners = corners + 0.5 * torch.randn(corners.shape, generator=g)
    shade = 0.1 + 0.85 * torch.rand(b, 1, 1, 1, generator=g).sqrt()
    slope = 0.35 * (torch.rand(b, 2, generator=g) - 0.5)
    light = ((_GRID - SIDE / 2) / SIDE * slope[:, None, None]).sum(3)[:, None]
    wave = torch.rand(b, 3, generator=g)
    phase = (_GRID * (wave[:, None, None, :2] - 0.3)).sum(3)[:, None]
    stripes = 0.08 * (wave[:, 2, None, None, None] > 0.5) * torch.sin(2.2 * phase)
    grain = 0.03 * torch.randn(b, 1, SIDE, SIDE, generator=g)
    cloth = (shade + light + stripes + grain).clamp(0, 1)
    return torch.where(inside_polygon(corners)[:, None], cloth, faces)


def ellipse(centre: Tensor, radii: Tensor, angle: Tensor) -> Tensor:
    """Bool (b, 48, 48) inside ellipses: centre (b, 2), radii (b, 2), turned by angle (b,)."""
    d = _GRID - centre[:, None, None]
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    u = (cos * d[..., 0] + sin * d[..., 1]) / radii[:, 0, None, None]
    v = (cos * d[..., 1] - sin * d[..., 0]) / radii[:, 1, None, None]
    return u.square() + v.square() < 1


def hidden_eye(
    faces: Tensor, points: Tensor, g: torch.Generator, both: float = 0.0, least: float = 0.32
) -> Tensor:
    """One eye (both, with that probability) under an ellipse of one shade and some noise."""
    b = len(faces)
    left, right = points[:, _LEFT].mean(1), points[:, _RIGHT].mean(1)
    across = right - left
    distance = across.norm(dim=1, keepdim=True).clamp_min(6.0)
    angle = torch.atan2(across[:, 1], across[:, 0])
    size = torch.tensor([least + 0.08, least - 0.04]) + 0.2 * torch.rand(b, 2, generator=g)
    draw = torch.rand(b, generator=g)
    covers = [ellipse(c, size * distance, angle) for c in (left, right)]
    two = (torch.rand(b, generator=g) < both)[:, None, None]
    first = (draw < 0.5)[:, None, None]
    hidden = (covers[0] & (first | two)) | (covers[1] & (~first | two))
    shade = torch.rand(b, 1, 1, 1, generator=g).square() * 0.9
    cover = (shade + 0.04 * torch.randn(b, 1, SIDE, SIDE, generator=g)).clamp(0, 1)
    return torch.where(hidden[:, None], cover, faces)


def occluded(faces: Tensor, g: torch.Generator) -> Tensor:
    """An ellipse anywhere, filled with one shade, noise, or a piece of another face."""
    b = len(faces)
    centre = torch.rand(b, 2, generator=g) * SIDE
    radii = 4 + 11 * torch.rand(b, 2, generator=g)
    hidden = ellipse(centre, radii, math.pi * torch.rand(b, generator=g))
    shade = torch.rand(b, 1, 1, 1, generator=g)
    noise = torch.randn(b, 1, SIDE, SIDE, generator=g)
    other = faces.roll(1, 0).flip(2)
    lot = torch.rand(b, 1, 1, 1, generator=g)
    fill = torch.where(lot < 0.4, shade + 0.03 * noise, shade + 0.25 * noise)
    fill = torch.where(lot < 0.65, fill, other)
    return torch.where(hidden[:, None], fill.clamp(0, 1), faces)


def lit(faces: Tensor, g: torch.Generator) -> Tensor:
    """Gamma, gain, light from one side, blur and noise."""
    b = len(faces)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g)

    gamma = torch.exp(draw(b, 1, 1, 1) - 0.5)
    gain = torch.exp(0.5 * (draw(b, 1, 1, 1) - 0.5))
    side = 1.2 * (draw(b, 2) - 0.5) * (draw(b, 1) < 0.5)
    light = 1 + ((_GRID / SIDE - 0.5) * side[:, None, None]).sum(3)[:, None]
    faces = (faces.clamp_min(1e-3) ** gamma * gain * light).clamp(0, 1)
    kernel = torch.exp(-torch.arange(-2.0, 3.0).square() / 3.0)
    kernel = kernel / kernel.sum()
    soft = F.pad(faces, (2, 2, 2, 2), mode="replicate")
    soft = F.conv2d(F.conv2d(soft, kernel.view(1, 1, 1, 5)), kernel.view(1, 1, 5, 1))
    share = (draw(b, 1, 1, 1) - 0.5).clamp_min(0) * 2
    noise = torch.randn(b, 1, SIDE, SIDE, generator=g)
    strength = 0.16 * (draw(b, 1, 1, 1) - 0.5).clamp_min(0)
    return (torch.lerp(faces, soft, share) + strength * noise).clamp(0, 1)


def augmented(images: Tensor, points: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """One training batch: uint8 (b, 48, 48) -> float (b, 1, 48, 48), and where its points went."""
    b = len(images)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g)

    faces = as_input(images)
    wide = torch.pi * (draw(b) - 0.5)
    angle = torch.where(draw(b) < 0.5, 0.2 * torch.randn(b, generator=g), wide)
    zoom = torch.exp(0.7 * (draw(b) - 0.55))
    shift = torch.where(draw(b, 1) < 0.7, 2.0, 5.0) * torch.randn(b, 2, generator=g)
    padding = ("zeros", "border", "reflection")[int(torch.randint(3, (1,), generator=g))]
    faces, points = moved(faces, points, angle, zoom, shift.clamp(-12, 12), draw(b) < 0.5, padding)
    lot = draw(b)
    parts = (
        (lot < 0.22, lambda f, p: worn_mask(f, p, g)),
        ((lot >= 0.22) & (lot < 0.38), lambda f, p: hidden_eye(f, p, g, both=0.25, least=0.25)),
        ((lot >= 0.38) & (lot < 0.62), lambda f, p: occluded(f, g)),
    )
    for chosen, hide in parts:
        faces[chosen] = hide(faces[chosen], points[chosen])
    return lit(faces, g), points


CONDITIONS = ("as they are", "rolled up to 60°", "synthetic mask", "hidden eye")


def under(condition: str, data: Labelled, seed: int) -> tuple[Tensor, Tensor]:
    """All faces of `data` in one of `CONDITIONS`, or "augmented" as in training.

    Returns uint8 (n, 48, 48) and where the points are now.
    """
    g = torch.Generator().manual_seed(seed)
    faces, points = as_input(data.images), data.points
    if condition == CONDITIONS[1]:
        angle = math.radians(60) * (2 * torch.rand(len(faces), generator=g) - 1)
        faces, points = moved(faces, points, angle)
    elif condition == CONDITIONS[2]:
        faces = worn_mask(faces, points, g)
    elif condition == CONDITIONS[3]:
        faces = hidden_eye(faces, points, g)
    elif condition == "augmented":
        faces, points = augmented(data.images, points, g)
    return as_images(faces), points
