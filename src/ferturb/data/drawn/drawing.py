"""Drawing synthetic faces: geometry -> pixels, whole batches at a time.

The face is a relief of smooth bumps under one light, with eyes, brows, lips, hair and glasses
painted over it back to front. Every edge is anti-aliased from its distance in the face's frame,
and every mark that an action unit makes has compact support, so that the unit changes pixels in
the regions of its facial features and nowhere else.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ferturb.data.drawn.canvas import Canvas
from ferturb.data.drawn.geometry import (
    Plane,
    Subject,
    brow_line,
    eye_lids,
    head_distance,
    hump,
    mouth_edges,
    nose_axis,
    nose_base,
)
from ferturb.data.drawn.skin import creases, lighting


def paint(c: Canvas) -> tuple[Plane, Bool[Tensor, "b h w"]]:
    """(image in about [0, 1] before the camera, the pixels in which any of the face shows)."""
    t = c.s.traits
    light = lighting(c)
    image = _backdrop(c)
    image = _hair_behind(c, image)
    image = _neck_and_ears(c, image)
    skin = t["skin"] * light * (1 + 0.03 * c.noise["skin"]) * (1 - creases(c))
    skin = _beard(c, skin)
    skin = _nose(c, skin)
    skin = _mouth(c, skin, light)
    skin = _eyes(c, skin, light)
    skin = _brows(c, skin)
    outline = c.cover(c.head)
    image = torch.lerp(image, skin, outline)
    hair = _hair_cover(c)
    image = torch.lerp(image, _hair_color(c), hair)
    image = _glasses(c, image)
    return image, (outline > 0) & (hair < 1)


def camera(image: Plane, s: Subject, grain: Plane, blur: bool = True) -> Float[Tensor, "b h w"]:
    """Exposure, contrast, a three-tap blur (it reaches one pixel) and the sensor's noise."""
    t = s.traits
    image = image.clamp(0.0, 1.0) ** t["gamma"]
    if blur:
        edge = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
        side = t["blur"]
        rows = edge[:, 1:-1] * (1 - 2 * side) + (edge[:, 2:] + edge[:, :-2]) * side
        image = rows[..., 1:-1] * (1 - 2 * side) + (rows[..., 2:] + rows[..., :-2]) * side
    image = (image - 0.48) * t["contrast"] + 0.48 + t["brightness"]
    return (image + t["grain"] * grain).clamp(0.0, 1.0)


def _nose(c: Canvas, skin: Plane) -> Plane:
    """Nostrils, the fold around the wings, and the shadow under the tip."""
    t = c.s.traits
    u, base = c.u - nose_axis(c.s, c.v), nose_base(c.s)
    out = u.abs()
    under = hump(u / (t["nose_w"] + 0.4)) * hump((c.v - base - 0.9) / 1.6)
    skin = skin * (1 - 0.3 * under)
    hole = hump((out - 0.47 * t["nose_w"]) / 1.25) * hump((c.v - base + 0.1) / 0.95)
    wing = hump((out - t["nose_w"] + 0.15) / 0.85) * hump((c.v - base + 0.9) / 1.8)
    return skin * (1 - 0.6 * hole) * (1 - 0.3 * wing)


def _eyes(c: Canvas, skin: Plane, light: Plane) -> Plane:
    t, a = c.s.traits, c.s.units
    out = c.u.abs() - t["eye_x"]
    up, low = eye_lids(c.s, out)
    inside = torch.maximum(up - c.v, c.v - low) / (1 + 0.5 * (out / t["eye_w"]) ** 2)
    inside = torch.maximum(inside, out.abs() - t["eye_w"] - 0.2)
    gaze = c.u - torch.sign(c.u) * t["eye_x"] - t["gaze_u"]
    rise = c.v - t["gaze_v"] + 0.25
    far = torch.hypot(gaze, rise)
    ball = (0.62 + 0.32 * hump(out / (1.25 * t["eye_w"]))) * (0.45 + 0.55 * light)
    ball = ball * (1 - 0.35 * hump((c.v - up) / 1.5))
    ball = torch.lerp(ball, 0.16 + 0.25 * t["hair_color"], c.cover(far - t["iris"]))
    ball = torch.lerp(ball, torch.full_like(ball, 0.03), c.cover(far - 0.45 * t["iris"]))
    spot = c.cover(torch.hypot(gaze + 0.75, rise + 0.8) - 0.5)
    ball = torch.lerp(ball, torch.full_like(ball, 0.95), 0.9 * spot)
    skin = torch.lerp(skin, ball, c.cover(inside))
    along = (1 - (out / (t["eye_w"] + 0.5)) ** 2).clamp(min=0.0).sqrt()
    crease = (0.12 + 0.2 * t["crease"]) * along * c.stroke(c.v - up + 1.55, 0.45)
    lid = t["lashes"] * along * c.stroke(c.v - up, 0.55) + 0.25 * along * c.stroke(c.v - low, 0.3)
    tight = 0.22 * a[7] * along * c.stroke(c.v - low - 0.9, 0.4)
    return skin * (1 - (lid + crease + tight).clamp(max=0.9))


def _brows(c: Canvas, skin: Plane) -> Plane:
    t = c.s.traits
    line, thick, x = brow_line(c.s, c.u)
    ends = torch.maximum(-x, x - 1) * 11.0 + 0.4
    shape = c.cover(torch.maximum((c.v - line).abs() - thick, ends))
    hairs = (0.82 + 0.12 * c.noise["fine"]).clamp(0.5, 1.0)
    return torch.lerp(skin, t["brow_color"].expand_as(skin), shape * hairs)


def _mouth(c: Canvas, skin: Plane, light: Plane) -> Plane:
    t, a = c.s.traits, c.s.units
    m = mouth_edges(c.s, c.u)
    sides = (m.x.abs() - 1) * m.half_width
    flesh = t["skin"] * t["lip_tone"] * light
    shade = hump(m.x) * hump((c.v - m.bottom - 0.7) / 1.1)
    skin = skin * (1 - 0.22 * shade)
    whole = torch.maximum(torch.maximum(m.top - c.v, c.v - m.bottom), sides)
    gleam = 0.16 * hump(m.x / 0.7) * hump((c.v - m.lower - 0.45 * t["lip_lo"]) / 0.9)
    lower_lip = flesh * (1.06 + gleam)
    lips = torch.where(c.v < 0.5 * (m.upper + m.lower), flesh * 0.86, lower_lip)
    skin = torch.lerp(skin, lips, c.cover(whole))
    hollow = torch.full_like(skin, 0.07) + 0.16 * hump((c.v - m.lower) / 2.0) * hump(m.x / 0.8)
    teeth = (0.7 + 0.2 * light) * (1 - 0.45 * m.x * m.x)
    row = c.cover(c.v - m.upper - 1.75 * (1 - 0.65 * a[26])) * c.cover(sides + 1.0)
    hollow = torch.lerp(hollow, teeth, row)
    lower_row = c.cover(m.lower - 1.1 - c.v) * (0.75 * a[16] + 0.4 * a[20]).clamp(max=0.9)
    hollow = torch.lerp(hollow, 0.85 * teeth, lower_row * c.cover(sides + 1.2))
    gap = torch.maximum(torch.maximum(m.upper - c.v, c.v - m.lower), sides)
    skin = torch.lerp(skin, hollow, c.cover(gap + 0.35 * c.soft))
    closed = (1 - (m.lower - m.upper) / 1.2).clamp(0.0, 1.0)
    seam = (0.5 + 0.25 * closed) * c.stroke(c.v - 0.5 * (m.upper + m.lower), 0.45)
    seam = seam * closed * c.cover(sides - 0.3)
    corner = 0.4 * hump((m.x.abs() - 1) * m.half_width / 1.3) * hump((c.v - m.upper) / 1.2)
    return skin * (1 - (seam + corner).clamp(max=0.85))


def _beard(c: Canvas, skin: Plane) -> Plane:
    t = c.s.traits
    edge = t["mouth_v"] - 5.0 + 3.5 * hump(c.u / 13.0) - 0.02 * (c.u.abs() - 12).clamp(min=0) ** 2
    full = ((c.jaw - edge) / 3.5).clamp(0.0, 1.0) * t["beard"]
    lip = hump(c.u / 9.5) * hump((c.v - t["mouth_v"] + 2.6 - 0.02 * c.u * c.u) / 2.6)
    hairs = (0.9 + 0.25 * c.noise["fine"]).clamp(0.0, 1.0)
    amount = torch.maximum(full, 1.3 * t["moustache"] * lip).clamp(max=0.92) * hairs
    return torch.lerp(skin, t["brow_color"] * 0.9 + 0 * skin, amount)


def _backdrop(c: Canvas) -> Plane:
    t = c.s.traits
    smooth = t["backdrop"] + c.u * t["backdrop_slope_u"] + c.v * t["backdrop_slope_v"]
    return smooth + 0.07 * c.noise["backdrop"]


def _neck_and_ears(c: Canvas, image: Plane) -> Plane:
    t = c.s.traits
    skin = t["skin"] * (t["ambient"] + 0.5 * (1 - t["ambient"]))
    neck = torch.maximum(c.u.abs() - 0.62 * t["face_w"], 10.0 - c.v)
    image = torch.lerp(image, 0.62 * skin + 0 * image, c.cover(neck))
    shirt = 31.0 - 0.012 * c.u * c.u - c.v
    image = torch.lerp(image, t["clothes"] + 0 * image, c.cover(shirt))
    out = c.u.abs() - t["face_w"] - 0.3
    far = torch.hypot(out / 2.6, (c.v - 4.0) / 5.4) - 1
    ear = skin * (1 - 0.4 * hump((out - 0.4) / 1.3) * hump((c.v - 3.6) / 3.6))
    return torch.lerp(image, ear, c.cover(2.6 * far) * (1 - t["long"]))


def _hair_color(c: Canvas) -> Plane:
    t = c.s.traits
    angle = torch.atan2(c.u - t["hair_part"], 9.0 - c.v)
    wave = torch.sin(13 * angle + t["hair_phase"] + 2.2 * t["hair_waves"] * c.noise["backdrop"])
    fine = torch.sin(37 * angle + 2 * t["hair_phase"])
    shine = 0.25 * hump((c.v + 19.0) / 6.0)
    streaks = 1 + 0.06 * wave + 0.03 * fine + 0.04 * c.noise["fine"] + shine
    return t["hair_color"] * streaks * (0.75 + 0.25 * hump((c.u - 0.6 * t["hair_part"]) / 26.0))


def _hair_behind(c: Canvas, image: Plane) -> Plane:
    t = c.s.traits
    full = head_distance(c.s, c.u * 0.97, c.v.clamp(max=0.0)) - t["hair_volume"]
    ends = torch.where(t["long"] > 0, c.v - 40.0, c.v - 1.0)
    shape = torch.maximum(full - 1.5 * t["long"], ends)
    return torch.lerp(image, 0.8 * _hair_color(c), c.cover(shape) * (1 - t["bald"]))


def _hair_cover(c: Canvas) -> Plane:
    """How much hair hides the forehead and, when long, the sides of the face."""
    t = c.s.traits
    out = c.u / t["face_w"]
    square = out * out
    line = t["hair_v"] + 0.5 * t["hair_part"] * out + 3.8 * t["fringe"] * (1 - 0.6 * square)
    recede = -2.5 * (1 - t["fringe"]) * t["age"] * hump((out.abs() - 0.5) / 0.35)
    line = line.clamp(max=-10.8) + recede + 3.0 * square + 10.0 * (square * square) ** 2
    jags = 0.3 * torch.sin(0.9 * c.u + t["hair_phase"]) + 0.2 * torch.sin(2.3 * c.u)
    top = c.cover((c.v - (line + jags).clamp(max=5.0)) * 0.7)
    head = head_distance(c.s, c.u, c.v)  # hair does not move with the jaw
    curtain = c.cover(-1.0 - 2.2 * hump((c.v + 3.0) / 22.0) - head) * t["long"]
    curtain = curtain * c.cover(0.6 * t["face_w"] - c.u.abs())
    inside = c.cover(head - t["hair_volume"] - 1.5 * t["long"])
    return torch.maximum(top * inside, curtain * inside) * (1 - t["bald"])


def _glasses(c: Canvas, image: Plane) -> Plane:
    t = c.s.traits
    out = c.u.abs()
    corner = t["glasses_round"]
    du = ((out - t["eye_x"]).abs() - 6.1 + corner).clamp(min=0.0)
    dv = ((c.v - 0.9).abs() - 4.5 + corner).clamp(min=0.0)
    rim = torch.hypot(du, dv) - corner
    bar = torch.maximum(((c.v + 0.6).abs() - 0.1), -(rim - 0.2))
    beam = torch.minimum(rim.abs() - 0.25, torch.maximum(bar - 0.2, out - t["face_w"]))
    glare = 0.07 * c.cover(rim) * hump((out - t["eye_x"] - 2.0 - c.v) / 3.0)
    amount = c.cover(beam - 0.1) * 0.9 * t["glasses"]
    return torch.lerp(image + glare * t["glasses"], t["glasses_tone"] + 0 * image, amount)
