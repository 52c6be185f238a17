from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ferturb.base.emotions import VOTES
from ferturb.base.errors import FerturbError
from ferturb.data.votes import LABELS
from ferturb.evaluation.calibration import fit_temperature, fit_temperature_and_bias
from ferturb.evaluation.metrics import ece, nll
from ferturb.export.calibrated import Calibrated, calibrate, calibrate_to_people
from ferturb.models.test_time import predict_logits
from ferturb.predict.shipped import Readout


def noisy(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are three times too sure of labels drawn from their own softmax."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 7)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (p.cumsum(1) > rng.random((n, 1))).argmax(1)
    return labels, (3 * logits).astype(np.float32)


def test_the_temperature_that_was_put_in_is_found() -> None:
    labels, logits = noisy(20_000)
    found = calibrate(labels, logits)
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    assert found.bias == pytest.approx([0.0] * 7, abs=0.15)
    assert ece(labels, logits / found.temperature) < 0.02 < ece(labels, logits)


def test_the_biases_that_were_put_in_are_found() -> None:
    labels, logits = noisy(20_000, seed=2)
    wrong = np.array([0.5, -1.0, 0.3, 0.2, 0.0, -0.2, 0.2])
    found = calibrate(labels, logits + 3 * wrong)
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    assert found.bias == pytest.approx(-wrong, abs=0.15)
    assert sum(found.bias) == pytest.approx(0.0, abs=1e-9)
    one = fit_temperature(labels, logits + 3 * wrong)
    assert nll(labels, found.scaled(logits + 3 * wrong)) < nll(labels, (logits + 3 * wrong) / one)


def test_temperature_and_biases_are_where_the_likelihood_is_highest() -> None:
    labels, logits = noisy(500, seed=3)
    temperature, bias = fit_temperature_and_bias(labels, logits)

    def cost(t: float, b: np.ndarray) -> float:
        b = b - b.mean()  # the prior's own minimum over what changes no probability
        return nll(labels, logits / t + b) + float((b**2).sum()) / (2 * len(labels))

    best = cost(temperature, bias)
    rng = np.random.default_rng(0)
    for _ in range(50):
        moved = bias + rng.normal(size=7) * 0.05
        assert cost(temperature * np.exp(rng.normal() * 0.05), moved) > best


def test_an_emotion_without_faces_keeps_a_finite_bias() -> None:
    labels, logits = noisy(2000, seed=4)
    few = labels != 1
    temperature, bias = fit_temperature_and_bias(labels[few], logits[few])
    assert 1 < temperature < 10
    assert -10 < bias[1] < -1


def test_the_threshold_is_the_least_that_reaches_the_target() -> None:
    labels, logits = noisy(4000, seed=1)
    found = calibrate(labels, logits, target=0.7)
    z = found.scaled(logits)
    p = np.exp(z - z.max(1, keepdims=True))
    confidence = (p / p.sum(1, keepdims=True)).max(1)
    right = z.argmax(1) == labels

    def accuracy(threshold: float) -> float:
        return float(right[confidence >= threshold].mean())

    assert accuracy(found.abstain_below) == pytest.approx(found.right)
    assert found.right >= 0.7
    assert found.answered == pytest.approx((confidence >= found.abstain_below).mean())
    for lower in np.unique(confidence[confidence < found.abstain_below]):
        assert accuracy(lower) < 0.7


def test_who_is_always_right_always_answers_and_who_never_is_answers_little() -> None:
    labels = np.arange(70) % 7
    right = np.eye(7, dtype=np.float32)[labels] * np.linspace(1, 2, 70, dtype=np.float32)[:, None]
    found = calibrate(labels, right)
    assert (found.abstain_below, found.answered, found.right) == (0.0, 1.0, 1.0)
    wrong = np.eye(7, dtype=np.float32)[(labels + 1) % 7]
    assert calibrate(labels, wrong).right == 0.0


class Sum(nn.Module):
    """Logits that differ between a face and its mirror image."""

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return faces[:, 0, :7, 3] + 2 * faces[:, 0, 8:15, -1]


@pytest.mark.parametrize("augmentation", ["none", "flip", "ten-crop"])
def test_calibrated_is_softmax_of_the_stored_logits_scaled_and_shifted(
    augmentation: str,
) -> None:
    faces = torch.randint(0, 256, (5, 48, 48), dtype=torch.uint8)
    (found,) = Calibrated(Sum(), [Readout(temperature=1.7)], augmentation)(faces)
    expected = (predict_logits(Sum(), faces, augmentation) / 1.7).softmax(1)
    torch.testing.assert_close(found, expected)
    bias = torch.linspace(-1, 1, 7)
    readout = Readout(temperature=1.7, bias=tuple(bias.tolist()))
    (found,) = Calibrated(Sum(), [readout], augmentation)(faces)
    expected = (predict_logits(Sum(), faces, augmentation) / 1.7 + bias).softmax(1)
    torch.testing.assert_close(found, expected)
    with pytest.raises(FerturbError, match="unknown test-time augmentation"):
        Calibrated(Sum(), [Readout()], "nine-crop")


class TwoHeads(nn.Module):
    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return faces[:, 0, :14, 3]


def test_every_head_has_a_calibration_of_its_own() -> None:
    faces = torch.randint(0, 256, (5, 48, 48), dtype=torch.uint8)
    bias = tuple(np.linspace(-1, 1, 7).tolist())
    readouts = [Readout(temperature=2.0), Readout(bias=bias)]
    first, second = Calibrated(TwoHeads(), readouts)(faces)
    logits = faces[:, :14, 3].float() / 255
    torch.testing.assert_close(first, (logits[:, :7] / 2).softmax(1))
    torch.testing.assert_close(second, (logits[:, 7:] + torch.tensor(bias)).softmax(1))


def votes_of(shares: np.ndarray, people: int, seed: int = 0) -> np.ndarray:
    """Votes of so many people, in the columns of FER+, drawn from shares of the emotions."""
    drawn = np.random.default_rng(seed).multinomial(people, shares)
    votes = np.zeros((len(shares), 10), np.int64)
    for column, label in enumerate(LABELS):
        if label >= 0:
            votes[:, column] = drawn[:, label]
    return votes


def test_calibration_to_people_finds_the_temperature_of_their_shares() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 7)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = calibrate_to_people(votes_of(shares, 200), 3 * logits)
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    assert found.prior == pytest.approx(shares.mean(0), abs=0.01)


def test_a_face_that_most_call_none_of_the_seven_counts_as_wrong() -> None:
    logits = 4 * np.eye(7)[np.arange(70) % 7]
    shares = np.eye(7)[np.arange(70) % 7]
    votes = votes_of(shares, 10)
    assert calibrate_to_people(votes, logits).right == 1.0
    votes[:7], votes[:7, VOTES.index("unknown")] = 0, 10
    votes[7:14], votes[7:14, VOTES.index("contempt")] = 0, 10
    less = logits.copy()
    less[:14] /= 2
    found = calibrate_to_people(votes, less, target=1.0)
    assert found.answered == pytest.approx(0.8)
    assert found.right == 1.0
    everyone = calibrate_to_people(votes, less, target=0.8)
    assert (everyone.answered, everyone.right) == (1.0, pytest.approx(0.8))
