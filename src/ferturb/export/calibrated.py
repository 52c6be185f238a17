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
from scipy.optimize import minimize
from torch import Tensor, nn

from ferturb.base.config import choose
from ferturb.evaluation.metrics import Labels, Logits, checked, softmax
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
    answered: float
    """Share of the validation faces that get one."""
    right: float
    """Share of those that is right."""

    def scaled(self, logits: Logits) -> Float[np.ndarray, "n 7"]:
        """Logits whose softmax is calibrated."""
        z = np.asarray(logits, np.float64)
        return np.asarray(z / self.temperature + np.asarray(self.bias))


def fit_temperature_and_bias(
    labels: Labels, logits: Logits
) -> tuple[float, Float[np.ndarray, " 7"]]:
    """T in [1/100, 100] and b (mean 0) that minimise the NLL of logits / T + b; fit on validation.

    The problem is convex in (1/T, b). A standard normal prior on each bias keeps those of emotions
    without faces, and of faces without errors, finite.
    """
    y, z = checked(labels, logits)
    true = np.eye(z.shape[1])[y]

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, bias = parameters[0], parameters[1:]
        scaled = z * scale + bias
        p = softmax(scaled)
        likely = np.log(np.maximum(p[np.arange(len(y)), y], 1e-300))
        off = (p - true) / len(y)
        gradient = np.concatenate([[(off * z).sum()], off.sum(0) + bias / len(y)])
        return float(-likely.mean() + (bias**2).sum() / (2 * len(y))), gradient

    start = np.concatenate([[1.0], np.zeros(z.shape[1])])
    bounds = [(0.01, 100.0)] + [(None, None)] * z.shape[1]
    found = minimize(  # type: ignore[no-untyped-call]
        cost, start, jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-10
    )
    scale, bias = found.x[0], found.x[1:]
    return float(1 / scale), bias - bias.mean()


def calibrate(labels: Labels, logits: Logits, target: float = TARGET) -> Calibration:
    """Temperature, biases and threshold of abstention from validation logits.

    Where no threshold reaches the target for a tenth of the faces, the one that comes nearest is
    taken.
    """
    y, z = checked(labels, logits)
    temperature, bias = fit_temperature_and_bias(y, z)
    probabilities = softmax(z / temperature + bias)
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
        bias=tuple(bias.tolist()),
        abstain_below=0.0 if everyone else float(sorted_confidence[chosen]),
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
        self.variants = choose("test-time augmentation", augmentation, AUGMENTATIONS)

    def forward(self, faces: Shaped[Tensor, "b h w"]) -> Float[Tensor, "b 7"]:
        """uint8 faces -> probabilities, float32; rows add up to 1."""
        variants = self.variants(faces.unsqueeze(1).float() / 255)
        logits: Tensor = self.model(torch.cat(variants)).float()
        mean = logits.view(len(variants), -1, logits.shape[-1]).mean(0)
        scaled = mean / self.temperature
        if self.bias:
            scaled = scaled + scaled.new_tensor(self.bias)
        return scaled.softmax(1)
