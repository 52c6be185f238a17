"""Metrics against scikit-learn, a float64 loop, and values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from ferturb.base.errors import FerturbError
from ferturb.evaluation import metrics


def random_case(seed: int, n: int = 400, emotions: int = 7) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, emotions, n)
    logits = generator.normal(size=(n, 7))
    logits[np.arange(n), labels] += 1.2
    return labels, logits.astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int) -> None:
    labels, logits = random_case(seed)
    predicted = logits.argmax(1)
    got = metrics.summary(labels, logits)
    assert got.faces == 400
    assert got.accuracy == pytest.approx(sk.accuracy_score(labels, predicted))
    assert got.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    assert got.macro_f1 == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert got.per_emotion == pytest.approx(sk.recall_score(labels, predicted, average=None))
    expected = sk.confusion_matrix(labels, predicted, labels=range(7))
    np.testing.assert_array_equal(np.array(got.confusion), expected)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert got.nll == pytest.approx(sk.log_loss(labels, probabilities, labels=range(7)), rel=1e-5)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_emotions_without_faces_are_left_out_as_scikit_learn_does() -> None:
    labels, logits = random_case(1, emotions=5)
    logits[:, 6] = -50  # emotion 5 is predicted without faces, emotion 6 never occurs at all
    got = metrics.summary(labels, logits)
    predicted = logits.argmax(1)
    assert 5 in predicted
    assert math.isnan(got.per_emotion[5])
    assert math.isnan(got.per_emotion[6])
    assert got.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    assert got.macro_f1 == pytest.approx(sk.f1_score(labels, predicted, average="macro"))


def loop_ece(labels: np.ndarray, logits: np.ndarray, bins: int) -> float:
    """Guo et al., equation 3, face by face."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for label, row in zip(labels.tolist(), logits.tolist(), strict=True):
        top = max(row)
        exponentials = [math.exp(value - top) for value in row]
        confidence = max(exponentials) / sum(exponentials)
        place = next(b for b in range(bins) if confidence <= (b + 1) / bins or b == bins - 1)
        members[place].append((confidence, row.index(top) == label))
    total = 0.0
    for bin_ in members:
        if bin_:
            gap = sum(right for _, right in bin_) - sum(confidence for confidence, _ in bin_)
            total += abs(gap)
    return total / len(labels)


@pytest.mark.parametrize("bins", [1, 5, 15])
def test_ece_agrees_with_a_loop(bins: int) -> None:
    labels, logits = random_case(2)
    assert metrics.ece(labels, logits, bins) == pytest.approx(loop_ece(labels, logits, bins))


def test_by_hand() -> None:
    # Two faces, both predicted happy with probability 2/3 against 1/18 each; one is happy.
    logits = np.zeros((2, 7))
    logits[:, 3] = math.log(12)
    labels = np.array([3, 0])
    got = metrics.summary(labels, logits)
    assert got.accuracy == 0.5
    assert got.macro_f1 == pytest.approx((2 / 3 + 0) / 2)  # happy 2·1/(1+2), angry 0
    assert got.ece == pytest.approx(2 / 3 - 0.5)
    assert got.nll == pytest.approx(-(math.log(12 / 18) + math.log(1 / 18)) / 2)


def test_reliability_adds_up_to_ece_and_accuracy() -> None:
    labels, logits = random_case(3)
    confidence, correct, count = metrics.reliability(labels, logits)
    used = count > 0
    share = count[used] / count.sum()
    assert count.sum() == len(labels)
    assert (share * correct[used]).sum() == pytest.approx(metrics.accuracy(labels, logits))
    gaps = np.abs(confidence - correct)[used]
    assert (share * gaps).sum() == pytest.approx(metrics.ece(labels, logits))


def test_torch_and_numpy_give_the_same() -> None:
    labels, logits = random_case(5)
    expected = metrics.summary(labels, logits)
    assert metrics.summary(torch.from_numpy(labels), torch.from_numpy(logits)) == expected
    assert metrics.accuracy(torch.from_numpy(labels), torch.from_numpy(logits)) == expected.accuracy


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("labels", "logits", "words"),
    [
        (np.zeros(3, int), np.zeros((2, 7)), "one row of logits per label"),
        (np.zeros(0, int), np.zeros((0, 7)), "n > 0"),
        (np.array([7]), np.zeros((1, 7)), "labels must be 0 … 6"),
        (np.array([0]), np.full((1, 7), np.nan), "1 of 1 rows"),
    ],
)
def test_unusable_input_is_a_one_line_error(
    labels: np.ndarray, logits: np.ndarray, words: str
) -> None:
    with pytest.raises(FerturbError, match=words) as caught:
        metrics.summary(labels, logits)
    assert "\n" not in str(caught.value)
