"""`EmotionClassifier`: ferturb's training as an estimator of scikit-learn.

X are pictures, one face each: (n, side, side), or (n, side²) where a pipeline flattens them; whole
numbers are grey levels 0 … 255, floats shares of white. y are the names of emotions, or any labels
of two to seven classes. Needs the extras `train` and `sklearn`.

scikit-learn's own checks of an estimator's interface hold. Its numeric checks give rows of a few
features, which are no pictures; the tags say so, and scikit-learn leaves them out by itself.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ferturb.base.checks import require_whole
from ferturb.base.config import METHOD_PRESETS, RECIPES, ModelConfig, choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.installation import install
from ferturb.data.faces import Faces
from ferturb.models.classifier import Classifier
from ferturb.models.device import prepare_process
from ferturb.models.test_time import predict_logits
from ferturb.perturb.methods import training_inputs
from ferturb.training.files import MODEL, TrainingFiles
from ferturb.training.loop import Training, train

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise FerturbError(f"EmotionClassifier needs scikit-learn; {install('sklearn')}") from error

_LOOKED_AT = 64
"""Training faces that the accuracy after each epoch is of: nothing is chosen by it."""


class EmotionClassifier(ClassifierMixin, BaseEstimator):
    """A network of ferturb's, trained by one of its methods.

    After `fit`: ``classes_``, ``network_`` (a `Classifier`, whose first outputs are the classes)
    and ``history_`` (an `Epoch` each).
    """

    def __init__(
        self,
        model: str = "compact",
        method: str = "baseline",
        recipe: str = "fast",
        epochs: int | None = None,
        random_state: int = 0,
        device: str = "cpu",
    ) -> None:
        """`model`, `method` and `recipe` as `ferturb train` takes them; `epochs` None is the
        recipe's own number. The weights of the last epoch are kept."""
        self.model, self.method, self.recipe = model, method, recipe
        self.epochs, self.random_state, self.device = epochs, random_state, device

    def fit(self, X: Any, y: Any) -> EmotionClassifier:  # noqa: N803
        """Train from scratch; the same faces and seed give the same network.

        Raises `FerturbError` for what is no pictures, labels that don't fit them, fewer than two
        or more than seven classes, and names that `ferturb train` doesn't know.
        """
        images, labels = torch.from_numpy(pictures(X)), np.asarray(y)
        if labels.shape != (len(images),):
            raise FerturbError(f"y needs one label a face: {len(images)} faces, y {labels.shape}")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if not 2 <= len(self.classes_) <= len(EMOTIONS):
            raise FerturbError(
                f"a classifier of ferturb's has 2 to {len(EMOTIONS)} classes, y has "
                f"{len(self.classes_)}"
            )
        self.n_features_in_ = images[0].numel()
        seed = require_whole("random_state", self.random_state, 0)
        recipe = replace(choose("recipe", self.recipe, RECIPES), keep="last")
        if self.epochs is not None:
            recipe = replace(recipe, epochs=require_whole("epochs", self.epochs, 1))
        method = choose("method", self.method, METHOD_PRESETS)
        faces = _faces(images, torch.from_numpy(codes.astype(np.int64)))
        device = prepare_process(self.device)
        torch.manual_seed(seed)
        with tempfile.TemporaryDirectory() as folder:
            files = TrainingFiles(Path(folder), "an estimator of scikit-learn")
            network = Classifier(ModelConfig(self.model))
            inputs = training_inputs(method, faces)
            self.history_ = train(Training(network, faces, inputs, recipe, seed, files, device))
            self.network_ = Classifier.load(Path(folder) / MODEL)
        return self

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n k"]:  # noqa: N803
        """Probabilities in the order of ``classes_``; rows add up to 1."""
        check_is_fitted(self)
        images = pictures(X)
        if images[0].size != self.n_features_in_:
            raise FerturbError(
                f"X has faces of {images[0].size} pixels, and this was fitted on faces of "
                f"{self.n_features_in_}"
            )
        device = prepare_process(self.device)
        network = self.network_.to(device)
        logits = predict_logits(network, torch.from_numpy(images), device=device)
        return np.asarray(logits[:, : len(self.classes_)].double().softmax(1).numpy())

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The most probable class of each face."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(1)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags


def pictures(given: Any) -> UInt8[np.ndarray, "n h w"]:
    """Faces as grey levels, from (n, side, side) or (n, side²); anything else `FerturbError`."""
    array = np.asarray(given)
    side = math.isqrt(array.shape[1]) if array.ndim == 2 else 0
    if array.ndim == 2 and side * side == array.shape[1]:
        array = array.reshape(len(array), side, side)
    if array.ndim != 3 or not array.size or array.dtype.kind not in "uif":
        raise FerturbError(
            "X should be faces (n, side, side) or (n, side²), whole numbers 0 … 255 or shares of "
            f"white, got {array.dtype} {array.shape}"
        )
    most = 1.0 if array.dtype.kind == "f" else 255
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > most:
        raise FerturbError(f"the pixels of X should go from 0 to {most:g}, and some don't")
    grey = np.rint(array * 255) if array.dtype.kind == "f" else array
    return np.ascontiguousarray(grey, np.uint8)


def _faces(images: torch.Tensor, labels: torch.Tensor) -> Faces:
    """All faces to train on, and some of them once more, which the history's accuracy is of."""
    some = min(len(images), _LOOKED_AT)
    splits = torch.cat([torch.zeros(len(images)), torch.ones(some)]).to(torch.uint8)
    return Faces(
        torch.cat([images, images[:some]]),
        torch.cat([labels, labels[:some]]),
        splits,
        tuple(map(str, range(len(splits)))),
        "an array",
    )
