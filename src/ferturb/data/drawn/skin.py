"""The skin of a synthetic face: a relief under one light, and the creases in it."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ferturb.data.drawn.canvas import Canvas
from ferturb.data.drawn.geometry import Plane, beside_nose, hump, nose_axis, nose_base


def lighting(c: Canvas) -> Plane:
    """Light on the face's relief, about 0 … 1.2."""
    t = c.s.traits
    slope_u, slope_v = _relief(c)
    nu, nv = c.u / (1.2 * t["face_w"]), (c.jaw - 1.0) / 33.0
    nz = (1 - nu * nu - nv * nv).clamp(min=0.08).sqrt()
    nu, nv = nu - slope_u, nv - slope_v
    lz = 1.15
    length = torch.rsqrt(t["light_u"] ** 2 + t["light_v"] ** 2 + lz**2)
    toward = (nu * t["light_u"] + nv * t["light_v"] + nz * lz) * length
    lit = (toward * torch.rsqrt(nu * nu + nv * nv + nz * nz)).clamp(min=0.0)
    return t["ambient"] + (1.12 - t["ambient"]) * lit


def _relief(c: Canvas) -> tuple[Plane, Plane]:
    """Slope of the relief (nose, cheeks, sockets, chin) along u and v."""
    t, a = c.s.traits, c.s.units
    out, side = c.u.abs(), torch.sign(c.u)
    ridge = c.u - nose_axis(c.s, c.v)
    tip = t["nose_v"] - 2.0
    middle = [
        _bump(ridge, c.v - 3.6, 2.5, 8.0, 0.85 * t["nose_relief"]),
        _bump(ridge, c.v - tip, 2.9, 2.9, 1.25 * t["nose_relief"]),
        _bump(c.u, c.jaw - t["chin_v"] + 3.9, 5.0, 3.6, 0.8 + 1.0 * a[17]),
        _bump(c.u, c.v + 13.0, 12.0, 7.0, 1.2),
    ]
    wing = (ridge.abs() - t["nose_w"] + 1.3, c.v - nose_base(c.s) + 0.9)
    cheek = t["cheekbone"] + 0.6 * (a[12] + a[6]) * beside_nose(c.s, c.u, c.v)
    pairs = [
        _bump(*wing, 1.7, 1.9, torch.full_like(cheek, 0.55)),
        _bump(out - 12.0, c.v - 9.2, 5.6, 5.0, cheek),
        _bump(out - t["eye_x"] + 0.6, c.v + 0.4, 6.6, 4.6, torch.full_like(cheek, -1.35)),
        _bump(out - 8.5, c.v - t["brow_v"] - 0.4, 8.0, 2.8, torch.full_like(cheek, 0.45)),
    ]
    slope_u = functools.reduce(torch.add, [b[0] for b in middle])
    slope_u = slope_u + side * functools.reduce(torch.add, [b[0] for b in pairs])
    slope_v = functools.reduce(torch.add, [b[1] for b in [*middle, *pairs]])
    return slope_u, slope_v


def _bump(
    du: Plane, dv: Plane, ru: float, rv: float, height: float | Tensor
) -> tuple[Plane, Plane]:
    """Slope of height·hump(r) with radii ru, rv."""
    rest = (1 - (du / ru) ** 2 - (dv / rv) ** 2).clamp(min=0.0) * (-4.0 * height)
    return rest * du / ru**2, rest * dv / rv**2


def creases(c: Canvas) -> Plane:
    """Darkness of folds and wrinkles, from age and action units, 0 … about 0.5."""
    t, a = c.s.traits, c.s.units
    out, old = c.u.abs(), t["age"]
    dark = torch.zeros_like(c.v)
    # nasolabial fold: wing of the nose to the corner of the mouth (AU 12, 9, age)
    start, end = t["nose_v"] - 3.4, t["mouth_v"] - 0.2
    x = (c.v - start) / (end - start)
    fold = t["nose_w"] + 1.5 + (t["mouth_w"] + 1.6 - t["nose_w"]) * x.clamp(0, 1) ** 1.2
    smile = a[12] * x * beside_nose(c.s, c.u, c.v)
    amount = 0.03 + 0.1 * old + 0.36 * smile + 0.46 * a[9] * (1 - 2.3 * x).clamp(min=0.0)
    inside = hump(2 * x - 1).sqrt()
    dark = dark + amount * inside * c.stroke(out - fold, 0.75)
    dark = dark - 0.5 * amount * inside * c.stroke(out - fold - 1.7, 1.0)
    # lines of the forehead (AU 1 in the middle, AU 2 at the sides)
    raise_ = a[1] * hump(c.u / 9.0) + a[2] * hump((out - 9.5) / 7.0)
    for k, strength in ((0, 0.9), (1, 1.0), (2, 0.7)):
        line = c.v - t["brow_v"] + 4.9 + 2.1 * k - 0.008 * c.u * c.u
        window = hump(c.u / 15.0)
        dark = dark + strength * (0.06 * old * window + 0.3 * raise_) * c.stroke(line, 0.5)
    # frown lines between the brows (AU 4)
    tall = hump((c.v - t["brow_v"] - 0.9) / 3.6)
    dark = dark + (0.04 * old + 0.36 * a[4]) * tall * c.stroke(out - 1.4 + 0.06 * c.v, 0.4)
    # wrinkles across the root of the nose (AU 9)
    for height in (0.4, 2.2, 4.0):
        line = c.v - height + 0.35 * out
        dark = dark + 0.4 * a[9] * hump(out / 2.5) * c.stroke(line, 0.5)
    # the cheek pushed up under the eye, and crow's feet (AU 6)
    bag = c.v - 3.2 + 0.055 * (out - t["eye_x"]) ** 2 + 0.5 * a[6]
    under = hump((out - t["eye_x"]) / 6.0) * beside_nose(c.s, c.u, c.v)
    dark = dark + (0.05 + 0.1 * old + 0.26 * a[6]) * under * c.stroke(bag, 0.65)
    beside = out - t["eye_x"] - t["eye_w"] - 2.2
    for tilt in (-0.5, 0.0, 0.5):
        ray = c.v - tilt * (beside + 2.2) + 0.1
        dark = dark + (0.03 * old + 0.3 * a[6]) * hump(beside / 1.9) * c.stroke(ray, 0.35)
    # dimpled chin (AU 17)
    chin = hump(c.u / 3.5) * c.stroke(c.jaw - t["chin_v"] + 6.0 - 0.08 * c.u * c.u, 0.6)
    return (dark + 0.35 * a[17] * chin).clamp(-0.3, 0.6)
