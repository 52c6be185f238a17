"""Probabilities for other frequencies of emotions."""

from __future__ import annotations

import numpy as np
import pytest

from calibrated_run import FACES
from ferturb.base.errors import FerturbError
from ferturb.predict.prior import FER2013, PRIORS, frequencies, prior_of, shifted
from ferturb.predict.shipped import load_pretrained


def test_a_shift_is_bayes_rule() -> None:
    """Emotions and what is seen of them, counted: the answers to the counts of either prior."""
    rng = np.random.default_rng(0)
    seen = rng.dirichlet(np.ones(5), 7)  # of each emotion, how often each of five sights
    priors = rng.dirichlet(np.ones(7), 2)
    posteriors = [(seen * p[:, None] / (p @ seen)).T for p in priors]
    before, after = priors.tolist()
    np.testing.assert_allclose(shifted(posteriors[0], before, after), posteriors[1])
    np.testing.assert_allclose(shifted(posteriors[1], after, before), posteriors[0])


def test_a_shift_is_the_difference_of_log_priors_added_to_the_logits() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 7))
    wild = frequencies("wild")
    moved = np.exp(logits + np.log(wild) - np.log(FER2013))
    expected = moved / moved.sum(1, keepdims=True)
    rows = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(shifted(rows, FER2013, wild), expected)


def test_what_is_a_prior() -> None:
    for shares in (*PRIORS.values(), FER2013):
        assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert frequencies("balanced") == pytest.approx([1 / 7] * 7)
    assert prior_of(("wild",)) == "wild"
    assert prior_of(tuple("1234567")) == (1, 2, 3, 4, 5, 6, 7)
    with pytest.raises(FerturbError, match="unknown prior 'wide': did you mean 'wild'"):
        frequencies("wide")
    assert frequencies((2e307,) * 7) == pytest.approx([1 / 7] * 7)
    for wrong in ((1, 2), *((1, 1, 1, 1, 1, 1, last) for last in (0, np.nan, 1e-31)), (1e308,) * 7):
        with pytest.raises(FerturbError, match="or 7 numbers above 0"):
            frequencies(wrong)
    with pytest.raises(FerturbError, match="got a b"):
        prior_of(("a", "b"))


def test_a_model_with_another_prior() -> None:
    model = load_pretrained("tiny")
    own = model.about.prior
    assert own == pytest.approx(PRIORS["wild"], abs=0.02)
    assert model.with_head("label").about.prior == pytest.approx(FER2013, abs=1e-3)
    balanced = model.with_prior("balanced")
    assert balanced.about.prior == pytest.approx([1 / 7] * 7)
    found = balanced.predict_proba(FACES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(
        found, shifted(model.predict_proba(FACES), own, [1 / 7] * 7), atol=1e-6
    )
    back = balanced.with_prior(own)
    np.testing.assert_allclose(back.predict_proba(FACES), model.predict_proba(FACES), atol=1e-5)
