"""Two faces in one input: mixup and CutMix.

- mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018): share · face + (1 −
  share) · other face;
- CutMix (Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
  Features", ICCV 2019): the other face inside a random rectangle with an area of 1 − share.

The share is drawn from Beta(α, α), once a batch; the loss counts both labels by their shares. It is
meant for training that is long enough to learn its faces by heart otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ferturb.base.config import AugmentConfig
from ferturb.models.device import sent
from ferturb.training.targets import Target, cross_entropy


class Mixing(NamedTuple):
    """How a batch of b faces is mixed."""

    partner: Int64[Tensor, " b"]
    """The other face of each."""
    share: float
    """How much of an input is the face itself, 0 … 1."""
    box: tuple[float, float, float, float] | None
    """Top, bottom, left, right of the rectangle, as shares of the sides; None for mixup."""

    def faces(self, faces: Float[Tensor, "v c h w"]) -> Float[Tensor, "v c h w"]:
        """The inputs; v may be a multiple of b: the views of a face stand together, and each is
        mixed with its like."""
        other = _of_partner(faces, self.partner)
        if self.box is None:
            return torch.lerp(other, faces, self.share)
        h, w = faces.shape[2:]
        top, bottom = (round(s * h) for s in self.box[:2])
        left, right = (round(s * w) for s in self.box[2:])
        mixed = faces.clone()
        mixed[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
        return mixed

    def cross_entropy(
        self, logits: Float[Tensor, "v 7"], target: Target, smoothing: float
    ) -> Float[Tensor, ""]:
        """The loss by the labels, or the shares of votes, of both faces."""
        own = cross_entropy(logits, target, smoothing)
        others = cross_entropy(logits, _of_partner(target, self.partner), smoothing)
        return self.share * own + (1 - self.share) * others


def draw_mixing(
    config: AugmentConfig, b: int, side: int, generator: torch.Generator
) -> Mixing | None:
    """A mixing of b faces of `side` pixels; None for a batch that isn't mixed.

    Where both kinds are on, each batch takes one of them by the toss of a coin.
    """
    alphas = {"mixup": config.mixup, "cutmix": config.cutmix}
    kinds = [(kind, alpha) for kind, alpha in alphas.items() if alpha]
    if not kinds:
        return None
    rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    if rng.random() >= config.mixing_probability:
        return None
    kind, alpha = kinds[int(rng.integers(len(kinds)))]
    share = float(rng.beta(alpha, alpha))
    partner = torch.randperm(b, generator=generator)
    if kind == "mixup":
        return Mixing(partner, share, None)
    rows, columns = (_span(rng, side, (1 - share) ** 0.5) for _ in range(2))
    area = (rows[1] - rows[0]) * (columns[1] - columns[0])
    return Mixing(partner, 1 - area, (*rows, *columns))


def _span(rng: np.random.Generator, side: int, length: float) -> tuple[float, float]:
    """Where a stretch begins and ends, in whole pixels: about any centre, cut off at the edges."""
    centre, half = rng.integers(side + 1), length * side / 2
    first, last = (min(max(round(centre + s), 0), side) for s in (-half, half))
    return first / side, last / side


def _of_partner(values: Tensor, partner: Int64[Tensor, " b"]) -> Tensor:
    """What belongs to the other face, for v values of b faces."""
    faces = values.view(len(partner), -1, *values.shape[1:])
    return faces[sent(partner, values.device)].flatten(0, 1)
