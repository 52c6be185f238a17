"""Face masks drawn on landmarks: MaskFer of any dataset, reproducible by seed.

The idea is MaskTheFace's (Anwar and Raychowdhury, "Masked Face Recognition for Secure
Authentication", arXiv 2008.11104), which the paper makes its MaskFer with: a picture of a mask is
warped onto the landmarks of faces that a detector found. Here the mask is drawn instead
(`ferturb.features.masks.geometry`, `textures`) and lit by the face's own light
(`light`), on every face: none is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from ferturb.base.config import unknown
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import luma
from ferturb.data.memory import black_like
from ferturb.features.masks import occluders
from ferturb.features.masks.dyes import dyes_of
from ferturb.features.masks.frame import Plane, Scalar
from ferturb.features.masks.geometry import Cut, Place, Seat, place, seat
from ferturb.features.masks.keyed_random import Draws, KeyedRandom, draw_uniform, index_keys
from ferturb.features.masks.light import Layer, Light, lay_over, measure
from ferturb.features.masks.straps import ear_loops, head_bands
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

Drawer = Callable[[Place, Light, KeyedRandom], tuple[Layer, ...]]
"""(where the faces are, their light, their random numbers) -> what is laid over them."""


@dataclass(frozen=True)
class Worn:
    """Faces that wear something.

    - ``images``: uint8 (n, h, w), or (n, 3, h, w) of coloured faces.
    - ``kept``: bool (n, h, w), True where the face is still visible.
    - ``kinds``: what each face wears, a key of `KINDS`; never "mixed".
    """

    images: UInt8[Tensor, "n *c h w"]
    kept: Bool[Tensor, "n h w"]
    kinds: tuple[str, ...]


def _mask(
    face: Place,
    light: Light,
    random: KeyedRandom,
    ranges: Mapping[str, tuple[float, float]],
    texture: Callable[[Cloth, Draws], Plane],
    straps: Callable[[Place, Light, Draws, Seat], Layer],
    rounding: int,
) -> tuple[Layer, ...]:
    """A mask that varies within `ranges`; `rounding` says how round its corners are, see `Cut`."""
    draws = random.uniform(ranges, 1)
    edge = draws["bridge"], draws["corner"], draws["reach"], draws["drop"]
    cut = Cut(*edge, draws["pad"], draws["under_eye"], rounding)
    placed = seat(face, cut)
    surface = cloth(face, placed)
    crumple = draws["crumple"] * _crumples(random, surface)
    lit = light.grey(texture(surface, draws)) * (relief(surface) + crumple)
    cover = (0.5 - 2 * surface.distance).clamp(0.0, 1.0)
    field = 0.15 + 0.85 * light.field
    worn = Layer(halve(cover), halve(lit * cover) * field, placed.distance)
    return straps(face, light, draws, placed), worn


def _crumples(random: KeyedRandom, c: Cloth) -> Plane:
    """Soft unevenness of worn cloth, about ±1."""
    h, w = c.v.shape[1:]
    coarse = torch.nn.functional.interpolate(
        random.noise(9, 6, 1)[:, None], (h, w), mode="bilinear", align_corners=False
    )
    return coarse[:, 0]


FACE_MASKS: tuple[str, ...] = ("surgical", "cloth", "n95")
"""The kinds "mixed" draws from."""
SHARES: tuple[float, ...] = (0.5, 0.3, 0.2)
"""How often "mixed" draws each."""

KINDS: dict[str, Drawer | None] = {
    "surgical": partial(_mask, ranges=SURGICAL, texture=surgical, straps=ear_loops, rounding=1),
    "cloth": partial(_mask, ranges=CLOTH, texture=stitched, straps=ear_loops, rounding=2),
    "n95": partial(_mask, ranges=N95, texture=cup, straps=head_bands, rounding=5),
    "mixed": None,
    "glasses": occluders.glasses,
    "hand": occluders.hand,
    "random": occluders.random_occluder,
}
"""What a face can wear. "mixed" is one of `FACE_MASKS`, drawn for each face."""

_CHUNK_PIXELS = 48 * 48 * 24


def wear(
    images: UInt8[Tensor, "n *c h w"],
    points: Float[Tensor, "n p 2"],
    kind: str,
    seed: int,
    keys: Int64[Tensor, " n"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Worn:
    """Put something on each face.

    `points` are 68 or more landmarks in pixels, the first 68 in the iBUG order, image left first,
    (0, 0) the centre of the top left pixel. What face i wears depends on the face, the seed and i
    alone, or on its key instead of i where `keys` are given
    (`ferturb.features.masks.keyed_random.name_keys`). `progress` takes (faces done, n). Raises
    `FerturbError` for an unknown kind, a negative seed or other points.
    """
    _check(images, points, kind, seed)
    n, h, w = len(images), images.shape[-2], images.shape[-1]
    keys = index_keys(n, seed) if keys is None else keys
    kinds = _kinds(keys.cpu(), kind)
    keys, points = keys.to(images.device), points.to(images.device)
    out, kept = black_like(images), torch.ones(n, h, w, dtype=torch.bool, device=images.device)
    step, done = max(1, _CHUNK_PIXELS // max(1, h * w)), 0
    for name in dict.fromkeys(kinds):
        drawer = KINDS[name]
        assert drawer is not None
        members = torch.tensor([i for i, k in enumerate(kinds) if k == name], device=images.device)
        for part in torch.split(members, step):
            random = KeyedRandom(keys[part])
            dyes = dyes_of(name, images[part], random)
            out[part], kept[part] = put_on(images[part], points[part], drawer, random, dyes)
            done += len(part)
            if progress is not None:
                progress(done, n)
    return Worn(out, kept, kinds)


def put_on(
    images: UInt8[Tensor, "n *c h w"],
    points: Float[Tensor, "n p 2"],
    drawer: Drawer,
    random: KeyedRandom,
    dyes: Sequence[Scalar | float] = (1.0, 1.0, 1.0),
) -> tuple[UInt8[Tensor, "n *c h w"], Bool[Tensor, "n h w"]]:
    """The faces with what a drawer draws on them, and which of their pixels are still visible.

    Each channel of coloured faces is a photograph of its own: the same thing is drawn into it, in
    that channel's light and by its dye; white cloth is as bright in all of them.
    """
    h, w = images.shape[-2:]
    face = place(points.float(), h, w)
    if images.ndim == 3:
        light = measure(images, face)
        return lay_over(images, drawer(face, light, random), light, face, random)
    drawn, white = [], measure(luma(images), face).white
    for channel, dye in zip(images.unbind(1), dyes, strict=True):
        light = replace(measure(channel, face), dye=dye, white=white)
        drawn.append(lay_over(channel, drawer(face, light, random), light, face, random))
    return torch.stack([image for image, _ in drawn], 1), drawn[0][1]


def _kinds(keys: Int64[Tensor, " n"], kind: str) -> tuple[str, ...]:
    """The kind of each face: itself, or one of the face masks at random."""
    if KINDS[kind] is not None:
        return (kind,) * len(keys)
    chance = draw_uniform(keys, {"kind": (0.0, 1.0)}, purpose=2)["kind"].flatten()
    bounds = torch.tensor(SHARES).cumsum(0)[:-1]
    return tuple(FACE_MASKS[i] for i in torch.bucketize(chance, bounds, right=True).tolist())


def check_kind(kind: str, seed: int) -> None:
    """Raise `FerturbError` unless the kind is one of `KINDS` and the seed is 0 or more."""
    if kind not in KINDS:
        raise FerturbError(unknown("kind of face mask", kind, KINDS))
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
