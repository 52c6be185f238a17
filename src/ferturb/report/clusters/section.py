"""What the Perturb Scheme looks at and leaves out: figure 4, and figure 5 where K was varied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ferturb.base.config import MethodConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.pixels import as_input
from ferturb.data.faces import Faces
from ferturb.report.clusters import figures
from ferturb.report.form.captions import mark_of, marked
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import slugs
from ferturb.report.groups import Group
from ferturb.report.model_results import ModelResult
from ferturb.report.results import StudyResults
from ferturb.report.run_results import RunResult
from ferturb.report.section import Section, section_of

SHOWN = ("happy", "sad", "surprise")
"""The emotions of the faces whose attention is shown."""
MAP_OF = {
    "between": "the last gate, averaged over the face and its mirror image",
    "stages": "the mean of the gates",
    "input": "the gate itself",
}
"""Where the gates are (`ModelConfig.attention_at`) -> what of them is the attention map."""


def section(results: StudyResults) -> Section | None:
    """All figures of attention and clusters that the main runs allow.

    Cluster maps by epoch and attention by stage are shown for the first seed of each model.
    """
    faces = results.faces
    done = sorted(results.main.done, key=lambda r: (r.config.model.name, r.config.seed))
    mapped = _first_of_each_model([run for run in done if run.cluster_maps is not None])
    items = [_left_out_picture(mapped, faces)] if mapped else []
    items += [_epochs_picture(run, faces, key) for run, key in _keyed(mapped)]
    if faces is not None:
        attending = [run for run in done if run.config.method.name == "attention"]
        kept = [run for run in attending if run.run.has_model]
        first = _first_of_each_model(kept)
        items += [_attention_picture(run, faces, key) for run, key in _keyed(first)]
    by_k = _models_by_k(results.main)
    items += [_figure_5(by_k, results)] if by_k else []
    return section_of("clusters", "Attention and clusters", items)


def _first_of_each_model(runs: Sequence[RunResult]) -> list[RunResult]:
    return list({run.config.model.name: run for run in reversed(runs)}.values())[::-1]


def _keyed(runs: Sequence[RunResult]) -> Iterator[tuple[RunResult, str]]:
    """Runs of different models, each with its model's part of a key."""
    return zip(runs, slugs([run.config.model.name for run in runs]), strict=True)


def _left_out_picture(runs: Sequence[RunResult], faces: Faces | None) -> Picture:
    maps = {run.config.model.name: _best_map(run) for run in runs}
    size = next(iter(maps.values())).shape
    image, name, mark = _example(faces, (size[0], size[1]))
    shown = f"The first test face labelled happy ({name})."
    caption = (
        "Each row: the face, the clusters over it, and the face without each cluster. "
        f"{shown if name else 'No face was given, so a plain grey one stands in.'} "
        "Cluster map of the kept epoch of the first seed."
    )
    alt = f"A face with each attention cluster left out in turn, for {', '.join(maps)}."
    prints = prints_of(figures.clusters_left_out(image, maps, mark))
    return Picture(
        "figure4", "A face with each cluster left out", marked(caption, mark), alt, prints
    )


def _epochs_picture(run: RunResult, faces: Faces | None, key: str) -> Picture:
    maps = run.cluster_maps
    assert maps is not None
    image, name, mark = _example(faces, (maps.shape[1], maps.shape[2]))
    model = run.config.model.name
    caption = (
        f"{run.name}: cluster maps from the first epoch to the last; weights of epoch "
        f"{run.best_epoch} are kept. Below each, how many pixels are in the cluster they were in "
        "the epoch before."
    )
    shown = image if name else None
    prints = prints_of(figures.maps_by_epoch(torch.from_numpy(maps), shown, mark=mark))
    same = [float((a == b).mean()) for a, b in pairwise(maps)]
    mean = 100 * float(np.mean(same)) if same else 100.0
    alt = f"From one epoch to the next {mean:.0f} % of the pixels keep their cluster on average."
    title = f"Cluster maps by epoch: {model}"
    return Picture(f"epochs_{key}", title, marked(caption, mark), alt, prints)


def _attention_picture(run: RunResult, faces: Faces, key: str) -> Picture:
    test = faces.split("test") if len(faces.split("test")) else faces
    first = {emotion: _first(test, emotion) for emotion in SHOWN}
    known = {emotion: place for emotion, place in first.items() if place is not None}
    names, images = list(known), test.images[torch.tensor(list(known.values()), dtype=torch.int64)]
    classifier, inputs = run.run.load_classifier(), as_input(images)
    with torch.no_grad():
        gates, attention = classifier.gate_maps(inputs), classifier.attention_maps(inputs)
    threshold = MethodConfig().attention_threshold
    mark, model = mark_of(faces), run.config.model.name
    prints = prints_of(figures.attention_by_stage(images, gates, attention, threshold, names, mark))
    caption = (
        f"{run.name}, on the first test face of each emotion at the left: each gate from the input "
        f"to the head, the attention map ({MAP_OF[str(classifier.config.attention_at)]}), and "
        f"what of it is above {threshold:g} of its range and so counts. Every panel is scaled to "
        "its own range, printed below it."
    )
    alt = f"Attention maps of {model} for {', '.join(names)}."
    title = f"Attention by stage: {model}"
    return Picture(f"attention_{key}", title, marked(caption, mark), alt, prints)


def _figure_5(models: Sequence[ModelResult], results: StudyResults) -> Picture:
    names = {result.model for result in models}
    own = [result for result in results.main.models if result.model in names]
    baselines = [result for result in own if result.method.startswith("baseline")]
    theirs = results.fer2013 and "vgg16" in names
    caption = "Accuracy on the test split by the number of clusters K, with 95 % intervals."
    if baselines:
        caption += " Dashed, with its interval as a band: the baseline."
    if theirs:
        caption += (
            " The paper's numbers are read off its plot; they are macro recall, and stand in the "
            "right panel."
        )
    alt = "; ".join(
        f"{result.model}, K = {figures.clusters_of(result)}: "
        f"{100 * result.scores.accuracy.estimate:.1f} %"
        for result in models
    )
    prints = prints_of(figures.accuracy_by_clusters(models, baselines, theirs))
    return Picture("figure5", "Accuracy by number of clusters", caption, alt, prints)


def _models_by_k(group: Group) -> list[ModelResult]:
    """What was trained by the Perturb Scheme and differs in K alone, of each model with several."""

    def but_k(result: ModelResult) -> str:
        config = result.runs[0].config
        return repr((result.model, replace(config.method, clusters=1), config.recipe))

    perturbed = sorted((m for m in group.perturb_models if not m.is_ensemble), key=but_k)
    found: list[ModelResult] = []
    for _, same in groupby(perturbed, key=but_k):
        models = list(same)
        found += models if len({figures.clusters_of(m) for m in models}) > 1 else []
    return found


def _best_map(run: RunResult) -> np.ndarray:
    maps = run.cluster_maps
    assert maps is not None
    return np.asarray(maps[min(run.best_epoch, len(maps)) - 1])


def _example(
    faces: Faces | None, size: tuple[int, int]
) -> tuple[UInt8[Tensor, "*c h w"], str, str]:
    """The first test face labelled happy, else the first, its name and mark; grey without one."""
    if faces is None or not len(faces) or faces.size != size:
        return torch.full(size, 150, dtype=torch.uint8), "", ""
    test = faces.split("test")
    place = _first(test, "happy")
    shown, place = (faces, 0) if place is None else (test, place)
    return shown.images[place], shown.names[place], mark_of(faces)


def _first(faces: Faces, emotion: str) -> int | None:
    found = torch.nonzero(faces.labels == EMOTIONS.index(emotion)).flatten()
    return int(found[0]) if len(found) else None
