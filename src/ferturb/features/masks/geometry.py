"""Where a face mask lies: 68 landmarks -> its outline and a curved (u, v) grid on it.

Everything is measured in the face's own frame (`frame.py`).

The outline is a taut cloth: the convex hull of the jaw (drawn in at the sides, let down below
the chin), the nose, the lips and a point on the bridge, its corners rounded, less an ellipse
under each eye. Nose, lips and chin are in it by construction, at any pose. The hull is kept as
its support function h(φ) = max p·n(φ): that is easy to round, and the signed distance of a pixel
x is max over φ of x·n(φ) − h(φ).

The grid: u runs from −1 (image left) over 0 (the middle line of the face) to 1, v from 0 (top
edge) to 1 (bottom edge). Across a row, t is the place between the two outlines of the face and
m that of its middle line; (t − m) / (1 − m t) moves the middle to 0 and keeps the ends, and u is
its arc sine, as on a cylinder seen from the side it has turned to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ferturb.features.hulls import (
    ROW_BOTTOM,
    ROW_TOP,
    ROWS,
    hull_distance,
    hull_sides,
    rounded,
    support,
)
from ferturb.features.masks.frame import (
    BRIDGE,
    Frame,
    Plane,
    Scalar,
    face_frame,
)

TIP = 30
CHIN_EDGE = (7, 8, 9)
NOSE_TIP = tuple(range(30, 36))
LIPS = tuple(range(48, 68))
EYES = (tuple(range(36, 42)), tuple(range(42, 48)))


@dataclass(frozen=True)
class Cut:
    """How a mask is cut and worn, each number (n, 1, 1)."""

    bridge: Scalar
    """Where the top edge crosses the nose: 0 at point 27, 1 at the tip (point 30)."""
    corner: Scalar
    """Where its upper corners are along the jaw: 1 at points 1 and 15, 2 at 2 and 14, …"""
    reach: Scalar
    """How far it reaches to the sides: 1 at the outline of the face."""
    drop: Scalar
    """How far it goes below the jaw."""
    pad: Scalar
    """How far it stands off the face."""
    under_eye: Scalar
    """Space left below the eye."""
    rounding: int
    """How round its corners are: 1 for cloth that hangs from them, 5 for a stiff cup."""


@dataclass(frozen=True)
class Place:
    """Where each face is, per pixel (n, h, w); what everything worn on it starts from."""

    frame: Frame
    points: Float[Tensor, "n 68 2"]
    """(X, Y) of the landmarks."""
    X: Plane
    Y: Plane
    outline: Plane
    """Signed distance to the hull of the landmarks in pixels, negative inside."""
    across: Plane
    """The sine of the angle from the face's middle line, −1 … 1."""
    u: Plane
    visible: Float[Tensor, "n 2"]
    """How far each cheek faces the camera: image left and right, 0 … 1."""


@dataclass(frozen=True)
class Seat:
    """Where a mask is on each face."""

    distance: Plane
    """Signed distance to the mask's outline in pixels, negative inside."""
    v: Plane
    eyes: Plane
    """Signed distance into the spaces kept free around the eyes in pixels, positive inside."""
    corners: Float[Tensor, "n 2 2 2"]
    """(X, Y) of its corners: image left and right, upper and lower."""


def _by_row(table: Float[Tensor, "n r"], y: Plane) -> Plane:
    """A table over the rows at these heights, linear in between."""
    place = (y - ROW_TOP) * ((ROWS - 1) / (ROW_BOTTOM - ROW_TOP))
    place = place.clamp(0.0, ROWS - 1.001)
    below = place.floor()
    index = below.long().flatten(1)
    low = table.gather(1, index).view_as(y)
    high = table.gather(1, index + 1).view_as(y)
    return low + (high - low) * (place - below)


def arc_sine(x: Tensor) -> Tensor:
    """asin(x)·2/π for |x| ≤ 1 within 1e-6, from exactly rounded operations alone.

    asin(x) = 2 atan(x / (1 + √(1 − x²))) with a polynomial for the arc tangent (Abramowitz and
    Stegun style); torch's own may differ by a bit between the middle and the end of a tensor.
    """
    z = x / (1 + (1 - x * x).clamp_min(0.0).sqrt())
    q = z * z
    series = -0.11643287 + q * (0.05265332 - 0.01172120 * q)
    series = 0.99997726 + q * (-0.33262347 + q * (0.19354346 + q * series))
    return z * series * (4 / math.pi)


def _bulge(p: Float[Tensor, "n 68 2"]) -> Float[Tensor, " n"]:
    """How far the face's middle line bows to the side of the straight one (Y 0 … 1)."""
    return (p[:, 30, 0] + p[:, 33, 0] + p[:, 51, 0] + p[:, 57, 0]) / 4


def _middle(bulge: Tensor, y: Tensor) -> Tensor:
    share = y.clamp(0.0, 1.0)
    return bulge * 4.4 * share * (1 - share)


def _turned(t: Tensor, m: Tensor) -> Tensor:
    """Move the place m to 0 and keep −1 and 1."""
    return (t - m) / (1 - m * t)


def _drawn_in(
    p: Float[Tensor, "n 68 2"], places: Float[Tensor, "n j"], reach: Float[Tensor, "n j"]
) -> tuple[Float[Tensor, "n j 2"], Float[Tensor, "n j 2"]]:
    """Points at the given sine of angle inside the jaw, at places along it: (left, right)."""
    low = places.floor().clamp(0, 7).long()
    share = (places - low)[..., None]

    def at(index: Tensor) -> Tensor:
        return p.gather(1, index[..., None].expand(-1, -1, 2))

    left = at(low) + (at(low + 1) - at(low)) * share
    right = at(16 - low) + (at(15 - low) - at(16 - low)) * share
    middle = _middle(_bulge(p)[:, None], (left[..., 1] + right[..., 1]) / 2)
    # in profile the nose or the cheek may lie beyond the jaw's far side
    start = torch.minimum(left[..., 0], middle - 0.02)
    end = torch.maximum(right[..., 0], middle + 0.02)
    center, half = (start + end) / 2, (end - start) / 2
    m = ((middle - center) / half).clamp(-0.84, 0.84)
    x_left = center + half * _turned(-reach, -m)
    x_right = center + half * _turned(reach, -m)
    sides = (x_left, left), (x_right, right)
    left, right = (torch.stack([x, at_side[..., 1]], dim=2) for x, at_side in sides)
    return left, right


def outline_points(p: Float[Tensor, "n 68 2"], cut: Cut) -> tuple[Tensor, Tensor]:
    """Points whose hull is the mask, (n, q, 2), and its corners (n, 2 sides, 2, 2)."""
    n = p.shape[0]
    corner, reach, drop = (value.view(n, 1) for value in (cut.corner, cut.reach, cut.drop))
    places = torch.cat([corner, corner + 0.42 * (4.4 - corner), corner * 0 + 4.4], dim=1)
    left, right = _drawn_in(p, places, reach.expand(-1, 3))
    jaw = p[:, 5:12]
    lower = torch.stack([jaw[..., 0] * (1 + drop), jaw[..., 1] + drop], dim=2)
    ends = torch.cat([reach, (reach + 1) / 2], 1)
    near = p.new_tensor([[5.0, 5.6]]).expand(n, 2)
    low_left, low_right = _drawn_in(p, near, ends)
    bridge = p[:, BRIDGE] + (p[:, TIP] - p[:, BRIDGE]) * cut.bridge.view(n, 1)
    parts = [left, right, low_left, low_right, lower[:, 1:6], bridge[:, None]]
    parts += [p[:, 30:36], p[:, 48:68]]
    corners = torch.stack([left[:, [0, 2]], right[:, [0, 2]]], dim=1)
    return torch.cat(parts, dim=1), corners


def eye_spaces(
    p: Float[Tensor, "n 68 2"], margin: Scalar, x: Plane, y: Plane
) -> Float[Tensor, "n h w"]:
    """Signed distance into the spaces kept free around the eyes, positive inside.

    A space is an ellipse about the eye's six points and `margin` beyond them; it gives way where
    it would lay bare the tip of the nose or the lips.
    """
    covered = p[:, [*NOSE_TIP, *LIPS]]
    spaces = []
    for eye in EYES:
        lids = p[:, list(eye)]
        center = (lids.amin(dim=1) + lids.amax(dim=1)) / 2
        radii = (lids.amax(dim=1) - lids.amin(dim=1)) / 2 + margin.view(-1, 1)
        spread = ((lids - center[:, None]) / radii[:, None]).square().sum(2).sqrt().amax(1)
        radii = radii * (spread * 1.05).clamp_min(1.0)[:, None]
        near = ((covered - center[:, None]) / radii[:, None]).square().sum(2).sqrt().amin(1)
        radii = radii * (near * 0.9).clamp_max(1.0)[:, None]
        cx, cy = (center[:, i].view(-1, 1, 1) for i in range(2))
        rx, ry = (radii[:, i].clamp_min(1e-3).view(-1, 1, 1) for i in range(2))
        dx, dy = (x - cx) / rx, (y - cy) / ry
        spaces.append((1 - (dx * dx + dy * dy).sqrt()) * torch.minimum(rx, ry))
    return torch.maximum(*spaces)


def place(points: Float[Tensor, "n p 2"], height: int, width: int) -> Place:
    """Where each face is, from 68 or more landmarks in pixels.

    The first 68 are in the iBUG order, image left first; (0, 0) is the centre of the top left
    pixel.
    """
    frame = face_frame(points)
    p_x, p_y = frame.to_frame(points[:, None, :68, 0], points[:, None, :68, 1])
    p = torch.stack([p_x[:, 0], p_y[:, 0]], dim=2)
    columns = torch.arange(width, dtype=torch.float32, device=points.device).view(1, 1, -1)
    rows = torch.arange(height, dtype=torch.float32, device=points.device).view(1, -1, 1)
    x, y = frame.to_frame(columns, rows)
    whole = support(p)
    left, right = _by_row(hull_sides(whole, -1), y), _by_row(hull_sides(whole, 1), y)
    center, half = (left + right) / 2, ((right - left) / 2).clamp_min(0.1)
    t = ((x - center) / half).clamp(-1.0, 1.0)
    m = ((_middle(_bulge(p).view(-1, 1, 1), y) - center) / half).clamp(-0.9, 0.9)
    across = _turned(t, m)
    middle = _middle(_bulge(p), p.new_tensor(0.5))
    wide = (p[:, 14, 0] - p[:, 2, 0]).clamp_min(0.1)
    cheeks = torch.stack([middle - p[:, 2, 0], p[:, 14, 0] - middle], dim=1)
    return Place(
        frame=frame,
        points=p,
        X=x,
        Y=y,
        outline=hull_distance(whole, x, y) * frame.length,
        across=across,
        u=arc_sine(across),
        visible=(cheeks / wide[:, None] * 4 - 0.4).clamp(0.0, 1.0),
    )


def seat(face: Place, cut: Cut) -> Seat:
    """Where a mask of this cut is on each face."""
    p = face.points
    cloth, corners = outline_points(p, cut)
    needed = support(p[:, [*NOSE_TIP, *LIPS, *CHIN_EDGE]])
    pixel = 1 / face.frame.length  # spare, so that the pixel nearest to a point goes with it
    reach = rounded(support(cloth), p[:, 51], cut.rounding)
    reach = torch.maximum(reach, needed + 0.8 * pixel.view(-1, 1)) + cut.pad.view(-1, 1)
    distance = hull_distance(reach, face.X, face.Y)
    spaces = eye_spaces(p, cut.under_eye + 0.8 * pixel, face.X, face.Y)
    distance = torch.maximum(distance, spaces)
    v = _height(p, cut, corners, face.across, face.Y)
    return Seat(distance * face.frame.length, v, spaces * face.frame.length, corners)


def _height(
    p: Float[Tensor, "n 68 2"], cut: Cut, corners: Tensor, across: Plane, y: Plane
) -> Plane:
    """v: 0 on a curve through the upper corners and the bridge, 1 on one along the jaw."""
    bend = across * across
    top = (p[:, TIP, 1].view(-1, 1, 1)) * cut.bridge
    bottom = 1 + cut.drop

    def corner(level: int) -> Plane:
        left, right = (corners[:, side, level, 1].view(-1, 1, 1) for side in range(2))
        return torch.where(across < 0, left, right)

    upper = top + bend * (corner(0) - top)
    lower = bottom + bend * (corner(1) - bottom)
    return (y - upper) / (lower - upper).clamp_min(0.05)
