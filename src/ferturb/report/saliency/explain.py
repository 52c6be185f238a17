"""Figures 1 and 6: a face of each emotion, and the saliency of each model below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from ferturb.base.config import SALIENCY
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_input
from ferturb.base.text import numbered
from ferturb.data.faces import Faces
from ferturb.evaluation.chosen_faces import stratified
from ferturb.evaluation.saliency.methods import raw_saliency, silent
from ferturb.evaluation.saliency.probability import how_many_summed
from ferturb.models.test_time import predict_logits
from ferturb.models.wrapped import Wrapped
from ferturb.report.form.captions import mark_of, marked
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.run_results import RunResult, run_names
from ferturb.report.saliency.figures import faces_and_saliency
from ferturb.runs.run import Run

Looked = RunResult | Wrapped
"""What a figure looks at: a run that is read, or any other model."""
_MODELS = 5
_PAPERS = "vgg16"
"""The network of the paper's figures 1 and 6."""


def paper_figures(runs: Sequence[RunResult], faces: Faces) -> tuple[Picture, ...]:
    """Figures 1 and 6 where the runs for them are there, else one figure of the runs there are.

    Figure 1: a network trained on whole faces beside the same trained on MaskFer. Figure 6: one
    trained on whole faces beside the same trained by the Perturb Scheme. VGG16, the paper's
    network, where it is there; else the first.
    """
    done = [run for run in runs if run.done and run.config.method.name != "attention"]
    first = _first_seeds(done)
    whole = [run for run in first if not run.config.dataset.altered]
    masked = _pair(first, lambda run: run.config.dataset.face_masks is not None)
    perturbed = _pair(whole, lambda run: run.config.method.name == "perturb")
    wanted = (
        ("figure1", "Saliency of networks trained on whole and on masked faces", masked),
        ("figure6", "Saliency with and without the Perturb Scheme", perturbed),
    )
    pictures = [
        explain_figure(pair, faces, key=key, title=title) for key, title, pair in wanted if pair
    ]
    if not pictures and whole:
        pictures.append(explain_figure(whole[:_MODELS], faces))
    return tuple(pictures)


def model_names(models: Sequence[Run | Looked]) -> list[str]:
    """A name for each that tells it from the others: of runs as `run_names` has it, of wrapped
    models their own."""
    of_runs = iter(run_names([one for one in models if not isinstance(one, Wrapped)]))
    return numbered([one.name if isinstance(one, Wrapped) else next(of_runs) for one in models])


def explain_figure(
    runs: Sequence[Looked],
    faces: Faces,
    method: str = SALIENCY,
    split: str = "test",
    seed: int = 0,
    key: str = "saliency_faces",
    title: str = "Where the models look",
) -> Picture:
    """A face of each emotion, and below it the saliency of each model for that emotion.

    The faces are chosen by the rule of `example_faces`, which the caption states. The picture of
    real faces is marked as private.
    """
    models = [run.cpu() if isinstance(run, Wrapped) else run.run.load_model() for run in runs]
    names = model_names(runs)
    shown = example_faces(runs, models, faces, split)
    batch = as_input(shown.faces.images)
    maps, notes = {}, {}
    for name, model, row in zip(names, models, shown.probability, strict=True):
        maps[name] = raw_saliency(model, batch, shown.faces.labels, method, seed)
        blank = [", no map" if nothing else "" for nothing in silent(maps[name]).tolist()]
        notes[name] = [f"{100 * p:.0f} %{note}" for p, note in zip(row, blank, strict=True)]
    mark = mark_of(faces)
    summed = max(how_many_summed(model) for model in models) > 1
    caption = (
        f"Saliency by {method} for the labelled emotion, each map scaled to its own highest value; "
        "below it the probability that the model gives this emotion"
        f"{' (of its mean view)' if summed else ''}. {shown.rule}"
    )
    if any(bool(silent(found).any()) for found in maps.values()):
        caption += " No map: the method finds nothing in this face that speaks for the emotion."
    titles = [EMOTIONS[label] for label in shown.faces.labels.tolist()]
    images = shown.faces.images.numpy()
    figure = faces_and_saliency(images, titles, drawable(maps), notes, mark)
    alt = f"Faces showing {', '.join(titles)}, with {method} maps of {'; '.join(names)}."
    return Picture(key, title, marked(caption, mark), alt, prints_of(figure))


def drawable(maps: Mapping[str, Float[Tensor, "k h w"]]) -> dict[str, Float[np.ndarray, "k h w"]]:
    """Maps as they are drawn: silent ones are 0 everywhere (and not, as in tables, spread out)."""
    return {
        name: torch.where(silent(found)[:, None, None], 0.0, found).numpy()
        for name, found in maps.items()
    }


def _first_seeds(runs: Sequence[RunResult]) -> list[RunResult]:
    """Of runs that differ in the seed alone, the first."""
    first: dict[str, RunResult] = {}
    for run in sorted(runs, key=lambda run: run.config.seed):
        config = run.config
        first.setdefault(repr((config.dataset, config.model, config.method, config.recipe)), run)
    return list(first.values())


def _pair(runs: Sequence[RunResult], special: Callable[[RunResult], bool]) -> list[RunResult]:
    """A plain baseline and a run of the same network that is special in one way, if there are."""
    order = sorted(runs, key=lambda run: run.config.model.name != _PAPERS)
    plain = [
        r for r in order if r.config.method.name == "baseline" and not r.config.dataset.altered
    ]
    pairs = (
        [first, other]
        for first in plain
        for other in order
        if other.config.model.name == first.config.model.name and special(other)
    )
    return next(pairs, [])


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
    runs: Sequence[Looked], models: Sequence[nn.Module], faces: Faces, split: str = "test"
) -> Examples:
    """The faces to show the models of these runs on; `models` are their networks.

    For each emotion, among the faces of the split that every shown model gets right, the one whose
    probability of that emotion, averaged over the models, is the median (the lower of the two
    middle ones where their number is even; the first in the dataset of equal ones). Where no face
    is right by all models, the median among all faces of that emotion. So the choice of the faces
    is not left to the author of a figure.
    """
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
        probabilities = np.stack([_softmax(predict_logits(m, some), m) for m in models])
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
    run: Looked, model: nn.Module, part: Faces, split: str, content: str
) -> Float[Array, "n 7"] | None:
    """Probabilities from the run's stored logits, if they are of these faces."""
    if isinstance(run, Wrapped) or split == "train":
        return None
    if content != run.record.get("data", {}).get("hash"):
        return None
    kept = run.logits.get((split, "none"))
    if kept is None or not np.array_equal(kept[0], part.labels.numpy()):
        return None
    return _softmax(torch.from_numpy(kept[1]), model)


def _softmax(logits: Tensor, model: nn.Module) -> Float[Array, "n 7"]:
    return np.asarray((logits.double() / how_many_summed(model)).softmax(1).numpy())
