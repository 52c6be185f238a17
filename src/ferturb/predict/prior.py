"""For which frequencies of emotions a model's probabilities hold, and how they change with them.

A calibrated probability holds where emotions are as frequent as where it was calibrated. For other
frequencies, Bayes' rule multiplies each probability by the ratio of the two and scales the row to
1: the difference of their logarithms is added to the logits (Saerens, Latinne and Decaestecker,
"Adjusting the Outputs of a Classifier to New a Priori Probabilities", 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferturb.base.config import choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError

if TYPE_CHECKING:
    from jaxtyping import Float

FER2013 = (0.1301, 0.0156, 0.1382, 0.2494, 0.1819, 0.1156, 0.1691)
"""How frequent the labels of FER2013's PublicTest are, on which models of its labels are
calibrated."""
PRIORS: dict[str, tuple[float, ...]] = {
    "wild": (0.0877, 0.0113, 0.0309, 0.2644, 0.1436, 0.1231, 0.3390),
    "balanced": (1 / 7,) * 7,
}
"""Name -> how frequent each emotion is, in the order of `EMOTIONS`: `wild` as ten people saw
FER2013's training faces, photos found on the web (FER+'s votes for the seven, single votes
dropped); `balanced` every emotion alike, for posed or unknown material."""

LEAST = 1e-30
"""The least share of an emotion, so that its ratio to another is a float32."""

Prior = str | Sequence[float]
"""A name of `PRIORS`, or seven numbers above 0 in the order of `EMOTIONS`, of any sum."""


def frequencies(prior: Prior) -> tuple[float, ...]:
    """The share of each emotion, adding up to 1; `FerturbError` for what is not a prior.

    >>> [round(share, 2) for share in frequencies((2, 1, 1, 2, 2, 1, 1))]
    [0.2, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1]
    """
    if isinstance(prior, str):
        prior = choose("prior", prior, PRIORS)
    numbers = np.asarray(prior, np.float64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        shares = numbers / numbers.sum()
    if numbers.shape != (len(EMOTIONS),) or not ((numbers > 0) & (shares >= LEAST)).all():
        raise FerturbError(_expected(prior))
    return tuple(shares.tolist())


def prior_of(words: Sequence[str]) -> Prior:
    """A prior as it is typed: a name, or seven numbers; anything else raises `FerturbError`."""
    if len(words) == 1:
        return words[0]
    try:
        return tuple(map(float, words))
    except ValueError:
        raise FerturbError(_expected(words)) from None


def shifted(
    rows: Float[np.ndarray, "n 7"], before: Sequence[float], after: Sequence[float]
) -> Float[np.ndarray, "n 7"]:
    """Probabilities that held for one prior's frequencies, as they are for another's.

    >>> shifted(np.array([[0.5, 0.5, 0, 0, 0, 0, 0]]), (0.4, 0.1, *[0.1] * 5), [1 / 7] * 7)[0, :2]
    array([0.2, 0.8])
    """
    scaled = rows * (np.asarray(after) / np.asarray(before)).astype(rows.dtype)
    return np.asarray(scaled / scaled.sum(1, keepdims=True))


def _expected(came: Sequence[object]) -> str:
    return (
        f"a prior is {' or '.join(PRIORS)}, or {len(EMOTIONS)} numbers above 0 (how frequent "
        f"{', '.join(EMOTIONS)} are; each at least {LEAST:g} of their finite sum), got "
        f"{' '.join(map(str, came)) or 'nothing'}"
    )
