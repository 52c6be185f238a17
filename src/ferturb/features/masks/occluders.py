"""Other things that hide a face: dark glasses, a hand, anything at random.

Drawn as face masks are (`ferturb.features.masks.wear`): from landmarks, in the face's frame, lit
by the face's own light, a layer each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ferturb.data.drawn.geometry import hump
from ferturb.features.masks.frame import Plane, Scalar
from ferturb.features.masks.geometry import EYES, Place
from ferturb.features.masks.keyed_random import KeyedRandom
from ferturb.features.masks.light import Layer, Light, smooth

Spot = tuple[Scalar, Scalar]
"""(X, Y) of one point per face in the face's frame."""

_GLASSES = {
    "wide": (0.06, 0.13),
    "tall": (0.08, 0.17),
    "round": (0.5, 1.0),
    "sink": (0.01, 0.07),
    "albedo": (0.0, 0.1),
    "sheen": (0.0, 0.4),
    "frame": (0.0, 0.35),
}
_HAND = {
    "x": (-0.32, 0.32),
    "y": (0.2, 0.85),
    "side": (0.0, 1.0),
    "lean": (-0.7, 0.7),
    "size": (0.85, 1.15),
    "spread": (0.0, 0.06),
    "tone": (0.92, 1.2),
}
_RANDOM = {
    "x": (-0.45, 0.45),
    "y": (-0.3, 1.0),
    "area": (0.12, 0.6),
    "aspect": (-0.8, 0.8),
    "round": (0.0, 1.0),
    "turn": (-1.0, 1.0),
    "albedo": (0.0, 1.1),
    "slope": (-0.3, 0.3),
    "texture": (0.0, 0.12),
}


def segment_distance(x: Plane, y: Plane, start: Spot, end: Spot) -> Plane:
    """Distance of each pixel to a straight piece from start to end."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    share = ((px * dx + py * dy) / (dx * dx + dy * dy).clamp_min(1e-8)).clamp(0.0, 1.0)
    qx, qy = px - share * dx, py - share * dy
    return (qx * qx + qy * qy).sqrt()


def glasses(face: Place, light: Light, random: KeyedRandom) -> tuple[Layer, ...]:
    """Dark glasses: two lenses over the eyes, a bridge and temples; a faint sheen."""
    draws = random.uniform(_GLASSES, 3)
    unit = face.frame.length
    lenses: list[Plane] = []
    inner: list[Spot] = []
    hinges: list[Spot] = []
    middle = face.points[:, 27, 0].view(-1, 1, 1)
    for eye in EYES:
        lids = face.points[:, list(eye)]
        low, high = lids.amin(dim=1), lids.amax(dim=1)
        cx, cy = ((low[:, i] + high[:, i]).view(-1, 1, 1) / 2 for i in range(2))
        rx = (high[:, 0] - low[:, 0]).view(-1, 1, 1) / 2 + draws["wide"]
        ry = torch.minimum((high[:, 1] - low[:, 1]).view(-1, 1, 1) / 2 + draws["tall"], rx * 0.95)
        ry = torch.maximum(ry, (high[:, 1] - low[:, 1]).view(-1, 1, 1) / 2 + 0.05)
        cy = cy + draws["sink"]
        lenses.append(_box(face.X - cx, face.Y - cy, rx, ry, draws["round"] * ry))
        toward = torch.sign(middle - cx)
        inner.append((cx + toward * rx * 0.95, cy - 0.3 * ry))
        hinges.append((cx - toward * rx * 0.95, cy - 0.4 * ry))
    lens = torch.minimum(*lenses)
    shape = torch.minimum(lens, segment_distance(face.X, face.Y, inner[0], inner[1]) - 0.022)
    for hinge, ear, side in zip(hinges, (0, 16), (0, 1), strict=True):
        px, py = (face.points[:, ear, i].view(-1, 1, 1) for i in range(2))
        thin = 0.05 * (face.visible[:, side].view(-1, 1, 1) - 0.55)
        temple = segment_distance(face.X, face.Y, hinge, (px, py - 0.05)) - thin.clamp_max(0.018)
        shape = torch.minimum(shape, torch.maximum(temple, face.outline / unit))
    sheen = draws["sheen"] * hump((face.X * 0.8 + face.Y + 0.1) / 0.22) * (lens < -0.03)
    rim = draws["frame"] * hump((lens + 0.012) / 0.03)
    albedo = draws["albedo"] + sheen + rim - 0.05 * (face.Y * 3).clamp(-1.0, 1.0)
    return (_layer(face, shape, light.grey(albedo.clamp_min(0.0)), 0.2),)


def hand(face: Place, light: Light, random: KeyedRandom) -> tuple[Layer, ...]:
    """A hand laid on the face: a palm and four fingers in the tone of its skin."""
    draws = random.uniform(_HAND, 4)
    # the hand comes from below or from one side: its axis points to the finger tips
    lean = torch.where(draws["side"] < 0.5, draws["lean"] - 0.9, draws["lean"] + 0.9)
    length = (1 + lean * lean).sqrt()
    ax, ay = lean / length, -1 / length
    dx, dy = (face.X - draws["x"]) / draws["size"], (face.Y - draws["y"]) / draws["size"]
    along, beside = dx * ax + dy * ay, dx * -ay + dy * ax
    tone = torch.zeros_like(along)
    zero = 0 * draws["size"]
    palm = _box(beside, along + 0.36, along.new_tensor(0.25), along.new_tensor(0.32), 0.2)
    arm = segment_distance(beside, along, (zero, zero - 0.6), (zero, zero - 2.0)) - 0.19
    shape = torch.minimum(palm, arm)
    fingers = ((0.34, -1.5), (0.46, -0.5), (0.43, 0.5), (0.28, 1.5), (0.02, 2.9))
    for reach, middle in fingers:
        root, low = middle * 0.115 + zero, -0.1 if middle < 2 else -0.45
        tip = (root + middle * draws["spread"], reach + zero)
        finger = segment_distance(beside, along, (root * 0.9, zero + low), tip) - 0.064
        edge = ((finger + 0.064) / 0.064).clamp(0.0, 1.0) ** 2
        tone = torch.where((finger < 0) & (along > -0.12), -0.16 * edge * edge, tone)
        shape = torch.minimum(shape, finger)
    for crease in (0.12, 0.26):
        tone = tone - 0.08 * hump((along - crease) / 0.02)
    rim = 0.12 * hump((shape + 0.01) / 0.04)
    grey = light.skin * draws["tone"] * (1 + tone - rim) * (0.97 + 0.1 * (along + 0.3))
    return (_layer(face, shape * draws["size"], grey.clamp_min(0.0), 0.45),)


def random_occluder(face: Place, light: Light, random: KeyedRandom) -> tuple[Layer, ...]:
    """A box, a disc or anything between, of any tone, somewhere on the face."""
    draws = random.uniform(_RANDOM, 5)
    half = (draws["area"] / 4).sqrt()
    stretch = (1 + draws["aspect"].abs()) ** 0.5
    rx = torch.where(draws["aspect"] > 0, half * stretch, half / stretch)
    ry = torch.where(draws["aspect"] > 0, half / stretch, half * stretch)
    norm = (1 + draws["turn"] * draws["turn"]).sqrt()
    dx, dy = (face.X - draws["x"]) / norm, (face.Y - draws["y"]) / norm
    px, py = dx - draws["turn"] * dy, dy + draws["turn"] * dx
    shape = _box(px, py, rx, ry, draws["round"] * torch.minimum(rx, ry))
    h, w = face.X.shape[1:]
    texture = draws["texture"] * smooth(random.noise(h, w, 5)) * 2.5
    albedo = draws["albedo"] * (1 + draws["slope"] * (px + py) / half) + texture
    return (_layer(face, shape, light.grey(albedo.clamp_min(0.0)), 0.3),)


def _box(x: Plane, y: Plane, rx: Tensor, ry: Tensor, corner: Tensor | float) -> Plane:
    """Signed distance to a box of half sides rx, ry with round corners."""
    qx, qy = x.abs() - rx + corner, y.abs() - ry + corner
    out_x, out_y = qx.clamp_min(0.0), qy.clamp_min(0.0)
    return (out_x * out_x + out_y * out_y).sqrt() + torch.maximum(qx, qy).clamp_max(0.0) - corner


def _layer(face: Place, shape: Plane, grey: Plane, shadow: float) -> Layer:
    """A layer from a signed distance in the face's length and its brightness in even light."""
    distance = shape * face.frame.length
    cover = (0.5 - distance).clamp(0.0, 1.0)
    field = 1 - 0.12 * face.across * face.across  # even light that falls off to the sides
    return Layer(cover, grey * (0.15 + 0.85 * field) * cover, distance, shadow)
