"""Temperatures against a search on one line, and against what was put in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from ferturb.evaluation.calibration import fit_temperature, fit_temperature_and_bias
from ferturb.evaluation.metrics import nll


def random_case(seed: int, n: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 7, n)
    logits = generator.normal(size=(n, 7))
    logits[np.arange(n), labels] += 1.2
    return labels, (scale * logits).astype(np.float32)


@pytest.mark.parametrize(("n", "scale"), [(60, 1.0), (400, 20.0), (3589, 0.3)])
def test_the_temperature_is_where_a_search_on_one_line_finds_it(n: int, scale: float) -> None:
    labels, logits = random_case(4, n, scale)
    found = minimize_scalar(
        lambda t: nll(labels, logits / np.exp(t)),
        bounds=(np.log(0.01), np.log(100)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert fit_temperature(labels, logits) == pytest.approx(np.exp(found.x), rel=1e-5)


def test_a_scaling_of_the_logits_is_undone() -> None:
    labels, logits = random_case(5, 400, 1.0)
    temperature = fit_temperature(labels, logits)
    assert fit_temperature(labels, 4 * logits) == pytest.approx(4 * temperature, rel=1e-4)


def test_temperature_and_bias_are_where_a_search_without_gradients_finds_them() -> None:
    labels, logits = random_case(6, 40, 2.0)
    labels = np.where(labels == 1, 0, labels)  # nobody shows disgust

    def cost(parameters: np.ndarray) -> float:
        z = logits / np.exp(parameters[0]) + parameters[1:]
        return nll(labels, z) + float((parameters[1:] ** 2).sum()) / (2 * len(labels))

    start = np.zeros(8)
    for _ in range(4):  # from where the last search stopped
        start = minimize(cost, start, method="Powell", options={"xtol": 1e-9, "ftol": 1e-14}).x
    temperature, bias = fit_temperature_and_bias(labels, logits)
    assert temperature == pytest.approx(np.exp(start[0]), rel=1e-3)
    np.testing.assert_allclose(bias, start[1:] - start[1:].mean(), atol=2e-3)
    assert bias[1] < -0.3
