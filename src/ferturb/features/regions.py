"""From landmarks to regions: which pixels are which facial feature.

Left and right are the image's, not the person's. Lengths are in units of the interocular
distance (between the middles of the eyes; on profiles, where it shrinks, never less than the
face's height says).

- Eyes, brows, nose and mouth are the convex hulls of their landmarks, dilated by `MARGINS`;
  ``face`` is the hull of its outline.
- Jaw, cheeks and forehead are what remains of the face below the line of the mouth, between it
  and the line of the brows, and above: with eyes, brows, nose and mouth they tile the face.
- Halves divide the whole image, hair and background included, along the face's own axes: the
  left from the right by the face's middle line, the upper from the lower by the line parallel to
  the eyes, halfway between them and the base of the nose. Leaving out the lower half leaves
  nothing of it.

Hulls are support functions (`hulls.py`): a pixel x is in the hull dilated by r where
x·n(φ) ≤ h(φ) + r in all of 64 directions φ.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from ferturb.base.config import choose
from ferturb.base.errors import FerturbError
from ferturb.base.raster import FACE_SIZE
from ferturb.features.hulls import NORMALS
from ferturb.features.landmarks import complete
from ferturb.features.points import COUNT, GROUPS, IBUG, OUTLINE

MARGINS: dict[str, float] = {"eyes": 0.08, "brows": 0.05, "nose": 0.06, "mouth": 0.10}
"""How far hulls are dilated, in interocular distances."""

_BATCH = 256
_LEAST_UNIT = 0.45
"""The least interocular distance, in distances from the eyes to the chin (0.59 on average)."""


def _of(*groups: str) -> tuple[int, ...]:
    return tuple(i for group in groups for i in GROUPS[group])


_EYES = _of("left_eye", "left_lids"), _of("right_eye", "right_lids")
_BROWS = _of("left_brow", "left_brow_edge"), _of("right_brow", "right_brow_edge")
_NOSE = _of("nose_ridge", "nose_base", "bridge", "nose_wings")
_MOUTH = _of("outer_lips", "inner_lips")
_LIP_MIDDLES, _NOSE_BASE, _CHIN = (51, 57, 62, 66), 33, 8
_AXIS = (*GROUPS["nose_ridge"], *GROUPS["bridge"], _NOSE_BASE, *_LIP_MIDDLES, _CHIN)


@dataclass(frozen=True)
class Geometry:
    """A batch of faces as regions see them: all points, and where the image's pixels are."""

    points: Float[Tensor, "n p 2"]
    size: tuple[int, int]

    @functools.cached_property
    def unit(self) -> Float[Tensor, " n"]:
        """The interocular distance of each face, in pixels."""
        left, right = self.middle(_EYES[0]), self.middle(_EYES[1])
        height = (self.points[:, _CHIN] - (left + right) / 2).norm(dim=1)
        return torch.maximum((right - left).norm(dim=1), _LEAST_UNIT * height)

    @functools.cached_property
    def down(self) -> Float[Tensor, "n 2"]:
        """The direction of the middle line, from the bridge of the nose to lips and chin."""
        lower = self.points[:, [*_LIP_MIDDLES, _CHIN]].mean(1)
        return normalize(lower - self.middle(GROUPS["nose_ridge"][:2]), eps=1e-6)

    @functools.cached_property
    def across(self) -> Float[Tensor, "n 2"]:
        """The direction from the left to the right of the face, along the line of the eyes."""
        left = self.middle(_EYES[0] + _BROWS[0])
        right = self.middle(_EYES[1] + _BROWS[1])
        square = torch.stack([self.down[:, 1], -self.down[:, 0]], 1)
        # On a profile eyes and brows say little: the line square to the middle line steadies it.
        return normalize((right - left) + 0.5 * self.unit[:, None] * square, eps=1e-6)

    def middle(self, index: Iterable[int]) -> Float[Tensor, "n 2"]:
        """The mean of some points."""
        return self.points[:, list(index)].mean(1)

    def hull(self, index: Iterable[int], margin: float = 0.0) -> Bool[Tensor, "n h w"]:
        """The pixels in the convex hull of some points, dilated by `margin` units."""
        directions, places = _directions(self.size, self.points.device)
        support = (self.points[:, list(index)] @ directions).amax(1) + margin * self.unit[:, None]
        inside = support.new_ones(len(support), places.shape[1], dtype=torch.bool)
        within = torch.empty_like(inside)
        for place, reach in zip(places, support.T, strict=True):
            inside &= torch.le(place, reach[:, None], out=within)
        return inside.view(-1, *self.size)

    def beyond(
        self, place: Float[Tensor, "n 2"], direction: Float[Tensor, "n 2"]
    ) -> Bool[Tensor, "n h w"]:
        """The pixels beyond the line through `place` square to `direction`."""
        rows, columns = (torch.arange(s, device=place.device) for s in self.size)
        x = (columns[None, :] - place[:, :1]) * direction[:, :1]
        y = (rows[None, :] - place[:, 1:]) * direction[:, 1:]
        return x[:, None, :] + y[:, :, None] > 0

    def below(self, place: Float[Tensor, "n 2"]) -> Bool[Tensor, "n h w"]:
        """The pixels below the line through `place` parallel to the eyes."""
        return self.beyond(place, torch.stack([-self.across[:, 1], self.across[:, 0]], 1))

    @functools.cached_property
    def right_side(self) -> Bool[Tensor, "n h w"]:
        """The pixels to the right of the middle line."""
        return self.beyond(self.middle(_AXIS), torch.stack([self.down[:, 1], -self.down[:, 0]], 1))

    @functools.cached_property
    def lower_side(self) -> Bool[Tensor, "n h w"]:
        """The pixels below halfway between the eyes and the base of the nose."""
        eyes = (self.middle(_EYES[0]) + self.middle(_EYES[1])) / 2
        return self.below((eyes + self.points[:, _NOSE_BASE]) / 2)

    @functools.cached_property
    def parts(self) -> dict[str, Bool[Tensor, "n h w"]]:
        """The features that are hulls."""
        left, right = (self.hull(eye, MARGINS["eyes"]) for eye in _EYES)
        brows = [self.hull(brow, MARGINS["brows"]) for brow in _BROWS]
        return {
            "left_eye": left & ~(right & self.right_side),
            "right_eye": right & ~(left & ~self.right_side),
            "eyes": left | right,
            "brows": brows[0] | brows[1],
            "nose": self.hull(_NOSE, MARGINS["nose"]),
            "mouth": self.hull(_MOUTH, MARGINS["mouth"]),
        }

    @functools.cached_property
    def face(self) -> Bool[Tensor, "n h w"]:
        """The face: the hull of its outline, and whatever features reach beyond it."""
        p = self.parts
        return self.hull(OUTLINE) | p["eyes"] | p["brows"] | p["nose"] | p["mouth"]

    @functools.cached_property
    def zones(self) -> tuple[Bool[Tensor, "n h w"], ...]:
        """What remains of the face: above the brows, between brows and mouth, below the mouth."""
        p = self.parts
        rest = self.face & ~(p["eyes"] | p["brows"] | p["nose"] | p["mouth"])
        under_brows = self.below(self.middle((*GROUPS["left_brow"], *GROUPS["right_brow"])))
        under_mouth = self.below(self.points[:, [48, 54]].mean(1)) & under_brows
        return rest & ~under_brows, rest & under_brows & ~under_mouth, rest & under_mouth


FEATURES: dict[str, Callable[[Geometry], Bool[Tensor, "n h w"]]] = {
    "left_eye": lambda g: g.parts["left_eye"],
    "right_eye": lambda g: g.parts["right_eye"],
    "eyes": lambda g: g.parts["eyes"],
    "brows": lambda g: g.parts["brows"],
    "nose": lambda g: g.parts["nose"],
    "mouth": lambda g: g.parts["mouth"],
    "jaw": lambda g: g.zones[2],
    "cheeks": lambda g: g.zones[1],
    "forehead": lambda g: g.zones[0],
    "upper_face": lambda g: ~g.lower_side,
    "lower_face": lambda g: g.lower_side,
    "left_half": lambda g: ~g.right_side,
    "right_half": lambda g: g.right_side,
    "face": lambda g: g.face,
}
"""Facial feature -> its region, from the geometry of a batch of faces."""


def regions(
    points: Float[Tensor, "n p 2"],
    size: tuple[int, int] = (48, 48),
    features: Iterable[str] | None = None,
) -> dict[str, Bool[Tensor, "n h w"]]:
    """The region of each facial feature in each face; `features` None gives all of `FEATURES`.

    A feature named twice is found once. `points` are the points of `find_landmarks`, or the 68 of
    iBUG alone, which are completed. Raises `FerturbError` for an unknown feature, or points that
    are neither or not finite.
    """
    names = tuple(dict.fromkeys(FEATURES if features is None else features))
    for name in names:
        choose("facial feature", name, FEATURES)
    if points.shape[1:] == (IBUG, 2):
        points = complete(points)
    if points.shape[1:] != (COUNT, 2) or not bool(points.isfinite().all()):
        raise FerturbError(
            f"regions need finite points (faces, {COUNT}, 2) as find_landmarks gives them, or the "
            f"{IBUG} of iBUG, got {tuple(points.shape)}"
        )
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    step = max(1, min(_BATCH, _BATCH * FACE_SIZE**2 // (size[0] * size[1] or 1)))
    for part in points.float().split(step):  # type: ignore[no-untyped-call]
        geometry = Geometry(part, size)
        for name in names:
            found[name].append(FEATURES[name](geometry))
    return {name: torch.cat(parts) for name, parts in found.items()}


def region(
    points: Float[Tensor, "n p 2"], feature: str, size: tuple[int, int] = (48, 48)
) -> Bool[Tensor, "n h w"]:
    """The region of one facial feature in each face."""
    return regions(points, size, (feature,))[feature]


@functools.lru_cache(maxsize=8)
def _directions(
    size: tuple[int, int], device: torch.device
) -> tuple[Float[Tensor, "2 k"], Float[Tensor, "k hw"]]:
    """The directions, and how far each pixel lies in each of them."""
    directions = torch.tensor(NORMALS).T.contiguous()
    rows, columns = torch.meshgrid(*(torch.arange(s).float() for s in size), indexing="ij")
    places = torch.stack([columns.flatten(), rows.flatten()], 1) @ directions
    return directions.to(device), places.T.contiguous().to(device)
