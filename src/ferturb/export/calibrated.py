"""From a trained network to probabilities that mean what they say, and to "I don't know".

Bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar, "Maximum Likelihood with
Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation", ICML 2020): logits are
divided by one number and each emotion gets one added, fitted on validation (PublicTest).
Temperature alone (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017) made left-out
validation faces less likely, for each of the pretrained models. The threshold below which a
predictor abstains is chosen there too: the least one at which the faces it answers are right as
often as wanted (selective classification: Geifman and El-Yaniv, NeurIPS 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from scipy import special
from torch import Tensor, nn

from ferturb.base.config import choose
from ferturb.evaluation.calibration import fit_temperature_and_bias
from ferturb.evaluation.metrics import Labels, Logits, checked
from ferturb.models.test_time import AUGMENTATIONS

TARGET = 0.8
"""How often a predictor's answers should be right on validation."""
_LEAST_ANSWERED = 0.1


@dataclass(frozen=True)
class Calibration:
    """What was chosen on validation, and how it did there."""

    temperature: float
    bias: tuple[float, ...]
    """What is added to each emotion's logit after the division; its mean is 0."""
    abstain_below: float
    """A face whose largest probability is below this gets no answer."""
    prior: tuple[float, ...]
    """How frequent each emotion is among the validation faces, for which the probabilities hold;
    one that none shows counts as half a face."""
    answered: float
    """Share of the validation faces that get one."""
    right: float
    """Share of those that is right."""

    def scaled(self, logits: Logits) -> Float[np.ndarray, "n 7"]:
        """Logits whose softmax is calibrated."""
        z = np.asarray(logits, np.float64)
        return np.asarray(z / self.temperature + np.asarray(self.bias))


def calibrate(labels: Labels, logits: Logits, target: float = TARGET) -> Calibration:
    """Temperature, biases and threshold of abstention from validation logits.

    Where no threshold reaches the target for a tenth of the faces, the one that comes nearest is
    taken.
    """
    y, z = checked(labels, logits)
    temperature, bias = fit_temperature_and_bias(y, z)
    probabilities = special.softmax(z / temperature + bias, axis=1)
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
    counts = np.maximum(np.bincount(y, minlength=z.shape[1]), 0.5)
    return Calibration(
        temperature=temperature,
        bias=tuple(bias.tolist()),
        abstain_below=0.0 if everyone else float(sorted_confidence[chosen]),
        prior=tuple((counts / counts.sum()).tolist()),
        answered=float((chosen + 1) / len(y)),
        right=float(right[chosen]),
    )


class Calibrated(nn.Module):
    """Faces as they are stored to calibrated probabilities: all of a predictor in one module."""

    def __init__(
        self,
        model: nn.Module,
        temperature: float,
        augmentation: str = "none",
        bias: Sequence[float] = (),
    ) -> None:
        """`augmentation`: one of `AUGMENTATIONS`; the logits of its variants are averaged.

        `bias` has a number for each emotion, or none.
        """
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.bias = tuple(bias)
        choose("test-time augmentation", augmentation, AUGMENTATIONS)
        self.augmentation = augmentation  # by its name, so that the module can be pickled

    def forward(self, faces: Shaped[Tensor, "b h w"]) -> Float[Tensor, "b 7"]:
        """uint8 faces -> probabilities, float32; rows add up to 1."""
        variants = AUGMENTATIONS[self.augmentation](faces.unsqueeze(1).float() / 255)
        logits: Tensor = self.model(torch.cat(variants)).float()
        mean = logits.view(len(variants), -1, logits.shape[-1]).mean(0)
        scaled = mean / self.temperature
        if self.bias:
            scaled = scaled + scaled.new_tensor(self.bias)
        return scaled.softmax(1)
