"""What holds a face mask: cords from its corners to the ears or around the head."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ferturb.features.masks.frame import Scalar
from ferturb.features.masks.geometry import Place, Seat
from ferturb.features.masks.keyed_random import Draws
from ferturb.features.masks.light import Layer, Light
from ferturb.features.masks.occluders import segment_distance

LOOP_WIDTH, BAND_WIDTH = 0.010, 0.022
"""Half the widths of an ear loop and of a head band, in the face's length."""
LOOP_ALBEDO = 0.8
"""How bright a loop is, relative to its mask."""
BAND_DARK, BAND_BRIGHT, BAND_SPREAD = 0.25, 0.6, 0.3
"""The least albedo of dark and of bright bands, and how much either varies."""
BAND_LIFT = 0.12
"""How far above the ear the upper band ends, in the face's length."""
LOWER_LIFT = 0.3
"""How far the lower one is lifted, relative to it."""
THICKEST = 0.8
"""The share of a pixel that a cord covers at most."""


def ear_loops(face: Place, light: Light, draws: Draws, placed: Seat) -> Layer:
    """Two thin cords on each side, from the corners to the root of the ear."""
    ears = torch.stack([face.points[:, [0, 2]], face.points[:, [16, 14]]], dim=1)
    return _cords(face, light, placed, ears, LOOP_WIDTH, draws["albedo"] * LOOP_ALBEDO)


def head_bands(face: Place, light: Light, draws: Draws, placed: Seat) -> Layer:
    """The straps of an N95: wider, up over the ear and down to the neck."""
    p = face.points
    high = torch.stack([p[:, 0], p[:, 16]], dim=1)
    low = torch.stack([p[:, 3], p[:, 13]], dim=1)
    lift = high.new_tensor([0.0, BAND_LIFT])
    ends = torch.stack([high - lift, low - LOWER_LIFT * lift], dim=2)
    tint = draws["tint"]
    dark, bright = BAND_DARK + BAND_SPREAD * tint, BAND_BRIGHT + BAND_SPREAD * tint
    tone = torch.where(tint < 0.5, dark, bright)
    return _cords(face, light, placed, ends, BAND_WIDTH, tone)


def _cords(
    face: Place,
    light: Light,
    placed: Seat,
    ends: Float[Tensor, "n 2 2 2"],
    width: float,
    albedo: Scalar,
) -> Layer:
    """Cords from the mask's corners to other points, (n, 2 sides, 2, 2).

    They are drawn on the face alone, fade on a cheek that turns away, and spare the eyes.
    """
    unit = face.frame.length
    cover = torch.zeros_like(face.X)
    for side in range(2):
        seen = face.visible[:, side].view(-1, 1, 1)
        for k in range(2):
            a, b = placed.corners[:, side, k], ends[:, side, k]
            ax, ay, bx, by = (t.view(-1, 1, 1) for t in (*a.T, *b.T))
            far = segment_distance(face.X, face.Y, (ax, ay), (bx, by)) - width
            cover = torch.maximum(cover, seen * (0.55 - far * unit).clamp(0.0, THICKEST))
    cover = cover * (1.0 - face.outline).clamp(0.0, 1.0) * (0.5 - placed.eyes).clamp(0.0, 1.0)
    grey = light.grey(albedo) * light.field * cover
    return Layer(cover, grey, torch.full_like(cover, 99.0), shadow=0.0)
