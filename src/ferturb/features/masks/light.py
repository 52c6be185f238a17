"""The light of a photograph, measured on its face and given to what is drawn into it.

Something drawn in flat grey looks pasted on. So what is worn takes its brightness from the
skin's, its shading from the face's own low-pass light, its sharpness and its grain from the
photograph, and throws a soft shadow where it touches the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.pixels import as_bytes
from ferturb.data.drawn.geometry import hump
from ferturb.features.masks.frame import Plane, Scalar
from ferturb.features.masks.geometry import Place
from ferturb.features.masks.keyed_random import KeyedRandom

_CELLS = 12
_SPREADS = 4


@dataclass(frozen=True)
class Light:
    """What a photograph's light does to a surface; grey levels in [0, 1]."""

    skin: Scalar
    """Brightness of the lit skin."""
    white: Scalar
    """Brightness of white cloth in the same light."""
    black: Scalar
    """The photograph's darkest grey on the face."""
    field: Plane
    """The face's low-pass light, relative to `skin`."""
    grain: Scalar
    """Standard deviation of the noise."""
    blur: Scalar
    """0: as sharp as pixels allow; 1: smooth over three pixels or more."""
    dye: Scalar | float = 1.0
    """Of a coloured face, seen in one of its channels: how much of it dyed cloth reflects there,
    relative to its albedo."""

    def grey(self, albedo: Plane | Scalar) -> Plane | Scalar:
        """Brightness of a surface that reflects this share of the light."""
        return self.black + (self.white - self.black) * (albedo * self.dye)


@dataclass(frozen=True)
class Layer:
    """One thing laid over the face."""

    cover: Plane
    """Share of each pixel it covers."""
    grey: Plane
    """Its brightness times `cover`."""
    distance: Plane
    """Signed distance to its outline in pixels, negative inside; its shadow falls outside."""
    shadow: float = 0.3
    """How much of the light it keeps from the skin right beside it."""


def measure(images: UInt8[Tensor, "n h w"], face: Place) -> Light:
    """The light on each face."""
    grey = images.float() / 255
    inside = (0.5 - face.outline).clamp(0.0, 1.0)
    inside = inside * (face.Y > -0.35)
    mean = _mean(grey, inside)
    skin = _mean(grey, inside * (grey > 0.8 * mean))
    black = torch.where(inside > 0, grey, 1.0).amin((1, 2), keepdim=True).clamp_max(0.5)
    white = torch.minimum(1.8 * skin + 0.1, skin + 0.75 * (1 - skin))
    return Light(
        skin=skin,
        white=white,
        black=torch.minimum(black, 0.3 * white),
        field=_low_pass(grey, inside, mean, skin),
        grain=_grain(grey, inside),
        blur=_blur(grey),
    )


def _mean(values: Plane, weights: Plane) -> Scalar:
    """Weighted mean of each face, rounded so that the order of summation does not show."""
    total = (values * weights).double().sum((1, 2), keepdim=True)
    mean = total / weights.double().sum((1, 2), keepdim=True).clamp_min(1e-6)
    return ((mean * 65536).round() / 65536).float()


def _low_pass(grey: Plane, inside: Plane, mean: Scalar, skin: Scalar) -> Plane:
    """Low-pass brightness of the skin alone (dark features left out), relative to `skin`."""
    weight = inside * ((grey / mean.clamp_min(0.02) - 0.4) * 4).clamp(0.0, 1.0)
    cells = torch.stack([grey * weight, weight], dim=1)
    cells = F.adaptive_avg_pool2d(cells, _CELLS)
    for _ in range(_SPREADS):
        cells = smooth(cells)
    few = 0.02
    field = (cells[:, 0] + few * skin) / (cells[:, 1] + few)
    field = field / skin.clamp_min(0.02)
    field = F.interpolate(field[:, None], grey.shape[1:], mode="bilinear", align_corners=False)
    return field[:, 0].clamp(0.25, 1.5)


def smooth(planes: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h w"]:
    """Binomial blur over 3×3 pixels, edges repeated."""
    rows = torch.cat([planes[..., :1, :], planes, planes[..., -1:, :]], dim=-2)
    rows = rows[..., :-2, :] + rows[..., 2:, :] + 2 * planes
    columns = torch.cat([rows[..., :1], rows, rows[..., -1:]], dim=-1)
    return (columns[..., :-2] + columns[..., 2:] + 2 * rows) / 16


def _grain(grey: Plane, inside: Plane) -> Scalar:
    """Noise of the photograph: Immerkær, "Fast Noise Variance Estimation", CVIU 1996.

    The operator's response is averaged over pixels below its mean, where there is no edge; of a
    normal distribution these average 0.378 standard deviations.
    """
    d = grey[:, :-2] - 2 * grey[:, 1:-1] + grey[:, 2:]
    d = (d[..., :-2] - 2 * d[..., 1:-1] + d[..., 2:]).abs()
    weight = inside[:, 1:-1, 1:-1]
    calm = weight * (d < _mean(d, weight))
    return (_mean(d, calm) / (6 * 0.378)).clamp_max(0.06)


def _blur(grey: Plane) -> Scalar:
    """Second differences over one pixel against those over two: 1/4 where all is smooth."""
    one = torch.ones_like(grey)
    near = (grey[..., :-2] - 2 * grey[..., 1:-1] + grey[..., 2:]).abs()
    far = (grey[..., :-4] - 2 * grey[..., 2:-2] + grey[..., 4:]).abs()
    ratio = _mean(near, one[..., 2:]) / _mean(far, one[..., 4:]).clamp_min(1e-4)
    return ((0.62 - ratio) / 0.27).clamp(0.0, 1.0)


def lay_over(
    images: UInt8[Tensor, "n h w"],
    layers: Sequence[Layer],
    light: Light,
    face: Place,
    random: KeyedRandom,
) -> tuple[UInt8[Tensor, "n h w"], Bool[Tensor, "n h w"]]:
    """The photographs with the layers over them, first to last, and the pixels still visible.

    A pixel more than half covered is not visible. Shadows fall on the face and just beside it.
    """
    h, w = images.shape[1:]
    grey = images.float() / 255
    hidden = torch.zeros_like(grey)
    noise = random.noise(h, w, 0)
    noise = (0.4 * noise + 0.6 * smooth(noise)) * light.grain
    reach = (face.frame.length * 0.09).clamp_min(1.5)
    ground = (1 - face.outline / reach).clamp(0.0, 1.0)
    for layer in layers:
        cover, drawn = _defocus(layer.cover, light.blur), _defocus(layer.grey, light.blur)
        shadow = layer.shadow * ground * hump(layer.distance.clamp_min(0.0) / reach)
        grey = grey * (1 - shadow) * (1 - cover) + drawn + noise * cover
        hidden = torch.maximum(hidden, layer.cover)
    return as_bytes(grey.clamp(0.0, 1.0)), hidden < 0.5


def _defocus(plane: Plane, blur: Scalar) -> Plane:
    once = plane + (smooth(plane) - plane) * blur
    return once + (smooth(once) - once) * (blur * blur)
