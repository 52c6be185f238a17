"""What face masks are made of: pleats, seams, patterns and cups on the (u, v) grid.

Each texture gives the share of light its surface reflects, per pixel at twice the image's
resolution, so that thin lines and edges come out anti-aliased.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ferturb.data.drawn.geometry import hump
from ferturb.features.masks.frame import Plane, Scalar
from ferturb.features.masks.geometry import Place, Seat
from ferturb.features.masks.keyed_random import Draws


@dataclass(frozen=True)
class Cloth:
    """The surface of a mask, per pixel at twice the image's resolution."""

    distance: Plane
    """Signed distance to the outline in image pixels, negative inside."""
    across: Plane
    u: Plane
    v: Plane
    pixel: Scalar
    """One image pixel in units of the face's length."""

    def line(self, offset: Plane, width: float) -> Plane:
        """A soft line where `offset` (in the face's length) is 0, at least a pixel wide."""
        return hump(offset / torch.maximum(self.pixel * 0.9, width + 0 * self.pixel))


SURGICAL: Mapping[str, tuple[float, float]] = {
    "bridge": (0.3, 0.55),
    "corner": (1.1, 1.9),
    "reach": (0.84, 0.93),
    "drop": (0.03, 0.09),
    "pad": (0.015, 0.03),
    "under_eye": (0.05, 0.09),
    "albedo": (0.98, 1.18),
    "pleat": (0.3, 0.36),
    "spacing": (0.15, 0.2),
    "depth": (0.8, 1.5),
    "crumple": (0.02, 0.06),
    "wire": (0.4, 1.0),
}
CLOTH: Mapping[str, tuple[float, float]] = {
    "bridge": (0.2, 0.5),
    "corner": (1.0, 2.1),
    "reach": (0.86, 0.96),
    "drop": (0.02, 0.07),
    "pad": (0.01, 0.03),
    "under_eye": (0.05, 0.09),
    "albedo": (0.03, 1.05),
    "second": (0.0, 1.0),
    "pattern": (0.0, 1.0),
    "turn": (-0.5, 0.5),
    "period": (0.13, 0.26),
    "phase": (0.0, 1.0),
    "seam": (0.3, 1.0),
    "crumple": (0.02, 0.09),
}
N95: Mapping[str, tuple[float, float]] = {
    "bridge": (0.22, 0.4),
    "corner": (1.7, 2.5),
    "reach": (0.66, 0.78),
    "drop": (0.04, 0.08),
    "pad": (0.035, 0.055),
    "under_eye": (0.06, 0.1),
    "albedo": (0.95, 1.15),
    "fold": (-1.0, 1.0),
    "clip": (0.35, 0.8),
    "valve": (-1.4, 0.6),
    "crumple": (0.01, 0.03),
    "tint": (0.0, 1.0),
}
"""What varies from mask to mask, each uniform between two bounds."""


def cloth(face: Place, placed: Seat) -> Cloth:
    """A mask's surface from its place on the faces."""
    maps = torch.stack([placed.distance, face.across, face.u, placed.v])
    distance, across, u, v = double(maps)
    return Cloth(distance, across, u, v, 1 / face.frame.length)


def double(planes: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h2 w2"]:
    """Twice the resolution, linear between pixel centres, carried on at the edges."""
    for dim in (-2, -1):
        size = planes.shape[dim]
        first, last = planes.narrow(dim, 0, 1), planes.narrow(dim, size - 1, 1)
        before = torch.cat([first, planes.narrow(dim, 0, size - 1)], dim)
        after = torch.cat([planes.narrow(dim, 1, size - 1), last], dim)
        pair = [planes + (before - planes) / 4, planes + (after - planes) / 4]
        planes = torch.stack(pair, dim).flatten(dim - 1, dim)
    return planes


def halve(planes: Float[Tensor, "*b h2 w2"]) -> Float[Tensor, "*b h w"]:
    """The mean of each 2×2 pixels."""
    rows = planes[..., ::2, :] + planes[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def relief(c: Cloth) -> Plane:
    """Light on the tent a mask makes: nose and chin stand out, the rest falls away."""
    around = 1 - 0.2 * c.across * c.across
    under = 1 - 0.2 * ((c.v - 0.62) / 0.38).clamp(0.0, 1.0) ** 2
    ridge = 0.07 * hump(c.across / 0.4) * hump((c.v - 0.3) / 0.42)
    beside = 0.05 * hump((c.across.abs() - 0.42) / 0.3) * hump((c.v - 0.2) / 0.3)
    return around * under + ridge - beside


def surgical(c: Cloth, draws: Draws) -> Plane:
    """Three pleats that fold downwards, a wire over the nose, a bound edge."""
    shade = torch.zeros_like(c.v)
    for k in range(3):
        offset = c.v - (draws["pleat"] + k * draws["spacing"]) - 0.02 * c.across * c.across
        shade = shade - 0.17 * c.line(offset - 0.012, 0.035)
        shade = shade + 0.07 * c.line(offset + 0.035, 0.05)
    shade = shade * draws["depth"]
    wire = hump(c.across / 0.55)
    shade = shade + draws["wire"] * wire * 0.06 * c.line(c.v - 0.055, 0.03)
    shade = shade - draws["wire"] * wire * 0.11 * c.line(c.v - 0.105, 0.025)
    shade = shade - 0.07 * c.line(c.distance * c.pixel + 0.06, 0.02)
    return draws["albedo"] + shade


def stitched(c: Cloth, draws: Draws) -> Plane:
    """Plain, striped, checked or dotted cloth with a seam down the middle and hems."""
    albedo, second = draws["albedo"], _second(draws["albedo"], draws["second"])
    share = _pattern(c, draws)
    shade = albedo + (second - albedo) * share
    seam = draws["seam"] * hump((c.v - 0.5) / 0.62)
    shade = shade * (1 - 0.34 * seam * c.line(c.u * 0.6, 0.018))
    shade = shade + 0.06 * seam * (c.line(c.u * 0.6 - 0.04, 0.03) + c.line(c.u * 0.6 + 0.04, 0.03))
    hem = c.distance * c.pixel
    return shade * (1 - 0.2 * c.line(hem + 0.065, 0.018))


def _second(albedo: Scalar, draw: Scalar) -> Scalar:
    """The pattern's other tone: at least 0.2 away, lighter or darker where there is room."""
    darker = albedo - 0.2 - draw * (albedo - 0.25).clamp_min(0.0)
    lighter = albedo + 0.2 + draw * (0.7 - albedo).clamp_min(0.0)
    return torch.where(albedo > 0.5, darker, lighter).clamp(0.02, 1.0)


def _pattern(c: Cloth, draws: Draws) -> Plane:
    """Share of the second tone: a pattern at random, plain for almost half of the masks."""
    x, y = c.u * 0.62, c.v * 0.8
    kind = draws["pattern"]
    turn = torch.where(kind < 0.72, draws["turn"] * 0.3, draws["turn"])
    x, y = x + turn * y, y - turn * x
    p, q = x / draws["period"] + draws["phase"], y / draws["period"] + draws["phase"]
    blunt = (draws["period"] / c.pixel / 3).clamp(0.6, 3.0)
    bars, rows = _wave(p, blunt), _wave(q, blunt)
    near_p, near_q = _to_middle(p), _to_middle(q)
    dots = ((0.3 - (near_p * near_p + near_q * near_q).sqrt()) * 3 * blunt + 0.5).clamp(0.0, 1.0)
    share = torch.where(kind < 0.58, bars, rows)
    share = torch.where(kind < 0.72, share, (bars + rows) / 2)
    share = torch.where(kind < 0.87, share, dots)
    share = torch.where(kind < 0.45, 0.0, share)
    far = (c.u.abs() - 0.55).clamp_min(0.0) * 1.6  # too fine for the pixels towards the sides
    mean = torch.where(kind < 0.87, 0.5, 0.28) * (kind >= 0.45)
    return share + (mean - share) * far.clamp_max(1.0)


def _to_middle(x: Plane) -> Plane:
    return x - x.floor() - 0.5


def _wave(x: Plane, blunt: Scalar) -> Plane:
    """0 and 1 in turn with slopes between, period 1."""
    return ((_to_middle(x).abs() - 0.25) * 2 * blunt + 0.5).clamp(0.0, 1.0)


def cup(c: Cloth, draws: Draws) -> Plane:
    """A stiff cup: bright before the mouth and darker to its rim, a clip over the nose."""
    out = (c.across / 0.85) ** 2 + ((c.v - 0.5) / 0.62) ** 2
    shade = draws["albedo"] * (1.02 - 0.22 * out.clamp_max(1.3))
    rim = c.distance * c.pixel
    shade = shade * (1 - 0.13 * c.line(rim + 0.085, 0.022)) + 0.05 * c.line(rim + 0.03, 0.03)
    fold = (draws["fold"] > 0.2) * hump(c.across / 0.9)
    shade = shade * (1 - fold * 0.2 * c.line(c.v - 0.5, 0.022))
    shade = shade + fold * 0.07 * c.line(c.v - 0.45, 0.04)
    clip = ((0.34 - c.across.abs()) * 8).clamp(0.0, 1.0) * c.line(c.v - 0.11, 0.035)
    shade = shade + (draws["clip"] - shade) * 0.7 * clip
    return shade + (0.72 - shade) * _valve(c, draws)


def _valve(c: Cloth, draws: Draws) -> Plane:
    """A breathing valve on one side of some masks: a disc with a dark rim."""
    x, y = (c.u - draws["valve"]) * 0.62, (c.v - 0.55) * 0.8
    far = (x * x + y * y).sqrt()
    there = (draws["valve"] > -0.45).float() * (draws["valve"].abs() > 0.2)
    disc = ((0.1 - far) / c.pixel * 1.2 + 0.5).clamp(0.0, 1.0)
    return there * (0.25 * disc + 0.75 * c.line(far - 0.1, 0.022))
