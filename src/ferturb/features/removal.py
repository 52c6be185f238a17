"""Leaving pixels out of faces: a boolean mask (True = keep) and what fills the rest.

Whatever the fill, kept pixels stay bit for bit as they are, and what is filled in depends on kept
pixels alone: nothing of what is left out leaks into its own replacement. A face of which nothing
is kept becomes the same mid grey whatever it was (black where the fill is black).

- ``black``: 0.
- ``mean``: the mean of the face's kept pixels.
- ``blur``: at each pixel the mean of the kept pixels around it, weighted by a Gaussian of an
  eighth of the face's width (6 px of 48, wider than an eye is high); normalised, so that left-out
  pixels count nothing (normalised convolution: Knutsson and Westin, CVPR 1993). It hides a
  feature of any size, as the weights shrink alike with distance from what is kept.
- ``noise``: Gaussian noise with the mean and standard deviation of the kept pixels; in coloured
  faces, whose channels are filled one by one, the same draw in each.
- ``inpaint``: the smoothest continuation of what surrounds it: Laplace's equation with the kept
  pixels as border (no flow across the image's edge).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from ferturb.base.config import choose
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_images, as_input, at_once, over
from ferturb.base.raster import FACE_SIZE
from ferturb.data.faces import Faces
from ferturb.data.memory import black_like
from ferturb.features.landmarks import Landmarks, find_landmarks
from ferturb.features.points import COUNT
from ferturb.features.random_regions import control_regions
from ferturb.features.regions import region, regions

Fill = Callable[[Tensor, Tensor, torch.Generator | None], Tensor]
"""(faces (b, c, h, w), keep (b, 1, h, w) as 0 and 1, generator) -> what to fill with, (b, c, h, w)
or anything that broadcasts to it."""

_GREY = 0.5
_BLUR = 1 / 8
_STEPS = 300
_SMALL = 1e-6
_BATCH = 512


def remove(
    faces: Float[Tensor, "b c h w"],
    keep: Bool[Tensor, "b h w"],
    fill: str,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b c h w"]:
    """Faces in [0, 1] with everything outside `keep` filled; kept pixels are bit-identical.

    Each channel of coloured faces is filled by itself.

    `generator` feeds the noise (None: every face gets the same, in whatever batch it comes).
    Raises `FerturbError` for an unknown fill.
    """
    make = choose("fill", fill, FILLS)
    shown = keep.unsqueeze(1)
    hidden = faces * shown  # so that no fill can see what is left out
    filled = make(hidden, shown.to(faces.dtype), generator).to(faces)
    return torch.where(shown, faces, filled.clamp(0, 1))


def without(
    images: UInt8[Tensor, "n *c h w"],
    region: Bool[Tensor, "n h w"],
    fill: str,
    generator: torch.Generator | None = None,
) -> UInt8[Tensor, "n *c h w"]:
    """Faces as bytes with the pixels of `region` filled (see `remove`); the others stay."""
    filled = as_images(remove(as_input(images), ~region, fill, generator))
    return torch.where(over(region, images), filled, images)


def leave_out(
    faces: Faces,
    feature: str,
    fill: str,
    landmarks: Landmarks | None = None,
    seed: int = 0,
    control: bool = False,
) -> Faces:
    """A dataset with one facial feature left out of every face.

    `control` leaves out, in its place, a random region of as many pixels (`control_regions`).
    Labels, splits and names stay; source and notes say what was done, and `info["left_out"]`
    keeps it with, by face, the landmarks' confidence and source. `landmarks` None finds them.
    Raises `FerturbError` for an unknown feature or fill.
    """
    choose("fill", fill, FILLS)
    size = faces.size
    region(torch.zeros(0, COUNT, 2), feature, size)  # an unknown feature fails at once
    landmarks = landmarks or find_landmarks(faces.images)
    if len(landmarks) != len(faces):
        raise FerturbError(
            f"leave_out needs the landmarks of each face: {len(faces)} faces, "
            f"{len(landmarks)} landmarks; pass those of these faces, or none"
        )
    generator = torch.Generator().manual_seed(seed)
    images = black_like(faces.images)
    step = at_once(_BATCH, faces.images)
    for number, start in enumerate(range(0, len(faces), step)):
        some = slice(start, start + step)
        found = regions(landmarks.points[some], size, (feature, "face") if control else (feature,))
        hidden = found[feature]
        if control:
            draw = int(np.random.default_rng([seed, number]).integers(2**62))
            hidden = control_regions(hidden, found["face"], draw)
        images[some] = without(faces.images[some], hidden, fill, generator)
    what = f"random regions of the area of {feature}" if control else feature
    record = {
        **{"feature": feature, "fill": fill, "control": control, "seed": seed},
        "confidence": [round(c, 4) for c in landmarks.confidence.tolist()],
        "landmarks": list(landmarks.source),
    }
    return replace(
        faces,
        images=images,
        source=f"{faces.source}, {what} left out ({fill})",
        notes=(*faces.notes, f"{what} left out of every face, filled: {fill}, seed {seed}"),
        info={**faces.info, "left_out": record},
    )


def _mean(faces: Tensor, keep: Tensor, generator: torch.Generator | None) -> Tensor:
    count = keep.sum((1, 2, 3), keepdim=True)
    mean = faces.sum((2, 3), keepdim=True) / count.clamp_min(1)
    return torch.where(count > 0, mean, _GREY)


def _noise(faces: Tensor, keep: Tensor, generator: torch.Generator | None) -> Tensor:
    mean = _mean(faces, keep, generator)
    squares = ((faces - mean) * keep).square().sum((2, 3), keepdim=True)
    deviation = (squares / keep.sum((1, 2, 3), keepdim=True).clamp_min(1)).sqrt()
    if generator is None:
        noise = torch.randn(1, 1, *faces.shape[2:], generator=torch.Generator().manual_seed(0))
    else:
        noise = torch.randn(len(faces), 1, *faces.shape[2:], generator=generator)
    return mean + deviation * noise.to(faces)


def _blur(faces: Tensor, keep: Tensor, generator: torch.Generator | None) -> Tensor:
    h, w = faces.shape[2:]
    down, across = _gaussian(h, w, faces.device), _gaussian(w, w, faces.device)
    # float64: far from anything kept, the weights are tiny and their quotient still right.
    light = down @ (faces * keep).double() @ across
    weight = down @ keep.double() @ across
    return torch.where(weight > 0, light / weight.clamp_min(1e-300), _GREY)


@functools.lru_cache(maxsize=8)
def _gaussian(side: int, width: int, device: torch.device) -> Float[Tensor, "s s"]:
    """Weights between all places of one side, standard deviation in shares of the face's width."""
    place = torch.arange(side, dtype=torch.float64, device=device)
    distance = (place[:, None] - place[None, :]) / (_BLUR * width)
    return torch.exp(-distance.square() / 2)


def _inpaint(faces: Tensor, keep: Tensor, generator: torch.Generator | None) -> Tensor:
    """Conjugate gradients from the blurred fill; a face (each of its colours)
    stops when its own residual is small."""
    free = 1 - keep
    degree = _neighbours(torch.ones_like(faces))
    x = torch.where(keep > 0, faces, _blur(faces, keep, generator).to(faces))
    residual = free * (_neighbours(x) - degree * x)
    step, size = residual, residual.square().sum((2, 3), keepdim=True)
    for _ in range(_STEPS * max(1, faces.shape[-1] // FACE_SIZE)):
        unfinished = size > _SMALL
        if not bool(unfinished.any()):
            break
        image = free * (degree * step - _neighbours(step))
        along = (step * image).sum((2, 3), keepdim=True)
        far = torch.where(unfinished, size / along.clamp_min(1e-30), 0.0)
        x, residual = x + far * step, residual - far * image
        new = residual.square().sum((2, 3), keepdim=True)
        step, size = residual + new / size.clamp_min(1e-30) * step, new
    return x


def _neighbours(x: Tensor) -> Tensor:
    """The sum of each pixel's neighbours above, below, left and right inside the image."""
    total = torch.zeros_like(x)
    total[..., 1:, :] += x[..., :-1, :]
    total[..., :-1, :] += x[..., 1:, :]
    total[..., 1:] += x[..., :-1]
    total[..., :-1] += x[..., 1:]
    return total


FILLS: dict[str, Fill] = {
    "black": lambda faces, keep, generator: torch.zeros_like(faces),
    "mean": _mean,
    "blur": _blur,
    "noise": _noise,
    "inpaint": _inpaint,
}
"""Name of a fill -> how it is made."""
