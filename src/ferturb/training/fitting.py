"""Trainings without steps: scikit-learn fits what stands on fixed features of the faces.

What is found is put into the network, which from there on is like any other. Only method
`baseline`: the faces as they are, without augmentation. Runs that were fitted are small enough to
be begun anew when they are stopped.

- `linear-svm`: one linear support vector machine an emotion against the others, squared hinge
  loss, C = 1 / (weight decay · faces) (LinearSVC, liblinear). Its margins are the logits.
- `boosting`: histogram gradient boosting of trees (HistGradientBoostingClassifier, after LightGBM)
  on the multinomial loss; an epoch is a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from ferturb.base.config import RecipeConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.seeds import seed_of
from ferturb.models.classifier import Classifier
from ferturb.models.inference import logits_of
from ferturb.models.trees import Trees
from ferturb.training.checkpoint import Epoch
from ferturb.training.inputs import TrainingInputs
from ferturb.training.loop import Training, network_of, require_splits, validate

Fit = Callable[[Classifier, NDArray[np.float32], NDArray[np.int64], RecipeConfig, int], None]
"""(network, features of the faces, their labels, recipe, seed): changes the network."""


def is_fitted(recipe: RecipeConfig) -> bool:
    """Whether a recipe fits, in place of training by steps."""
    return recipe.optimizer in FITS


def fit(training: Training) -> list[Epoch]:
    """Fit a network, keep it, and return its history: one row an epoch, all of the same end.

    `FerturbError` for a network that the recipe doesn't suit, for another method, and for faces
    that lack an emotion.
    """
    t, start = training, time.perf_counter()
    network, recipe = network_of(t), t.recipe
    _require(t)
    faces = t.faces.split("train")
    known = set(faces.labels.tolist())
    if known != set(range(len(EMOTIONS))):
        raise FerturbError(
            f"{recipe.name} needs training faces of all {len(EMOTIONS)} emotions, got "
            f"{len(known)}; give other faces"
        )
    found = logits_of(_Features(network), faces.images, device=t.device).numpy()
    FITS[recipe.optimizer](network, found, faces.labels.numpy(), recipe, t.seed)
    shown = logits_of(network, faces.images, device=t.device)
    loss = float(nn.functional.cross_entropy(shown, faces.labels))
    right = float((shown.argmax(1) == faces.labels).double().mean())
    measured = validate(t, network)
    t.files.save_model(network)
    seconds = (time.perf_counter() - start) / recipe.epochs
    row = (loss, right, *measured, recipe.learning_rate, seconds)
    return [Epoch(epoch, *row) for epoch in range(1, recipe.epochs + 1)]


def _require(t: Training) -> None:
    """Raise `FerturbError` unless this network, method and data can be fitted."""
    require_splits(t.faces)
    name, tail = t.classifier.config.name, t.classifier.backbone.tail
    trees = any(isinstance(module, Trees) for module in tail.modules())
    fixed = not any(p.requires_grad for p in t.classifier.backbone.parameters())
    suits = fixed and trees == (t.recipe.optimizer == "boosting")
    if not suits or t.classifier.config.heads != ("label",) or t.classifier.config.attention:
        wanted = "hog-boosted" if t.recipe.optimizer == "boosting" else "hog"
        raise FerturbError(
            f"recipe {t.recipe.name} fits the network {wanted} with the head label and without "
            f"attention, got {name}; give --model {wanted}"
        )
    if type(t.inputs) is not TrainingInputs or t.teacher is not None:
        raise FerturbError(
            f"recipe {t.recipe.name} fits whole faces by their labels alone; give method baseline, "
            "and no teachers"
        )


class _Features(nn.Module):
    """Faces -> what the last fitted part is given, (b, features)."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b f"]:
        found: Tensor = self.network.backbone.stem(self.network.scaled(faces))
        return found.flatten(1)


def fit_svm(
    network: Classifier,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    recipe: RecipeConfig,
    seed: int,
) -> None:
    """The head becomes seven support vector machines."""
    from sklearn.svm import LinearSVC

    make: Any = LinearSVC
    c = 1 / (recipe.weight_decay * len(labels))
    machine = make(C=c, dual=False, random_state=seed_of(seed, "fit") % 2**32, max_iter=2000)
    machine.fit(features, labels)
    _fill(network.head, machine.coef_, machine.intercept_)


def fit_trees(
    network: Classifier,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    recipe: RecipeConfig,
    seed: int,
) -> None:
    """The trees are grown, and the head passes their sums on."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = next(m for m in network.modules() if isinstance(m, Trees))
    most = len(trees.value) // trees.outputs
    if recipe.epochs > most:
        raise FerturbError(f"boosting takes at most {most} epochs (rounds), got {recipe.epochs}")
    make: Any = HistGradientBoostingClassifier
    grower = make(
        learning_rate=recipe.learning_rate,
        max_iter=recipe.epochs,
        max_leaf_nodes=(trees.value.shape[1] + 1) // 2,
        max_depth=trees.depth,
        early_stopping=False,
        random_state=seed_of(seed, "fit") % 2**32,
    )
    grower.fit(features, labels)
    grown = [tree.nodes for one_round in grower._predictors for tree in one_round]
    for place, nodes in enumerate(grown):
        _plant(trees, place, nodes)
    _fill(network.head, np.eye(trees.outputs), grower._baseline_prediction.ravel())


@torch.no_grad()
def _plant(trees: Trees, place: int, nodes: Any) -> None:
    """One of scikit-learn's trees, whose root is its first node; see its `TreePredictor`."""
    count, leaf = len(nodes), nodes["is_leaf"].astype(bool)
    own = np.arange(count)
    for name, tensor in (("left", trees.left), ("right", trees.right)):
        tensor[place, :count] = torch.from_numpy(np.where(leaf, own, nodes[name]).astype(np.int64))
    trees.feature[place, :count] = torch.from_numpy(nodes["feature_idx"].astype(np.int64))
    trees.threshold[place, :count] = torch.from_numpy(_rounded_down(nodes["num_threshold"]))
    trees.value[place, :count] = torch.from_numpy(nodes["value"].astype(np.float32))


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above: float32 numbers are on the same side of both."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


@torch.no_grad()
def _fill(head: nn.Linear, weight: NDArray[Any], bias: NDArray[Any]) -> None:
    head.weight.copy_(torch.from_numpy(np.asarray(weight, dtype=np.float32)))
    head.bias.copy_(torch.from_numpy(np.asarray(bias, dtype=np.float32)))


FITS: dict[str, Fit] = {"linear-svm": fit_svm, "boosting": fit_trees}
"""`RecipeConfig.optimizer` -> what it does."""
