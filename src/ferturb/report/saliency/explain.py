"""Figures 1 and 6: a face of each emotion, and the saliency of each model below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ferturb.base.config import SALIENCY
from ferturb.base.emotions import EMOTIONS
from ferturb.data.faces import Faces
from ferturb.evaluation.saliency.methods import raw_saliency, silent
from ferturb.evaluation.saliency.probability import how_many_summed
from ferturb.report.form.captions import mark_of, marked
from ferturb.report.form.style import Picture, png_of
from ferturb.report.run_results import RunResult, run_names
from ferturb.report.saliency.example_faces import example_faces
from ferturb.report.saliency.figures import faces_and_saliency

_MODELS = 5
_PAPERS = "vgg16"
"""The network of the paper's figures 1 and 6."""


def paper_figures(
    runs: Sequence[RunResult], faces: Faces, method: str = SALIENCY
) -> tuple[Picture, ...]:
    """Figures 1 and 6 where the runs for them are there, else one figure of the runs there are.

    Figure 1: a network trained on whole faces beside the same trained on MaskFer. Figure 6: one
    trained on whole faces beside the same trained by the Perturb Scheme. VGG16, the paper's
    network, where it is there; else the first.
    """
    done = [run for run in runs if run.done and run.config.method.name != "attention"]
    first = _first_seeds(done)
    pictures = []
    masked = _pair(first, lambda run: run.config.dataset.face_masks is not None)
    if masked:
        title = "Saliency of networks trained on whole and on masked faces"
        pictures.append(explain_figure(masked, faces, method, key="figure1", title=title))
    perturbed = _pair(
        [run for run in first if not run.config.dataset.altered],
        lambda run: run.config.method.name == "perturb",
    )
    if perturbed:
        title = "Saliency with and without the Perturb Scheme"
        pictures.append(explain_figure(perturbed, faces, method, key="figure6", title=title))
    rest = [run for run in first if not run.config.dataset.altered][:_MODELS]
    if not pictures and rest:
        pictures.append(explain_figure(rest, faces, method))
    return tuple(pictures)


def explain_figure(
    runs: Sequence[RunResult],
    faces: Faces,
    method: str = SALIENCY,
    split: str = "test",
    seed: int = 0,
    key: str = "saliency_faces",
    title: str = "Where the models look",
) -> Picture:
    """A face of each emotion, and below it the saliency of each run's model for that emotion.

    The faces are chosen by the rule of `example_faces`, which the caption states. The picture of
    real faces is marked as private.
    """
    models = [run.run.load_model() for run in runs]
    names = run_names(runs)
    shown = example_faces(runs, models, faces, split)
    batch = shown.faces.images.unsqueeze(1).float().div(255)
    maps = {
        name: raw_saliency(model, batch, shown.faces.labels, method, seed)
        for name, model in zip(names, models, strict=True)
    }
    notes = {
        name: [
            f"{100 * p:.0f} %" + (", no map" if nothing else "")
            for p, nothing in zip(row, silent(maps[name]).tolist(), strict=True)
        ]
        for name, row in zip(names, shown.probability, strict=True)
    }
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
    return Picture(key, title, marked(caption, mark), alt, png_of(figure))


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
    for plain in order:
        if plain.config.method.name != "baseline" or plain.config.dataset.altered:
            continue
        for other in order:
            if other.config.model.name == plain.config.model.name and special(other):
                return [plain, other]
    return []
