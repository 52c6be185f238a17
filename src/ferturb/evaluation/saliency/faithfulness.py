"""Is a saliency map true? Curves, pointing, and how often it names the planted feature.

- *Deletion and insertion* (Petsiuk et al., BMVC 2018): leave the pixels out in the order of their
  saliency, or start from nothing and put them in; the mean probability of the emotion on the way
  (the area under the curve) should be low for deletion and high for insertion. What is left out is
  filled by `ferturb.features.removal`.
- *Pointing game* (Zhang et al., IJCV 2018): on which facial feature does the map's maximum lie?
- *Named feature*: the facial feature with the most mass for its area. Where the truth is known (the
  synthetic faces), it should be one that carries the face's emotion.

Two maps that know nothing of the model stand beside the methods: smooth random blobs, and a
Gaussian in the middle of the image. A method that isn't better than these says nothing.
Pixels of equal saliency follow each other in random order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.action_units import planted_features
from ferturb.data.faces import Faces
from ferturb.evaluation.saliency.parts import PARTS
from ferturb.evaluation.saliency.probability import BATCH, evaluating, probability_of
from ferturb.features.removal import remove

STEPS = 16
FEATURES: tuple[str, ...] = PARTS[:-1]
"""What can be named or pointed at: the parts of a face, without what lies outside it."""
BLOBS = 6


def deletion(
    model: nn.Module,
    faces: Float[Tensor, "n c h w"],
    target: Int64[Tensor, " n"],
    order: Int64[Tensor, "n hw"],
    fill: str = "mean",
    steps: int = STEPS,
    precision: str = "float32",
) -> Float32[Tensor, "n s"]:
    """Probability of the target with the first 0, 1/steps, …, all of the pixels left out."""
    return _curve(model, faces, target, ~_first(order, faces, steps), fill, precision)


def insertion(
    model: nn.Module,
    faces: Float[Tensor, "n c h w"],
    target: Int64[Tensor, " n"],
    order: Int64[Tensor, "n hw"],
    fill: str = "mean",
    steps: int = STEPS,
    precision: str = "float32",
) -> Float32[Tensor, "n s"]:
    """Probability of the target with only the first 0, 1/steps, …, all of the pixels shown."""
    return _curve(model, faces, target, _first(order, faces, steps), fill, precision)


def _first(
    order: Int64[Tensor, "n hw"], faces: Float[Tensor, "n c h w"], steps: int
) -> Bool[Tensor, "s n h w"]:
    """Which pixels are among the first 0, 1/steps, …, all of each order."""
    n, pixels = order.shape
    place = torch.empty_like(order).scatter_(1, order, torch.arange(pixels).expand(n, -1))
    counts = torch.tensor([round(step * pixels / steps) for step in range(steps + 1)])
    return (place < counts[:, None, None]).view(-1, n, *faces.shape[-2:])


def _curve(
    model: nn.Module,
    faces: Float[Tensor, "n c h w"],
    target: Int64[Tensor, " n"],
    keep: Bool[Tensor, "s n h w"],
    fill: str,
    precision: str,
) -> Float32[Tensor, "n s"]:
    """Probability of the target with these pixels shown, step by step."""
    curve = torch.zeros(len(faces), len(keep))
    with evaluating(model):
        for start in range(0, len(faces), BATCH):
            some = slice(start, start + BATCH)
            for step, shown in enumerate(keep[:, some]):
                left = remove(faces[some], shown, fill)
                curve[some, step] = probability_of(model, left, target[some], precision)
    return curve


def area_under(curve: Float[Tensor, "n s"]) -> Float[Tensor, " n"]:
    """The area under each curve over 0 … 1 (trapezoids): a mean probability."""
    return torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)


def ranked(maps: Float[Tensor, "n h w"], seed: int = 0) -> Int64[Tensor, "n hw"]:
    """The pixels of each map from the most to the least salient, ties at random from the seed."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.rand(maps[0].numel(), generator=generator).argsort()
    flat = maps.flatten(1)[:, shuffled]
    return shuffled[flat.argsort(dim=1, descending=True, stable=True)]


def pointed_at(order: Int64[Tensor, "n hw"], parts: Int64[Tensor, "n h w"]) -> Int64[Tensor, " n"]:
    """The part (an index into `PARTS`) on which each map's maximum lies."""
    return parts.flatten(1).gather(1, order[:, :1])[:, 0]


def named_feature(
    share: Float[Tensor, "n p"], area: Float[Tensor, "n p"], least: float = 0.002
) -> Int64[Tensor, " n"]:
    """The facial feature (an index into `PARTS`) with the most mass for its area in each face.

    Features of less than `least` of the image (5 pixels of 48×48) are passed over.
    """
    ratio = torch.where(area >= least, share / area.clamp_min(1e-12), -1.0)
    return ratio[:, : len(FEATURES)].argmax(1)


def planted(faces: Faces) -> Bool[np.ndarray, "7 p"] | None:
    """Which of `PARTS` carry each emotion; None where that is unknown (all but synthetic faces).

    Drawn faces that wear masks, or had a feature left out, no longer show all that was planted.
    """
    if faces.kind != "synthetic" or {"left_out", "face_masks"} & set(faces.info):
        return None
    carries = planted_features()
    return np.array([[part in carries[emotion] for part in PARTS] for emotion in EMOTIONS])


def random_maps(
    faces: Float[Tensor, "n c h w"], seed: int = 0, blobs: int = BLOBS
) -> Float[Tensor, "n h w"]:
    """Smooth random maps: uniform numbers on a grid of 6×6, enlarged. They know nothing."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.rand(len(faces), 1, blobs, blobs, generator=generator)
    size = (faces.shape[-2], faces.shape[-1])
    return F.interpolate(grid, size, mode="bilinear", align_corners=False)[:, 0]


def centre_maps(faces: Float[Tensor, "n c h w"], seed: int = 0) -> Float[Tensor, "n h w"]:
    """A Gaussian in the middle of the image, its standard deviation a quarter of the side."""
    sides = [torch.linspace(-2, 2, side) for side in faces.shape[-2:]]
    bells = [torch.exp(-side.square() / 2) for side in sides]
    return (bells[0][:, None] * bells[1][None, :]).expand(len(faces), -1, -1).clone()


BASELINES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "random": random_maps,
    "centre": centre_maps,
}
"""Maps that know nothing of the model, by name."""
