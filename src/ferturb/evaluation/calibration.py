"""Temperature scaling, with and without a bias for each emotion.

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
    return _fit(labels, logits, (0.0, 0.0))[0]


def fit_temperature_and_bias(
    labels: Labels, logits: Logits
) -> tuple[float, Float[np.ndarray, " 7"]]:
    """T in [1/100, 100] and b (mean 0) that minimise the NLL of logits / T + b; fit on validation.

    A standard normal prior on each bias keeps those of emotions without faces, and of faces
    without errors, finite.
    """
    return _fit(labels, logits, (None, None))


def _fit(
    labels: Labels, logits: Logits, of_bias: tuple[float | None, float | None]
) -> tuple[float, Float[np.ndarray, " 7"]]:
    """T and b, each bias within bounds; None is no bound."""
    y, z = checked(labels, logits)
    true = np.eye(z.shape[1])[y]

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, bias = parameters[0], parameters[1:]
        likely = special.log_softmax(z * scale + bias, axis=1)
        off = (np.exp(likely) - true) / len(y)
        gradient = np.concatenate([[(off * z).sum()], off.sum(0) + bias / len(y)])
        loss = -likely[np.arange(len(y)), y].mean() + (bias**2).sum() / (2 * len(y))
        return float(loss), gradient

    start = np.concatenate([[1.0], np.zeros(z.shape[1])])
    found = minimize(  # type: ignore[no-untyped-call]
        cost,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.01, 100.0)] + [of_bias] * z.shape[1],
        tol=1e-10,
    )
    scale, bias = found.x[0], found.x[1:]
    return float(1 / scale), bias - bias.mean()
