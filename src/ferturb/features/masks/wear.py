"""Face masks drawn on landmarks: MaskFer of any dataset, reproducible by seed.

The idea is MaskTheFace's (Anwar and Raychowdhury, "Masked Face Recognition for Secure
Authentication", arXiv 2008.11104), which the paper makes its MaskFer with: a picture of a mask is
warped onto the landmarks of faces that a detector found. Here the mask is drawn instead
(`ferturb.features.masks.geometry`, `mask_textures`) and lit by the face's own light
(`mask_light`), on every face: none is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.features.masks import occluders
from ferturb.features.masks.geometry import Cut, Place, Plane, Seat, place, seat
from ferturb.features.masks.keyed_random import Lots, draw_lots, draw_noise, index_keys
from ferturb.features.masks.light import Layer, Light, lay_over, measure
from ferturb.features.masks.textures import (
    CLOTH,
    N95,
    SURGICAL,
    Cloth,
    cloth,
    cup,
    halve,
    relief,
    stitched,
    surgical,
)

Drawer = Callable[[Place, Light, Int64[Tensor, " n"]], tuple[Layer, ...]]
"""(where the faces are, their light, their keys) -> what is laid over them."""


@dataclass(frozen=True)
class Worn:
    """Faces that wear something.

    - ``images``: uint8 (n, h, w).
    - ``kept``: bool (n, h, w), True where the face is still visible.
    - ``kinds``: what each face wears, a key of `KINDS`; never "mixed".
    """

    images: UInt8[Tensor, "n h w"]
    kept: Bool[Tensor, "n h w"]
    kinds: tuple[str, ...]


def _mask(
    face: Place,
    light: Light,
    keys: Int64[Tensor, " n"],
    ranges: Mapping[str, tuple[float, float]],
    texture: Callable[[Cloth, Lots], Plane],
    straps: Callable[[Place, Light, Lots, Seat], Layer],
    rounding: int,
) -> tuple[Layer, ...]:
    lot = draw_lots(keys, ranges, purpose=1)
    cut = Cut(
        lot["bridge"],
        lot["corner"],
        lot["reach"],
        lot["drop"],
        lot["pad"],
        lot["under_eye"],
        rounding,
    )
    placed = seat(face, cut)
    surface = cloth(face, placed)
    crumple = lot["crumple"] * _crumples(keys, surface)
    lit = light.grey(texture(surface, lot)) * (relief(surface) + crumple)
    cover = (0.5 - 2 * surface.distance).clamp(0.0, 1.0)
    field = 0.15 + 0.85 * light.field
    worn = Layer(halve(cover), halve(lit * cover) * field, placed.distance)
    return straps(face, light, lot, placed), worn


def _crumples(keys: Int64[Tensor, " n"], c: Cloth) -> Plane:
    """Soft unevenness of worn cloth, about ±1."""
    h, w = c.v.shape[1:]
    coarse = torch.nn.functional.interpolate(
        draw_noise(keys, 9, 6, purpose=1)[:, None], (h, w), mode="bilinear", align_corners=False
    )
    return coarse[:, 0]


def _loops(face: Place, light: Light, lot: Lots, placed: Seat) -> Layer:
    """Ear loops: two thin cords on each side, from the corners to the root of the ear."""
    ears = torch.stack([face.points[:, [0, 2]], face.points[:, [16, 14]]], dim=1)
    return _cords(face, light, placed, ears, 0.010, lot["albedo"] * 0.8)


def _bands(face: Place, light: Light, lot: Lots, placed: Seat) -> Layer:
    """The straps of an N95: wider, up over the ear and down to the neck."""
    p = face.points
    high = torch.stack([p[:, 0], p[:, 16]], dim=1)
    low = torch.stack([p[:, 3], p[:, 13]], dim=1)
    lift = high.new_tensor([0.0, 0.12])
    ears = torch.stack([high - lift, low - 0.3 * lift], dim=2)
    tone = torch.where(lot["tint"] < 0.5, 0.25 + 0.3 * lot["tint"], 0.6 + 0.3 * lot["tint"])
    return _cords(face, light, placed, ears, 0.022, tone)


def _cords(
    face: Place, light: Light, placed: Seat, ends: Tensor, width: float, albedo: Tensor
) -> Layer:
    """Cords from the mask's corners to other points (n, 2 sides, 2, 2).

    They are drawn on the face alone, fade on a cheek that turns away, and spare the eyes.
    """
    unit = face.frame.length
    cover = torch.zeros_like(face.X)
    for side in range(2):
        seen = face.visible[:, side].view(-1, 1, 1)
        for k in range(2):
            a, b = placed.corners[:, side, k], ends[:, side, k]
            ax, ay, bx, by = (t.view(-1, 1, 1) for t in (*a.T, *b.T))
            far = occluders.segment_distance(face.X, face.Y, (ax, ay), (bx, by)) - width
            cover = torch.maximum(cover, seen * (0.55 - far * unit).clamp(0.0, 0.8))
    cover = cover * (1.0 - face.outline).clamp(0.0, 1.0) * (0.5 - placed.eyes).clamp(0.0, 1.0)
    grey = light.grey(albedo) * light.field * cover
    return Layer(cover, grey, torch.full_like(cover, 99.0), shadow=0.0)


def _surgical(face: Place, light: Light, keys: Int64[Tensor, " n"]) -> tuple[Layer, ...]:
    return _mask(face, light, keys, SURGICAL, surgical, _loops, 1)


def _cloth(face: Place, light: Light, keys: Int64[Tensor, " n"]) -> tuple[Layer, ...]:
    return _mask(face, light, keys, CLOTH, stitched, _loops, 2)


def _n95(face: Place, light: Light, keys: Int64[Tensor, " n"]) -> tuple[Layer, ...]:
    return _mask(face, light, keys, N95, cup, _bands, 5)


FACE_MASKS: tuple[str, ...] = ("surgical", "cloth", "n95")
"""The kinds "mixed" draws from."""
SHARES: tuple[float, ...] = (0.5, 0.3, 0.2)
"""How often "mixed" draws each."""

KINDS: dict[str, Drawer | None] = {
    "surgical": _surgical,
    "cloth": _cloth,
    "n95": _n95,
    "mixed": None,
    "glasses": occluders.glasses,
    "hand": occluders.hand,
    "random": occluders.random_occluder,
}
"""What a face can wear. "mixed" is one of `FACE_MASKS`, by lot for each face."""

_CHUNK_PIXELS = 48 * 48 * 24


def wear(
    images: UInt8[Tensor, "n h w"],
    points: Float[Tensor, "n p 2"],
    kind: str,
    seed: int,
    keys: Int64[Tensor, " n"] | None = None,
) -> Worn:
    """Put something on each face.

    `points` are 68 or more landmarks in pixels, the first 68 in the iBUG order, image left first,
    (0, 0) the centre of the top left pixel. What face i wears depends on the face, the seed and i
    alone, or on its key instead of i where `keys` are given
    (`ferturb.features.masks.keyed_random.name_keys`). Raises `FerturbError` for an unknown kind, a
    negative seed or other points.
    """
    _check(images, points, kind, seed)
    n, h, w = images.shape
    keys = index_keys(n, seed) if keys is None else keys
    kinds = _kinds(keys.cpu(), kind)
    keys, points = keys.to(images.device), points.to(images.device)
    out, kept = images.clone(), torch.ones_like(images, dtype=torch.bool)
    step = max(1, _CHUNK_PIXELS // max(1, h * w))
    for name in dict.fromkeys(kinds):
        drawer = KINDS[name]
        assert drawer is not None
        members = torch.tensor([i for i, k in enumerate(kinds) if k == name], device=images.device)
        for part in torch.split(members, step):
            out[part], kept[part] = _wear(images[part], points[part], drawer, keys[part])
    return Worn(out, kept, kinds)


def _wear(images: Tensor, points: Tensor, drawer: Drawer, keys: Tensor) -> tuple[Tensor, Tensor]:
    face = place(points.float(), images.shape[1], images.shape[2])
    light = measure(images, face)
    return lay_over(images, drawer(face, light, keys), light, face, keys)


def _kinds(keys: Int64[Tensor, " n"], kind: str) -> tuple[str, ...]:
    """The kind of each face: itself, or one of the face masks by lot."""
    if KINDS[kind] is not None:
        return (kind,) * len(keys)
    lot = draw_lots(keys, {"kind": (0.0, 1.0)}, purpose=2)["kind"].flatten()
    bounds = torch.tensor(SHARES).cumsum(0)[:-1]
    return tuple(FACE_MASKS[i] for i in torch.bucketize(lot, bounds, right=True).tolist())


def check_kind(kind: str, seed: int) -> None:
    """Raise `FerturbError` unless the kind is one of `KINDS` and the seed is 0 or more."""
    if kind not in KINDS:
        raise FerturbError(f"unknown kind of face mask {kind!r}; known: {', '.join(KINDS)}")
    if seed < 0:
        raise FerturbError(f"the seed must be 0 or more, got {seed}")


def _check(images: Tensor, points: Tensor, kind: str, seed: int) -> None:
    check_kind(kind, seed)
    n = images.shape[0]
    if points.ndim != 3 or points.shape[0] != n or points.shape[1] < 68 or points.shape[2] != 2:
        raise FerturbError(
            f"landmarks must be ({n}, 68 or more, 2) for {n} images, got {tuple(points.shape)}; "
            "find them with ferturb.features.landmarks.find_landmarks"
        )
    if not bool(torch.isfinite(points[:, :68]).all()):
        raise FerturbError("landmarks must be finite numbers, got NaN or infinity; find them again")
