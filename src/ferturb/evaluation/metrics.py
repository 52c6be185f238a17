"""How good are these logits: accuracy, F1, per-emotion accuracy, confusion, calibration.

Every metric is computed once over a whole split, from labels (n,) and logits (n, 7), NumPy or
CPU torch. All but `nll` are functions of the mean over faces of a few columns per face
(`count_columns`, `calibration_columns`), so that `ferturb.evaluation.significance` can resample
faces without a loop: the metric of a resample is the same function of the resampled means.

Sources: accuracy, F1 and balanced accuracy as in scikit-learn; expected calibration error from
Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.tabular import Tabular

Labels = Int[np.ndarray, " n"] | Int[Tensor, " n"]
Logits = Float[np.ndarray, "n 7"] | Float[Tensor, "n 7"]
Array = np.ndarray

K = len(EMOTIONS)
BINS = 15
"""Bins of confidence in the calibration error."""


@dataclass(frozen=True)
class Metrics(Tabular):
    """What one set of logits scores on one split. Shares are 0 … 1, not percent."""

    faces: int
    accuracy: float
    balanced_accuracy: float
    """Mean of the per-emotion accuracies of the emotions that have faces."""
    macro_f1: float
    per_emotion: tuple[float, ...]
    """Share of each emotion's faces that were recognised; nan for an emotion without faces."""
    confusion: tuple[tuple[int, ...], ...]
    """`confusion[true][predicted]`: number of faces."""
    ece: float
    """Expected calibration error over 15 equal bins of confidence."""
    nll: float
    """Mean negative log-likelihood of the label, in nats."""

    def records(self) -> list[Mapping[str, Any]]:
        """One row, with a column an emotion, without the confusion matrix."""
        found = vars(self) | {"per_emotion": dict(zip(EMOTIONS, self.per_emotion, strict=True))}
        return [{name: value for name, value in found.items() if name != "confusion"}]


def summary(labels: Labels, logits: Logits) -> Metrics:
    """All metrics of one set of logits."""
    y, z = checked(labels, logits)
    means = count_columns(y, z).mean(0)
    return Metrics(
        faces=len(y),
        accuracy=float(accuracy_of(means)),
        balanced_accuracy=float(balanced_accuracy_of(means)),
        macro_f1=float(macro_f1_of(means)),
        per_emotion=tuple(per_emotion_of(means).tolist()),
        confusion=tuple(tuple(row) for row in confusion(y, z).tolist()),
        ece=ece(y, z),
        nll=nll(y, z),
    )


def accuracy(labels: Labels, logits: Logits) -> float:
    """Share of the faces whose largest logit (the first of equal ones) is the label's."""
    return float(accuracy_of(count_columns(labels, logits).mean(0)))


def balanced_accuracy(labels: Labels, logits: Logits) -> float:
    """Mean of the per-emotion accuracies, over the emotions that have faces."""
    return float(balanced_accuracy_of(count_columns(labels, logits).mean(0)))


def macro_f1(labels: Labels, logits: Logits) -> float:
    """Mean F1 over the emotions that occur among the labels or the predictions."""
    return float(macro_f1_of(count_columns(labels, logits).mean(0)))


def confusion(labels: Labels, logits: Logits) -> Int[Array, "7 7"]:
    """Number of faces by label (row) and prediction (column)."""
    y, z = checked(labels, logits)
    return np.bincount(y * K + z.argmax(1), minlength=K * K).reshape(K, K)


def nll(labels: Labels, logits: Logits) -> float:
    """Mean negative log-likelihood of the label under softmax, in nats."""
    y, z = checked(labels, logits)
    return float(-special.log_softmax(z, axis=1)[np.arange(len(y)), y].mean())


def ece(labels: Labels, logits: Logits, bins: int = BINS) -> float:
    """Expected calibration error: mean over faces of |accuracy − confidence| of their bin."""
    return float(ece_of(calibration_columns(labels, logits, bins).mean(0)))


def reliability(
    labels: Labels, logits: Logits, bins: int = BINS
) -> tuple[Float[Array, " bins"], Float[Array, " bins"], Int[Array, " bins"]]:
    """Mean confidence, accuracy and number of faces per bin of confidence; nan in empty bins."""
    confidence, correct, index = _confidence(labels, logits, bins)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(index, confidence, minlength=bins) / count
        mean_correct = np.bincount(index, correct, minlength=bins) / count
    return mean_confidence, mean_correct, count


def count_columns(labels: Labels, logits: Logits) -> Float[Array, "n 21"]:
    """Three one-hot rows per face: hit (7), label (7), prediction (7); hit = label · prediction.

    Their mean over faces is all that accuracy, balanced accuracy, per-emotion accuracy and F1
    need.
    """
    y, z = checked(labels, logits)
    true, predicted = np.eye(K)[y], np.eye(K)[z.argmax(1)]
    return np.concatenate([true * predicted, true, predicted], axis=1)


def accuracy_of(means: Float[Array, "*r 21"]) -> Float[Array, "*r"]:
    """Accuracy from the means of `count_columns`."""
    return np.asarray(means[..., :K].sum(-1))


def per_emotion_of(means: Float[Array, "*r 21"]) -> Float[Array, "*r 7"]:
    """Per-emotion accuracy from the means of `count_columns`; nan without faces."""
    return ratio(means[..., :K], means[..., K : 2 * K])


def balanced_accuracy_of(means: Float[Array, "*r 21"]) -> Float[Array, "*r"]:
    """Balanced accuracy from the means of `count_columns`."""
    return _mean_present(per_emotion_of(means))


def macro_f1_of(means: Float[Array, "*r 21"]) -> Float[Array, "*r"]:
    """Macro-F1 from the means of `count_columns`: F1 = 2 hits / (labels + predictions)."""
    return _mean_present(ratio(2 * means[..., :K], means[..., K : 2 * K] + means[..., 2 * K :]))


def calibration_columns(labels: Labels, logits: Logits, bins: int = BINS) -> Float[Array, "n bins"]:
    """Confidence − correct of each face, in the column of its bin; 0 in the others."""
    confidence, correct, index = _confidence(labels, logits, bins)
    columns = np.zeros((len(index), bins))
    columns[np.arange(len(index)), index] = confidence - correct
    return columns


def ece_of(means: Float[Array, "*r bins"]) -> Float[Array, "*r"]:
    """Expected calibration error from the means of `calibration_columns`."""
    return np.asarray(np.abs(means).sum(-1))


def checked(labels: Labels, logits: Logits) -> tuple[Int[Array, " n"], Float[Array, "n 7"]]:
    """Labels as int64 and logits as float64 NumPy arrays; anything unusable is an error."""
    y, z = np.asarray(labels), np.asarray(logits, dtype=np.float64)
    if y.ndim != 1 or z.shape != (len(y), K) or len(y) == 0:
        raise FerturbError(
            f"metrics need labels (n,) and logits (n, {K}) with n > 0, "
            f"got {y.shape} and {z.shape}; give one row of logits per label"
        )
    if y.min() < 0 or y.max() >= K:
        raise FerturbError(
            f"labels must be 0 … {K - 1} in the order {', '.join(EMOTIONS)}, "
            f"got {int(y.min())} … {int(y.max())}; map them first"
        )
    if not np.isfinite(z).all():
        bad = int((~np.isfinite(z)).any(1).sum())
        raise FerturbError(
            f"logits must be finite, {bad} of {len(y)} rows are not; the training diverged"
        )
    return y.astype(np.int64), z


def _confidence(
    labels: Labels, logits: Logits, bins: int
) -> tuple[Float[Array, " n"], Float[Array, " n"], Int[Array, " n"]]:
    """Largest probability, 1 where it is right, and its bin."""
    y, z = checked(labels, logits)
    confidence = special.softmax(z, axis=1).max(1)
    return confidence, (z.argmax(1) == y).astype(np.float64), bin_of(confidence, bins)


def bin_of(confidence: Float[Array, " n"], bins: int = BINS) -> Int[Array, " n"]:
    """The bin of each confidence: i is (i/bins, (i+1)/bins], and 0 has 0.

    >>> bin_of(np.array([0.0, 0.1, 0.2, 0.95, 1.0]), 10).tolist()
    [0, 0, 1, 9, 9]
    """
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1))


def ratio(above: Float[Array, "*r k"], below: Float[Array, "*r k"]) -> Float[Array, "*r k"]:
    """above / below; nan where there is nothing below."""
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))


def _mean_present(values: Float[Array, "*r 7"]) -> Float[Array, "*r"]:
    """Mean over the emotions that are not nan."""
    present = ~np.isnan(values)
    return np.asarray(np.where(present, values, 0.0).sum(-1) / present.sum(-1))
