"""Temperature scaling, with and without a bias for each emotion, to labels or shares of votes.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. The negative
log-likelihood (NLL) of logits / T + b is convex in (1/T, b).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import special
from scipy.optimize import minimize

from ferturb.evaluation.metrics import Labels, Logits, checked


def fit_temperature(labels: Labels, logits: Logits) -> float:
    """The T in [1/100, 100] that minimises the NLL of logits / T; fit on validation, never on test.

    Raises `FerturbError` for labels and logits that can't be used.
    """
    y, z = checked(labels, logits)
    return _fit(np.eye(z.shape[1])[y], z, (0.0, 0.0))[0]


def fit_temperature_and_bias(
    labels: Labels, logits: Logits
) -> tuple[float, Float[np.ndarray, " 7"]]:
    """T in [1/100, 100] and b (mean 0) that minimise the NLL of logits / T + b; fit on validation.

    A standard normal prior on each bias keeps those of emotions without faces, and of faces
    without errors, finite.
    """
    y, z = checked(labels, logits)
    return _fit(np.eye(z.shape[1])[y], z, (None, None))


def fit_to_shares(
    shares: Float[np.ndarray, "n 7"], logits: Logits
) -> tuple[float, Float[np.ndarray, " 7"]]:
    """The same for shares of people's votes in place of labels; every row adds up to 1.

    What is minimised is the cross-entropy of the shares. Raises `FerturbError` for what can't be
    used.
    """
    _, z = checked(np.asarray(shares).argmax(1), logits)
    return _fit(np.asarray(shares, np.float64), z, (None, None))


def _fit(
    true: Float[np.ndarray, "n 7"],
    z: Float[np.ndarray, "n 7"],
    of_bias: tuple[float | None, float | None],
) -> tuple[float, Float[np.ndarray, " 7"]]:
    """T and b, each bias within bounds; None is no bound."""

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, bias = parameters[0], parameters[1:]
        likely = special.log_softmax(z * scale + bias, axis=1)
        off = (np.exp(likely) - true) / len(z)
        gradient = np.concatenate([[(off * z).sum()], off.sum(0) + bias / len(z)])
        loss = -(true * likely).sum() / len(z) + (bias**2).sum() / (2 * len(z))
        return float(loss), gradient

    start = np.concatenate([[1.0], np.zeros(z.shape[1])])
    found = minimize(
        cost,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.01, 100.0)] + [of_bias] * z.shape[1],
        tol=1e-10,
    )
    scale, bias = found.x[0], found.x[1:]
    return float(1 / scale), bias - bias.mean()
