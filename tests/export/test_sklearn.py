"""`EmotionClassifier` where scikit-learn's own tools take it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import ferturb
from ferturb.base.errors import FerturbError

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import SkipTestWarning  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402

from ferturb.export.sklearn import EmotionClassifier  # noqa: E402

SMALL = {"model": "compact-tiny", "recipe": "bare", "epochs": 3}


@pytest.fixture(scope="module")
def faces() -> tuple[np.ndarray, np.ndarray]:
    """Dark and bright pictures."""
    generator = np.random.default_rng(0)
    names = np.array(["happy", "sad"] * 24)
    light = np.where(names == "happy", 180, 60)[:, None, None]
    return (light + generator.integers(-20, 20, (48, 24, 24))).astype(np.uint8), names


@pytest.fixture(scope="module")
def fitted(faces: tuple[np.ndarray, np.ndarray]) -> EmotionClassifier:
    return EmotionClassifier(**SMALL).fit(*faces)


def test_it_is_at_the_front_door() -> None:
    assert ferturb.sklearn.EmotionClassifier is EmotionClassifier


def test_it_learns_and_answers(
    fitted: EmotionClassifier, faces: tuple[np.ndarray, np.ndarray]
) -> None:
    images, names = faces
    assert fitted.score(images, names) == 1.0
    assert fitted.classes_.tolist() == ["happy", "sad"]
    rows = fitted.predict_proba(images[:5])
    assert rows.shape == (5, 2)
    assert np.allclose(rows.sum(1), 1)
    assert np.array_equal(fitted.predict(images[:5]), fitted.classes_[rows.argmax(1)])
    assert np.allclose(fitted.predict_proba(images[:5].reshape(5, -1) / 255), rows, atol=1e-6)
    assert len(fitted.history_) == 3


def test_the_same_seed_gives_the_same_network(
    fitted: EmotionClassifier, faces: tuple[np.ndarray, np.ndarray]
) -> None:
    again = clone(fitted).fit(*faces)
    assert np.array_equal(again.predict_proba(faces[0]), fitted.predict_proba(faces[0]))


def test_scikit_learns_tools_take_it(faces: tuple[np.ndarray, np.ndarray]) -> None:
    flat = FunctionTransformer(lambda x: x.reshape(len(x), -1))
    pipe = make_pipeline(flat, EmotionClassifier(**SMALL))
    assert cross_val_score(pipe, *faces, cv=2).mean() > 0.9


INTERFACE = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_get_params_invariance",
    "check_set_params",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_mixin_order",
)
"""scikit-learn's checks that fit nothing; the others give rows of features, which are no faces."""


@pytest.mark.parametrize("name", INTERFACE)
def test_scikit_learns_checks_of_the_interface(name: str) -> None:
    check = getattr(estimator_checks, name, None)
    if check is None:
        pytest.skip("this scikit-learn has no such check")
    check("EmotionClassifier", EmotionClassifier(**SMALL))


def test_scikit_learn_leaves_out_its_numeric_checks_by_itself() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for estimator, check in estimator_checks.estimator_checks_generator(
            EmotionClassifier(**SMALL)
        ):
            check(estimator)
    assert any(issubclass(one.category, SkipTestWarning) for one in said)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (np.zeros((4, 10)), ["a", "b"] * 2, r"faces \(n, side, side\) or \(n, side²\)"),
        (np.full((4, 9, 9), 2.0), ["a", "b"] * 2, "should go from 0 to 1"),
        (np.zeros((4, 9, 9)), ["a"] * 4, "has 2 to 7 classes, y has 1"),
        (np.zeros((4, 9, 9)), ["a"] * 3, "one label a face: 4 faces"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(x: np.ndarray, y: list[str], reason: str) -> None:
    with pytest.raises(FerturbError, match=reason):
        EmotionClassifier(**SMALL).fit(x, y)
