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
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer, Shaped
from scipy import special
from torch import Tensor, nn

from ferturb.base.config import VotesConfig, choose
from ferturb.data.votes import distribution, fer_plus_labels
from ferturb.evaluation.calibration import fit_temperature_and_bias, fit_to_shares
from ferturb.evaluation.metrics import Labels, Logits, checked
from ferturb.models.test_time import AUGMENTATIONS
from ferturb.predict.shipped import Readout
from ferturb.training.targets import split_heads

TARGET = 0.8
"""How often a predictor's answers should be FER2013's label on validation."""
PEOPLE = 0.9
"""How often they should be what most people say: a face of which most say none of the seven
emotions, or nothing together, has no right answer."""
_LEAST_ANSWERED = 0.1


@dataclass(frozen=True, kw_only=True)
class Calibration(Readout):
    """What was chosen on validation, and how it did there."""

    answered: float
    """Share of the validation faces that get an answer."""
    right: float
    """Share of those that is right."""

    def scaled(self, logits: Logits) -> Float[np.ndarray, "n 7"]:
        """Logits whose softmax is calibrated."""
        z = np.asarray(logits, np.float64)
        return np.asarray(z / self.temperature + np.asarray(self.bias))


def calibrate(labels: Labels, logits: Logits, target: float = TARGET) -> Calibration:
    """Temperature, biases and threshold of abstention from validation logits.

    Its prior counts an emotion that no face shows as half a face. Where no threshold reaches the
    target for a tenth of the faces, the one that comes nearest is taken.
    """
    y, z = checked(labels, logits)
    temperature, bias = fit_temperature_and_bias(y, z)
    probabilities = special.softmax(z / temperature + bias, axis=1)
    counts = np.maximum(np.bincount(y, minlength=z.shape[1]), 0.5)
    return Calibration(
        temperature=temperature,
        bias=tuple(bias.tolist()),
        prior=tuple((counts / counts.sum()).tolist()),
        **_threshold(probabilities.max(1), probabilities.argmax(1) == y, target),
    )


def calibrate_to_people(
    votes: Integer[np.ndarray, "n 10"], logits: Logits, target: float = PEOPLE
) -> Calibration:
    """The same from ten people's votes: probabilities are shares of people.

    An answer is right if most people give it (FER+'s majority); one for a face that most call
    contempt, unknown or no face, or about which they disagree, is wrong.
    """
    z, labels = np.asarray(logits, np.float64), fer_plus_labels(votes)
    shares, asked = distribution(votes, VotesConfig()), votes.sum(1) > 0
    some = shares.sum(1) > 0
    temperature, bias = fit_to_shares(shares[some], z[some])
    probabilities = special.softmax(z[asked] / temperature + bias, axis=1)
    mean = np.maximum(shares[some].mean(0), 0.5 / some.sum())
    return Calibration(
        temperature=temperature,
        bias=tuple(bias.tolist()),
        prior=tuple((mean / mean.sum()).tolist()),
        **_threshold(probabilities.max(1), probabilities.argmax(1) == labels[asked], target),
    )


def _threshold(
    confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], target: float
) -> dict[str, Any]:
    """The least confidence from which on answers reach the target, and what it does."""
    n, order = len(confidence), np.argsort(-confidence, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, n + 1)
    falling = confidence[order]
    last_of_ties = np.append(falling[1:] < falling[:-1], True)
    enough = np.arange(1, n + 1) >= _LEAST_ANSWERED * n
    reached = np.flatnonzero(last_of_ties & enough & (shares >= target))
    candidates = np.where(last_of_ties & enough, shares, -1.0)
    chosen = int(reached[-1]) if len(reached) else int(candidates.argmax())
    return {
        "abstain_below": 0.0 if chosen == n - 1 else float(falling[chosen]),
        "answered": float((chosen + 1) / n),
        "right": float(shares[chosen]),
    }


class Calibrated(nn.Module):
    """Faces as they are stored to calibrated probabilities: all of a predictor in one module."""

    def __init__(
        self, model: nn.Module, readouts: Sequence[Readout], augmentation: str = "none"
    ) -> None:
        """`model` gives seven logits for each readout, side by side. `augmentation`: one of
        `AUGMENTATIONS`; the logits of its variants are averaged."""
        super().__init__()
        self.model = model
        self.readouts = tuple(readouts)
        choose("test-time augmentation", augmentation, AUGMENTATIONS)
        self.augmentation = augmentation  # by its name, so that the module can be pickled

    def forward(self, faces: Shaped[Tensor, "b h w"]) -> tuple[Float[Tensor, "b 7"], ...]:
        """uint8 faces -> the probabilities of each readout, float32; rows add up to 1."""
        variants = AUGMENTATIONS[self.augmentation](faces.unsqueeze(1).float() / 255)
        logits: Tensor = self.model(torch.cat(variants)).float()
        mean = logits.view(len(variants), -1, logits.shape[-1]).mean(0)
        return tuple(map(_probabilities, split_heads(mean), self.readouts))


def _probabilities(logits: Float[Tensor, "b 7"], readout: Readout) -> Float[Tensor, "b 7"]:
    scaled = logits / readout.temperature
    if readout.bias:
        scaled = scaled + scaled.new_tensor(readout.bias)
    return scaled.softmax(1)
