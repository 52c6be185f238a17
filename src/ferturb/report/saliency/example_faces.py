"""Which faces a figure shows: one of each emotion, by a rule that leaves no choice to its author.

For each emotion, among the faces of the split that every shown model gets right, the one whose
probability of that emotion, averaged over the models, is the median (the lower of the two middle
ones where their number is even; the first in the dataset of equal ones). Where no face is right by
all models, the median among all faces of that emotion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.evaluation.chosen_faces import stratified
from ferturb.evaluation.saliency.probability import how_many_summed
from ferturb.models.test_time import predict_logits
from ferturb.report.run_results import RunResult

Array = np.ndarray

CANDIDATES = 60
"""Faces of each emotion that are looked at where a run has not stored logits of these faces."""

RULE = (
    "For each emotion the {split} face that all models shown get right and whose probability of "
    "that emotion, averaged over the models, is the median."
)


@dataclass(frozen=True, eq=False)
class Examples:
    """One face of each emotion that the split has, in the order of the emotions."""

    faces: Faces
    probability: Float[Array, "m k"]
    """What each model gives the labelled emotion."""
    right: tuple[bool, ...]
    """Whether all models get the face right."""
    rule: str
    """How they were chosen, in a sentence or two."""


def example_faces(
    runs: Sequence[RunResult], models: Sequence[nn.Module], faces: Faces, split: str = "test"
) -> Examples:
    """The faces to show the models of these runs on; `models` are their networks."""
    part = faces.split(split)
    if not len(part):
        raise FerturbError(f"{faces.source} has no {split} faces; give another source or split")
    content = faces.content_hash()
    pairs = zip(runs, models, strict=True)
    stored = [_stored(run, model, part, split, content) for run, model in pairs]
    known = [one for one in stored if one is not None]
    rule = RULE.format(split=split)
    if len(known) == len(stored):
        index, probabilities = torch.arange(len(part)), np.stack(known)
    else:
        index = stratified(part.labels, CANDIDATES)
        some = part.images[index]
        probabilities = np.stack([_asked(model, some) for model in models])
        rule += f" Of at most {CANDIDATES} faces of each emotion, drawn at random."
    labels = part.labels[index].numpy()
    places, right = median_faces(labels, probabilities)
    of_true = np.take_along_axis(probabilities, labels[None, :, None], 2)[:, places, 0]
    if not all(right):
        missing = [EMOTIONS[labels[p]] for p, ok in zip(places, right, strict=True) if not ok]
        rule += f" The median of all, as none is right by all models: {', '.join(missing)}."
    return Examples(part.select(index[torch.from_numpy(places)]), of_true, right, rule)


def median_faces(
    labels: Int64[Array, " n"], probabilities: Float[Array, "m n 7"]
) -> tuple[Int64[Array, " k"], tuple[bool, ...]]:
    """The places of the chosen faces, and whether all models get each right.

    Emotions without faces are passed over.
    """
    right: Bool[Array, " n"] = (probabilities.argmax(2) == labels).all(0)
    true = np.take_along_axis(probabilities, labels[None, :, None], 2)[:, :, 0].mean(0)
    places, sure = [], []
    for emotion in range(len(EMOTIONS)):
        own = np.flatnonzero(labels == emotion)
        good = own[right[own]]
        pool = good if len(good) else own
        if len(pool):
            order = pool[np.argsort(true[pool], kind="stable")]
            places.append(int(order[(len(order) - 1) // 2]))
            sure.append(len(good) > 0)
    return np.array(places, dtype=np.int64), tuple(sure)


def _stored(
    run: RunResult, model: nn.Module, part: Faces, split: str, content: str
) -> Float[Array, "n 7"] | None:
    """Probabilities from the run's stored logits, if they are of these faces."""
    if split == "train" or content != run.record.get("data", {}).get("hash"):
        return None
    kept = run.logits.get((split, "none"))
    if kept is None or not np.array_equal(kept[0], part.labels.numpy()):
        return None
    return _softmax(torch.from_numpy(kept[1]), model)


def _asked(model: nn.Module, images: Tensor) -> Float[Array, "n 7"]:
    return _softmax(predict_logits(model, images), model)


def _softmax(logits: Tensor, model: nn.Module) -> Float[Array, "n 7"]:
    return np.asarray((logits.double() / how_many_summed(model)).softmax(1).numpy())
