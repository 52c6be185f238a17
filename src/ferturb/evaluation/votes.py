"""How good are these logits by ten people's votes: FER+'s protocol, and the distribution itself.

FER+ (Barsoum et al., 2016) counts a face as recognised when the prediction is what most of the
people say, contempt included: a network of seven emotions is always wrong with it. Faces without a
majority, and those that most call unknown or no face, are left out. Against the distribution of
the seven emotions (single votes dropped) stand cross-entropy, Brier score (Brier, 1950) and the
calibration of the most probable emotion: of the faces of which a network says 70 %, seven of ten
people should say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from scipy import special

from ferturb.base.config import VotesConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.tabular import Tabular
from ferturb.data.votes import distribution, fer_plus_labels
from ferturb.evaluation.metrics import BINS, Logits, bin_of, summary


@dataclass(frozen=True)
class VoteMetrics(Tabular):
    """What one set of logits scores by the votes. Shares are 0 … 1."""

    faces: int
    """Of the eight classes of FER+."""
    accuracy_8: float
    """FER+'s own measure: contempt counts as an error."""
    accuracy_7: float
    """Over the faces of the seven emotions."""
    balanced_accuracy: float
    """Macro recall of the seven emotions."""
    per_emotion: tuple[float, ...]
    """Recall of each of the seven; nan without faces."""
    ece: float
    """Calibration error by the label of the majority, over the faces of the seven emotions."""
    asked: int
    """Faces with at least two votes for one of the seven emotions."""
    cross_entropy: float
    """Of the distribution of votes, in nats, over those faces."""
    entropy: float
    """The least that it could be: the votes' own."""
    brier: float
    """Mean squared distance of the probabilities from the distribution, 0 … 2."""
    people_ece: float
    """Calibration error by the share of people: mean over faces of |confidence − share| of their
    bin of confidence."""

    def records(self) -> list[Mapping[str, Any]]:
        """One row, with a column an emotion."""
        named = dict(zip(EMOTIONS, self.per_emotion, strict=True))
        return [vars(self) | {"per_emotion": named}]

    def cells(self) -> list[str]:
        """A row of a table: accuracy of eight and of seven, macro recall, cross-entropy, Brier
        score, calibration by people, faces."""
        shares = (self.accuracy_8, self.accuracy_7, self.balanced_accuracy)
        distances = (self.cross_entropy, self.brier)
        return [
            *(f"{100 * share:.1f}" for share in shares),
            *(f"{distance:.3f}" for distance in distances),
            f"{100 * self.people_ece:.1f}",
            f"{self.faces:,}",
        ]


def against_votes(votes: Integer[np.ndarray, "n 10"], logits: Logits) -> VoteMetrics:
    """All measures of logits against votes; `FerturbError` where no face has a majority."""
    z, labels = np.asarray(logits, np.float64), fer_plus_labels(votes)
    if len(votes) != len(z) or not ((labels >= 0) & (labels < len(EMOTIONS))).any():
        raise FerturbError(
            f"expected votes for each of {len(z)} faces and a majority for some, got votes for "
            f"{int((votes.sum(1) > 0).sum())} of {len(votes)} faces; give the faces with votes"
        )
    asked = labels >= 0
    seven = asked & (labels < len(EMOTIONS))
    plain = summary(labels[seven], z[seven])
    shares = distribution(votes, VotesConfig())
    some = shares.sum(1) > 0
    p, q = special.softmax(z[some], axis=1), shares[some]
    return VoteMetrics(
        faces=int(asked.sum()),
        accuracy_8=float((z.argmax(1) == labels)[asked].mean()),
        accuracy_7=plain.accuracy,
        balanced_accuracy=plain.balanced_accuracy,
        per_emotion=plain.per_emotion,
        ece=plain.ece,
        asked=int(some.sum()),
        cross_entropy=float(-(q * special.log_softmax(z[some], axis=1)).sum(1).mean()),
        entropy=float(special.entr(q).sum(1).mean()),
        brier=float(((p - q) ** 2).sum(1).mean()),
        people_ece=_people_ece(p, q),
    )


def _people_ece(p: Float[np.ndarray, "n 7"], q: Float[np.ndarray, "n 7"]) -> float:
    confidence, top = p.max(1), p.argmax(1)
    share = q[np.arange(len(q)), top]
    apart = np.bincount(bin_of(confidence), confidence - share, minlength=BINS)
    return float(np.abs(apart).sum() / len(p))
