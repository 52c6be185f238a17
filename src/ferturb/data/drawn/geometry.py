"""Where everything in a synthetic face is: curves, landmarks and regions from traits and units.

Everything is a closed formula in the face's own frame (see `face_traits`), so that the drawing,
the 68 landmarks and the regions follow from the same curves and agree exactly. Left and right
are the image's. Curves are evaluated on pixels (b, h, w) and on landmarks (b, 1, k) alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ferturb.data.drawn.traits import Traits

Plane = Float[Tensor, "b h w"]

_REACH = 27.0
"""Half-width, in the face's frame, at which turning the head moves nothing."""

EYE_MARGIN_UP, EYE_MARGIN_DOWN, EYE_MARGIN_SIDE = 2.9, 2.2, 1.6
MOUTH_MARGIN = 1.9
BROW_MARGIN = 1.4
NOSE_MARGIN = 1.5


@dataclass(frozen=True)
class Subject:
    """A batch of people and what their faces do: traits, and intensity by action unit number."""

    traits: Traits
    units: Mapping[int, Float[Tensor, "b 1 1"]]


class Mouth(NamedTuple):
    """Heights v of the four lip edges at given u, top to bottom, and the position x, -1 … 1."""

    top: Plane
    upper: Plane
    lower: Plane
    bottom: Plane
    x: Plane
    half_width: Float[Tensor, "b 1 1"]


def to_image(s: Subject, u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """The pose: face frame -> pixels of a 48×48 image."""
    t = s.traits
    x = u + t["yaw"] * (1 - (u / _REACH) ** 2)
    y = v + t["pitch"] * (1 - (v / _REACH) ** 2)
    cos, sin = torch.cos(t["roll"]) * t["scale"], torch.sin(t["roll"]) * t["scale"]
    return t["center_x"] + cos * x - sin * y, t["center_y"] + sin * x + cos * y


def to_face(
    s: Subject, x: Float[Tensor, "#b #h #w"], y: Float[Tensor, "#b #h #w"]
) -> tuple[Plane, Plane]:
    """The inverse of `to_image`."""
    t = s.traits
    dx, dy = (x - t["center_x"]) / t["scale"], (y - t["center_y"]) / t["scale"]
    cos, sin = torch.cos(t["roll"]), torch.sin(t["roll"])
    return _unturn(cos * dx + sin * dy, t["yaw"]), _unturn(cos * dy - sin * dx, t["pitch"])


def _unturn(x: Plane, turn: Float[Tensor, "b 1 1"]) -> Plane:
    """Solve x = u + turn·(1 − (u/reach)²) for u."""
    moved = x - turn
    root = (1 - 4 * turn / _REACH**2 * moved).clamp(min=0.0).sqrt()
    return 2 * moved / (1 + root)


def chin_drop(s: Subject) -> Float[Tensor, "b 1 1"]:
    """How far the chin goes down (AU 26), pixels."""
    return 2.6 * s.units[26]


def closed_jaw(s: Subject, v: Plane) -> Plane:
    """Height v on a face with a dropped jaw -> the same spot's height with the jaw closed."""
    t = s.traits
    length = t["chin_v"] - t["mouth_v"]
    below = (v - t["mouth_v"]).clamp(min=0.0)
    return v - below * (1 - length / (length + chin_drop(s)))


def head_distance(s: Subject, u: Plane, v: Plane) -> Plane:
    """Signed distance to the outline of the head, about; negative inside. v with jaw closed."""
    t = s.traits
    down = (v / t["chin_v"]).clamp(min=0.0)
    up = (-v / t["head_top"]).clamp(min=0.0)
    width = t["face_w"] * (1 - t["jaw_taper"] * down * down)
    across = (u.abs() / width.clamp(min=1.0)).clamp(min=1e-4)
    along = down + up
    power = torch.where(v > 0, t["jaw_square"], torch.full_like(t["jaw_square"], 2.2))
    p_across = across**power
    p_along = along.clamp(min=1e-4) ** power
    total = p_across + p_along
    gradient = torch.hypot(
        p_across / across / width.clamp(min=1.0),
        p_along / along.clamp(min=1e-4) / torch.where(v > 0, t["chin_v"], t["head_top"]),
    )
    return (total - 1) / (power * gradient.clamp(min=1e-3))


def eye_lids(s: Subject, out: Plane) -> tuple[Plane, Plane]:
    """Heights of the upper and lower lid, `out` pixels outward of the eye's middle.

    Beyond the corners the lower lid is above the upper one, so nothing lies between them.
    """
    t, a = s.traits, s.units
    x = out / t["eye_w"]
    open_up = t["eye_up"] * (1 + 0.55 * a[5] - 0.42 * a[7] - 0.16 * a[6])
    open_lo = t["eye_lo"] * (1 + 0.12 * a[5] - 0.62 * a[7] - 0.75 * a[6])
    arc = 1 - x * x
    line = t["eye_tilt"] * out
    return line - open_up * arc * (1 - 0.18 * x), line + open_lo * arc * (1 + 0.18 * x)


def brow_line(s: Subject, u: Plane) -> tuple[Plane, Plane, Plane]:
    """(height of the brow's middle line, its half thickness, position) at u.

    The position runs from 0 (inner end) to 1 (outer end), and beyond outside the brow.
    """
    t, a = s.traits, s.units
    inner = t["brow_in"] - 1.1 * a[4]
    x = (u.abs() - inner) / (t["brow_out"] - inner)
    c = x.clamp(0.0, 1.0)
    side = 1 + t["lopsided"] * torch.sign(u)
    rise = 3.0 * a[1] * (1 - c) ** 2 + 2.7 * a[2] * (c * (2 - c)) ** 1.5
    lower = a[4] * (2.9 - 3.6 * c + 0.8 * c * c) * (1 - 0.8 * a[1])
    rest = t["brow_v"] + t["brow_slope"] * c - t["brow_arch"] * c * (1.4 - c) / 0.49
    height = rest + 0.9 * c * c + side * (lower - rise)
    return height, t["brow_thick"] * (1 - 0.5 * c) * (0.6 + 0.4 * (6 * c).clamp(max=1.0)), x


def nose_base(s: Subject) -> Float[Tensor, "b 1 1"]:
    """Height of the wings of the nose, which AU 9 pulls up."""
    return s.traits["nose_v"] - 1.5 * s.units[9]


def beside_nose(s: Subject, u: Plane, v: Plane) -> Plane:
    """0 in the region of the nose, rising to 1 in the next pixel or so."""
    t = s.traits
    share = (v / t["nose_v"]).clamp(0.0, 1.0)
    wide = 2.6 + (t["nose_w"] + NOSE_MARGIN - 2.6) * share * share
    side = (u - nose_axis(s, v)).abs() - wide
    end = torch.maximum(-2.5 - v, v - t["nose_v"] - NOSE_MARGIN - 1.0)
    return (torch.maximum(side, end) / 1.3).clamp(0.0, 1.0)


def mouth_edges(s: Subject, u: Plane) -> Mouth:
    """The lips at u; beyond the corners all four edges meet."""
    t, a = s.traits, s.units
    stretch = 1 + 0.17 * a[12] + 0.24 * a[20] - 0.06 * a[23] - 0.3 * a[26] * (1 - a[20])
    half = t["mouth_w"] * stretch
    x = u / half
    c = x.clamp(-1.0, 1.0)
    square = c * c
    side = 1 + t["lopsided"] * c
    round_, arc = (1 - square).clamp(min=0.0).sqrt(), 1 - square
    line = t["mouth_v"] + t["mouth_bow"] * square
    line = line - a[12] * side * (3.5 * square - 0.9)
    line = line + a[15] * side * (2.9 * square * c.abs() - 1.0)
    line = line + 1.1 * a[20] * square * square + a[26] * (1.4 + 0.8 * square)
    up = arc * (0.5 * t["teeth"] * a[12] + 0.25 * a[25]) + round_ * 2.3 * a[26] * (1 - 0.5 * a[20])
    down = arc * (2.2 * t["teeth"] * a[12] + 0.9 * a[25] + 0.6 * a[20]) + round_ * (
        3.4 * a[26] * (1 - 0.2 * a[20]) + 1.3 * a[16]
    )
    bow = 1 - 0.28 * hump(c / 0.3)
    thin = 1 - 0.55 * a[23]
    top = t["lip_up"] * thin * (1 - 0.3 * a[12]) * (1 - 0.15 * a[26]) * arc**0.8 * bow
    bottom = t["lip_lo"] * thin * (1 - 0.2 * a[12]) * (1 + 0.4 * a[16]) * round_
    return Mouth(line - up - top, line - up, line + down, line + down + bottom, x, half)


def hump(x: Tensor) -> Tensor:
    """(1 − x²)² for |x| < 1, and exactly 0 beyond: what an action unit changes stays in place."""
    return (1 - x * x).clamp(min=0.0).square()


def landmarks(s: Subject) -> Float[Tensor, "b 68 2"]:
    """The 68 points of the iBUG scheme, (x, y) in pixels of a 48×48 image."""
    parts = (_jaw_points(s), *_brow_points(s), _nose_points(s), *_eye_points(s), _mouth_points(s))
    u = torch.cat([p[0] for p in parts], dim=2)
    v = torch.cat([p[1] for p in parts], dim=2)
    x, y = to_image(s, u, v)
    return torch.stack([x[:, 0], y[:, 0]], dim=2)


def _row(values: list[float], like: Tensor) -> Float[Tensor, "b 1 k"]:
    return like.new_tensor(values).expand(like.shape[0], 1, len(values))


def _jaw_points(s: Subject) -> tuple[Plane, Plane]:
    t = s.traits
    angle = torch.linspace(-8, 90, 9).mul(torch.pi / 180).tolist()
    angles = _row(angle, t["scale"])
    v = torch.where(angles < 0, t["head_top"], t["chin_v"]) * torch.sin(angles)
    power = torch.where(v > 0, t["jaw_square"], torch.full_like(t["jaw_square"], 2.2))
    down = (v / t["chin_v"]).clamp(min=0.0)
    across = (1 - torch.sin(angles).abs() ** power).clamp(min=0.0) ** (1 / power)
    u = t["face_w"] * (1 - t["jaw_taper"] * down * down) * across
    length = t["chin_v"] - t["mouth_v"]
    v = v + (v - t["mouth_v"]).clamp(min=0.0) * chin_drop(s) / length
    return torch.cat([-u, u[..., :-1].flip(2)], 2), torch.cat([v, v[..., :-1].flip(2)], 2)


def _brow_points(s: Subject) -> tuple[tuple[Plane, Plane], tuple[Plane, Plane]]:
    inner = s.traits["brow_in"] - 1.1 * s.units[4]
    share = _row([1.0, 0.75, 0.5, 0.25, 0.0], inner)
    out = inner + share * (s.traits["brow_out"] - inner)
    left, right = -out, out.flip(2)
    return (left, brow_line(s, left)[0]), (right, brow_line(s, right)[0])


def _nose_points(s: Subject) -> tuple[Plane, Plane]:
    t = s.traits
    tip = t["nose_v"] - 2.0
    bridge = _row([0.0, 0.34, 0.67, 1.0], tip) * tip
    wings = _row([-1.0, -0.5, 0.0, 0.5, 1.0], tip)
    sink = 0.9 * (1 - wings * wings)
    u = torch.cat([nose_axis(s, bridge), wings * t["nose_w"] * 0.85 + nose_axis(s, tip)], 2)
    return u, torch.cat([bridge, nose_base(s) + sink * (1 + 0 * wings)], 2)


def nose_axis(s: Subject, v: Plane) -> Plane:
    """Where the ridge of the nose is: it stands out, so turning the head moves it further."""
    t = s.traits
    return 0.45 * t["yaw"] * (v / t["nose_v"]).clamp(0.0, 1.0)


def _eye_points(s: Subject) -> tuple[tuple[Plane, Plane], tuple[Plane, Plane]]:
    t = s.traits
    share = _row([1.0, 0.36, -0.36, -1.0, -0.36, 0.36], t["scale"])  # from the outer corner
    out = share * t["eye_w"]
    up, low = eye_lids(s, out)
    v = torch.cat([up[..., :4], low[..., 4:]], 2)
    order = [3, 2, 1, 0, 5, 4]
    return (-(t["eye_x"] + out), v), ((t["eye_x"] + out)[..., order], v[..., order])


def _mouth_points(s: Subject) -> tuple[Plane, Plane]:
    half = mouth_edges(s, torch.zeros_like(s.traits["scale"])).half_width
    outer, inner = [-1.0, -0.62, -0.25, 0.0, 0.25, 0.62, 1.0], [-0.86, -0.36, 0.0, 0.36, 0.86]
    u1 = half * _row(outer, half)
    u2 = half * _row(outer[5:0:-1], half)
    u3, u4 = half * _row(inner, half), half * _row(inner[3:0:-1], half)
    u = torch.cat([u1, u2, u3, u4], 2)
    m = mouth_edges(s, u)
    rows = (m.top[..., :7], m.bottom[..., 7:12], m.upper[..., 12:17], m.lower[..., 17:])
    return u, torch.cat(rows, 2)


def regions(s: Subject, u: Plane, v: Plane, skin: Bool[Tensor, "b h w"]) -> dict[str, Tensor]:
    """The pixels of every facial feature, bool (b, h, w); `skin` are the pixels of the face.

    Eyes, brows, nose and mouth are their drawn shape and a margin that covers all that their
    action units change; they overlap where the drawing does (a lowered brow on an eye). Jaw,
    cheeks and forehead are what remains of the face below the mouth line, between it and the
    brows, and above the brows. Halves tile the face along its own axes.
    """
    t = s.traits
    out = u.abs() - t["eye_x"]
    near = out.abs() < t["eye_w"] + EYE_MARGIN_SIDE
    up, low = eye_lids(s, out.clamp(-t["eye_w"], t["eye_w"]))
    eyes = near & (v > up - EYE_MARGIN_UP) & (v < low + EYE_MARGIN_DOWN)
    line, thick, _ = brow_line(s, u)
    brows = (u.abs() < t["brow_out"] + BROW_MARGIN) & ((v - line).abs() < thick + BROW_MARGIN)
    brows = brows | ((u.abs() < 3.2) & ((v - t["brow_v"] - 0.9).abs() < 3.6))
    nose = beside_nose(s, u, v) <= 0
    m = mouth_edges(s, u)
    mouth = (u.abs() < m.half_width + MOUTH_MARGIN) & (v > m.top - MOUTH_MARGIN)
    mouth = mouth & (v < m.bottom + MOUTH_MARGIN)
    right, upper, low_face = u > 0, v < 0.5 * t["nose_v"], v > t["mouth_v"]
    eyes, brows, nose, mouth = eyes & skin, brows & skin, nose & skin, mouth & skin
    rest = skin & ~(eyes | brows | nose | mouth)
    return {
        "left_eye": eyes & ~right,
        "right_eye": eyes & right,
        "eyes": eyes,
        "brows": brows,
        "nose": nose,
        "mouth": mouth,
        "jaw": rest & low_face,
        "cheeks": rest & ~low_face & (v >= line),
        "forehead": rest & ~low_face & (v < line),
        "upper_face": skin & upper,
        "lower_face": skin & ~upper,
        "left_half": skin & ~right,
        "right_half": skin & right,
        "face": skin,
    }
