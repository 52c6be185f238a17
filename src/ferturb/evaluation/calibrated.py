"""From a trained network to probabilities that mean what they say, and to "I don't know".

Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017): logits
are divided by one number, fitted on validation (PublicTest). The threshold below which a
predictor abstains is chosen there too: the least one at which the faces it answers are right as
often as wanted (selective classification: Geifman and El-Yaniv, NeurIPS 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ferturb.config import choose
from ferturb.evaluation.metrics import Labels, Logits, checked, fit_temperature, softmax
from ferturb.evaluation.predictions import AUGMENTATIONS

TARGET = 0.8
"""How often a predictor's answers should be right on validation."""
_LEAST_ANSWERED = 0.1


@dataclass(frozen=True)
class Calibration:
    """What was chosen on validation, and how it did there."""

    temperature: float
    abstain_below: float
    """A face whose largest probability is below this gets no answer."""
    answered: float
    """Share of the validation faces that get one."""
    right: float
    """Share of those that is right."""


def calibrate(labels: Labels, logits: Logits, target: float = TARGET) -> Calibration:
    """Temperature and threshold of abstention from validation logits.

    Where no threshold reaches the target for a tenth of the faces, the one that comes nearest is
    taken.
    """
    y, z = checked(labels, logits)
    temperature = fit_temperature(y, z)
    probabilities = softmax(z / temperature)
    confidence = probabilities.max(1)
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(probabilities.argmax(1)[order] == y[order]) / np.arange(1, len(y) + 1)
    sorted_confidence = confidence[order]
    last_of_ties = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)
    enough = np.arange(1, len(y) + 1) >= _LEAST_ANSWERED * len(y)
    reached = np.flatnonzero(last_of_ties & enough & (right >= target))
    candidates = np.where(last_of_ties & enough, right, -1.0)
    chosen = int(reached[-1]) if len(reached) else int(candidates.argmax())
    everyone = chosen == len(y) - 1
    return Calibration(
        temperature=temperature,
        abstain_below=0.0 if everyone else float(sorted_confidence[chosen]),
        answered=float((chosen + 1) / len(y)),
        right=float(right[chosen]),
    )


class Calibrated(nn.Module):
    """Faces as they are stored to calibrated probabilities: all of a predictor in one module."""

    def __init__(self, model: nn.Module, temperature: float, augmentation: str = "none") -> None:
        """`augmentation`: one of `AUGMENTATIONS`; the logits of its variants are averaged."""
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.variants = choose("test-time augmentation", augmentation, AUGMENTATIONS)

    def forward(self, faces: Shaped[Tensor, "b h w"]) -> Float[Tensor, "b 7"]:
        """uint8 faces -> probabilities, float32; rows add up to 1."""
        variants = self.variants(faces.unsqueeze(1).float() / 255)
        logits: Tensor = self.model(torch.cat(variants)).float()
        mean = logits.view(len(variants), -1, logits.shape[-1]).mean(0)
        return (mean / self.temperature).softmax(1)
