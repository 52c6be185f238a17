"""From faces to landmarks: the points of `points.py`, with a confidence, for every face.

The network (`landmark_network.py`) was trained by `tools/train_landmarks.py`; its weights, the
mean shape and the calibration of the confidence lie beside this file. Each face is looked at
twice, as it is and mirrored, and the two are averaged: the landmarks of a mirrored face are the
mirrored landmarks, and how far the two differ is a part of the confidence.

No face is dropped. Where there is nothing to see (a blank image) or the confidence is below the
calibration's least, the face gets the mean shape, with confidence 0, and says so. On validation
faces the network was nearer than the mean shape at every confidence, so that the least is 0
today and blank images alone get the mean shape.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_input, luma, require_images
from ferturb.base.reading import reading
from ferturb.base.tensors import load_tensors
from ferturb.features.landmark_network import SIDE, LandmarkNetwork
from ferturb.features.points import COUNT, FLIP, IBUG, INNER

WEIGHTS = Path(__file__).with_name("landmarks.safetensors")
FORMAT = "ferturb-landmarks-1"

SOURCES: tuple[str, ...] = ("network", "mean shape")
"""Where a face's landmarks can come from."""

_BLANK = 1.0
_BATCH = 32  # and their mirror images: what a core's cache holds


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of n faces.

    - ``points``: float32 (n, points, 2), x and y in pixels of the faces given; (0, 0) is the
      centre of the top left pixel; the first 68 are the iBUG points. Points may lie outside.
    - ``confidence``: float32 (n,), the calibrated probability that the face's inner points are
      off by less than 2 pixels (of 48) on average; 0 for the mean shape.
    - ``source``: "network" or "mean shape", one a face.
    """

    points: Float32[Tensor, "n p 2"]
    confidence: Float32[Tensor, " n"]
    source: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.points) == len(self.confidence) == len(self.source):
            raise FerturbError(
                f"Landmarks needs one confidence and one source a face: {len(self.points)} faces, "
                f"{len(self.confidence)} confidences, {len(self.source)} sources"
            )

    def __len__(self) -> int:
        return int(self.points.shape[0])

    def select(self, index: Int64[Tensor, " m"]) -> Landmarks:
        """The landmarks of the faces at these positions, in this order."""
        source = tuple(self.source[i] for i in index.tolist())
        return Landmarks(self.points[index], self.confidence[index], source)


class Calibration(NamedTuple):
    """Confidence = sigmoid(bias + error · log(predicted error) + mirror · log(disagreement))."""

    bias: float
    error: float
    mirror: float
    least: float
    """Below this confidence the mean shape is used."""


class Model(NamedTuple):
    """All that finds landmarks: a network, the shape of the last resort, the calibration."""

    network: LandmarkNetwork
    mean_shape: Float32[Tensor, "p 2"]
    calibration: Calibration


class Found(NamedTuple):
    """What the network predicts before calibration, in pixels of a 48×48 face."""

    points: Float32[Tensor, "n p 2"]
    error: Float32[Tensor, " n"]
    """The mean distance it expects of the inner points from the truth."""
    disagreement: Float32[Tensor, " n"]
    """Mean distance of the inner points as seen as they are and mirrored."""


def find_landmarks(
    images: UInt8[Tensor, "n *c h w"],
    model: Model | None = None,
    device: torch.device | None = None,
) -> Landmarks:
    """The landmarks of every face; none is dropped.

    Faces that are not 48×48 in grey are made so for the network, and the points are given in the
    pixels of the faces as they came. `model` None takes the one in the package; an array of NumPy
    will do as well as a tensor.

    >>> find_landmarks(torch.zeros(1, 48, 48, dtype=torch.uint8)).source
    ('mean shape',)
    """
    model, images = model or shipped_model(), torch.as_tensor(images)
    require_images(images, "the faces of find_landmarks")
    h, w = images.shape[-2:]
    found = look(model.network, images, device)
    confidence = confidence_of(found, model.calibration)
    blanks = [blank(luma(part.cpu())) for part in torch.split(images, _BATCH)]
    lost = (confidence < model.calibration.least) | torch.cat(blanks)
    lost |= ~found.points.isfinite().flatten(1).all(1)
    points = torch.where(lost[:, None, None], model.mean_shape, found.points)
    scale = points.new_tensor([w / SIDE, h / SIDE])
    return Landmarks(
        points=points * scale + (scale - 1) / 2,
        confidence=torch.where(lost, 0.0, confidence),
        source=tuple(SOURCES[i] for i in lost.long().tolist()),
    )


@torch.no_grad()
def look(
    network: LandmarkNetwork, images: UInt8[Tensor, "n *c h w"], device: torch.device | None = None
) -> Found:
    """What a network in evaluation mode sees in faces, each as it is and mirrored."""
    device = device or torch.device("cpu")
    network = network.to(device)
    inner = list(INNER)
    parts = []
    for batch in images.split(_BATCH):  # type: ignore[no-untyped-call]
        faces = as_input(luma(batch.to(device)))
        if faces.shape[2:] != (SIDE, SIDE):
            faces = F.interpolate(faces, (SIDE, SIDE), mode="bilinear", antialias=True)
        both = torch.cat([faces, faces.flip(3)]).contiguous(memory_format=torch.channels_last)
        points, scales = network(both)
        seen, mirrored = points.chunk(2)
        mirrored = mirror(mirrored, SIDE)
        # A Laplace error of mean size b in x and in y is a distance of 1.5 b, about.
        error = 1.5 * scales[:, inner].exp().mean(1).view(2, -1).mean(0)
        apart = (seen - mirrored)[:, inner].norm(dim=2).mean(1)
        parts.append(Found(((seen + mirrored) / 2).cpu(), error.cpu(), apart.cpu()))
    return Found(*(torch.cat(part) for part in zip(*parts, strict=True)))


def mirror(points: Float[Tensor, "n p 2"], width: int) -> Float[Tensor, "n p 2"]:
    """The points of the faces mirrored left to right, in images `width` pixels wide."""
    flipped = points[:, list(FLIP)]
    return torch.stack([width - 1 - flipped[..., 0], flipped[..., 1]], dim=2)


def confidence_of(found: Found, calibration: Calibration) -> Float32[Tensor, " n"]:
    """The probability that each face's inner points are off by less than 2 pixels of 48."""
    logit = calibration.bias + calibration.error * found.error.clamp_min(1e-3).log()
    return torch.sigmoid(logit + calibration.mirror * (found.disagreement + 0.05).log())


def complete(points: Float[Tensor, "n 68 2"]) -> Tensor:
    """All points of faces of which only the 68 iBUG points are known: (n, points, 2).

    The others are those of the mean shape, laid on each face by the affine map that brings the
    mean shape's 68 nearest to the face's, and moved by what remains at the nearest of the 68.
    """
    mean = shipped_model().mean_shape.to(points)
    ones = torch.ones(COUNT, 1, dtype=points.dtype, device=points.device)
    design = torch.cat([mean, ones], 1)
    known, others = design[:IBUG], design[IBUG:]
    affine = torch.linalg.lstsq(known.expand(len(points), -1, -1), points).solution
    remains = points - known @ affine
    nearest = torch.cdist(mean[IBUG:], mean[:IBUG]).argmin(1)
    return torch.cat([points, others @ affine + remains[:, nearest]], 1)


def blank(images: UInt8[Tensor, "n h w"]) -> Bool[Tensor, " n"]:
    """Faces whose pixels are all within a grey level or so of each other."""
    flat = images.flatten(1).float()
    return (flat - flat.mean(1, keepdim=True)).square().mean(1).sqrt() < _BLANK


@functools.cache
def shipped_model() -> Model:
    """The model in the package, read once."""
    return load_model(WEIGHTS)


def load_model(path: Path, fold: bool = True) -> Model:
    """Read what `tools/train_landmarks.py` wrote; the network is ready for use.

    `fold` takes its normalisations into the convolutions.
    """
    tensors, meta = load_tensors(path)
    if meta.get("format") != FORMAT or meta.get("points") != COUNT:
        raise FerturbError(
            f"{path} holds no landmark network of this version (expected {FORMAT} with {COUNT} "
            f"points, got {meta.get('format')} with {meta.get('points')}); train it again with "
            "tools/train_landmarks.py"
        )
    network = LandmarkNetwork(COUNT)
    with reading(path, "a file that fits the landmark network", "train it again"):
        mean_shape, calibration = tensors.pop("mean_shape"), Calibration(**meta["calibration"])
        network.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
    if fold:
        _fold(network)
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)
    return Model(network, mean_shape, calibration)


def _fold(module: nn.Module) -> None:
    """Every convolution that a batch normalisation follows takes it in."""
    for child in module.children():
        _fold(child)
    if not isinstance(module, nn.Sequential):
        return
    layers = list(module)
    for i, (first, second) in enumerate(itertools.pairwise(layers)):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            module[i] = fuse_conv_bn_eval(first.eval(), second.eval())
            module[i + 1] = nn.Identity()
