"""What the Perturb Scheme looks at and leaves out: figure 4, and figure 5 where K was varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ferturb.base.config import MethodConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.data.faces import Faces
from ferturb.report import published
from ferturb.report.clusters import figures as cluster_figures
from ferturb.report.clusters import left_out_figure
from ferturb.report.form.captions import PRIVATE
from ferturb.report.form.style import Picture
from ferturb.report.results import Arm, Results
from ferturb.runs.run import Run

SHOWN = ("happy", "sad", "surprise")
"""The emotions of the faces whose attention is shown."""


def cluster_items(
    results: Results, runs: Sequence[Run], faces: Faces | None, fer2013: bool
) -> tuple[Picture, ...]:
    """All figures of attention and clusters that these runs allow; () without the Perturb Scheme.

    Cluster maps by epoch and attention by stage are shown for the first seed of each model.
    """
    done = sorted(
        (run for run in runs if run.done), key=lambda r: (r.config.model.name, r.config.seed)
    )
    mapped = _first_of_each_model([run for run in done if run.cluster_maps() is not None])
    items = [_left_out_picture(mapped, faces)] if mapped else []
    items += [_epochs_picture(run, faces) for run in mapped]
    if faces is not None:
        attending = [run for run in done if run.config.method.name == "attention"]
        kept = [run for run in attending if run.has_model]
        items += [_attention_picture(run, faces) for run in _first_of_each_model(kept)]
    by_k = _arms_by_k(results)
    return (*items, *([_figure_5(by_k, results, fer2013)] if by_k else []))


def _first_of_each_model(runs: Sequence[Run]) -> list[Run]:
    return list({run.config.model.name: run for run in reversed(runs)}.values())[::-1]


def _left_out_picture(runs: Sequence[Run], faces: Faces | None) -> Picture:
    maps = {run.config.model.name: _best_map(run) for run in runs}
    size = next(iter(maps.values())).shape
    image, name = _example(faces, (size[0], size[1]))
    caption = "Each row: the face, the clusters over it, and the face without each cluster. "
    if name:
        caption += f"The first test face labelled happy ({name}). "
    else:
        caption += "No face was given, so a plain grey one stands in. "
    caption += "Cluster map of the best epoch of the first seed."
    mark = _mark(faces) if name else ""
    alt = f"A face with each attention cluster left out in turn, for {', '.join(maps)}."
    png = left_out_figure.clusters_left_out(image, maps, mark)
    return Picture("figure4", "A face with each cluster left out", _marked(caption, mark), alt, png)


def _epochs_picture(run: Run, faces: Faces | None) -> Picture:
    maps = run.cluster_maps()
    assert maps is not None
    image, name = _example(faces, (maps.shape[1], maps.shape[2]))
    mark = _mark(faces) if name else ""
    model = run.config.model.name
    best = int(run.record()["best_epoch"])
    caption = (
        f"{run.name}: cluster maps from the first epoch to the last; weights of epoch {best} are "
        "kept. Below each, how many pixels are in the cluster they were in the epoch before."
    )
    png = cluster_figures.maps_by_epoch(torch.from_numpy(maps), image if name else None, mark=mark)
    same = [float((a == b).mean()) for a, b in pairwise(maps)]
    mean = 100 * float(np.mean(same)) if same else 100.0
    alt = f"From one epoch to the next {mean:.0f} % of the pixels keep their cluster on average."
    title = f"Cluster maps by epoch: {model}"
    return Picture(f"epochs_{_key(model)}", title, _marked(caption, mark), alt, png)


def _attention_picture(run: Run, faces: Faces) -> Picture:
    test = faces.split("test") if len(faces.split("test")) else faces
    index = [_first(test, emotion) for emotion in SHOWN]
    images = test.images[torch.tensor([i for i in index if i is not None], dtype=torch.int64)]
    names = [e for e, i in zip(SHOWN, index, strict=True) if i is not None]
    with torch.no_grad():
        gates = run.load_classifier().gate_maps(images.unsqueeze(1).float().div(255)).float()
    threshold = MethodConfig().attention_threshold
    mark, model = _mark(faces), run.config.model.name
    png = cluster_figures.attention_by_stage(images, gates, threshold, names, mark)
    caption = (
        f"{run.name}, on the first test face of each emotion at the left: each gate from the input "
        f"to the head, their mean, and what of it is above {threshold:g} of its range and so "
        "counts as attention. Every panel is scaled to its own range, printed below it."
    )
    alt = f"Attention maps of {model} for {', '.join(names)}."
    title = f"Attention by stage: {model}"
    return Picture(f"attention_{_key(model)}", title, _marked(caption, mark), alt, png)


def _figure_5(arms: Sequence[Arm], results: Results, fer2013: bool) -> Picture:
    models = {arm.model for arm in arms}
    baselines = [
        arm for arm in results.arms if arm.model in models and arm.method.startswith("baseline")
    ]
    theirs = fer2013 and "vgg16" in models
    caption = "Accuracy on the test split by the number of clusters K, with 95 % intervals. "
    if baselines:
        caption += "Dashed, with its interval as a band: the baseline. "
    if theirs:
        caption += (
            f"The paper's numbers are read off its plot; it says {len(published.FIGURE_5)} K."
        )
    alt = "; ".join(
        f"{arm.model}, K = {arm.runs[0].config.method.clusters}: "
        f"{100 * arm.scores.accuracy.estimate:.1f} %"
        for arm in arms
    )
    png = cluster_figures.accuracy_by_clusters(arms, baselines, theirs)
    return Picture("figure5", "Accuracy by number of clusters", caption.strip(), alt, png)


def _arms_by_k(results: Results) -> list[Arm]:
    """Arms of the Perturb Scheme that differ in K alone, of each model that has several."""

    def but_k(arm: Arm) -> str:
        config = arm.runs[0].config
        return repr((arm.model, replace(config.method, clusters=1), config.recipe))

    perturbed = sorted((arm for arm in results.perturb_arms if not arm.is_ensemble), key=but_k)
    found: list[Arm] = []
    for _, group in groupby(perturbed, key=but_k):
        arms = list(group)
        found += arms if len({arm.runs[0].config.method.clusters for arm in arms}) > 1 else []
    return found


def _best_map(run: Run) -> np.ndarray:
    maps = run.cluster_maps()
    assert maps is not None
    best = min(int(run.record()["best_epoch"]), len(maps)) - 1
    return np.asarray(maps[best])


def _example(faces: Faces | None, size: tuple[int, int]) -> tuple[UInt8[Tensor, "h w"], str]:
    """The first test face labelled happy, else the first face, and its name; grey without one."""
    if faces is None or not len(faces) or tuple(faces.images.shape[1:]) != size:
        return torch.full(size, 150, dtype=torch.uint8), ""
    test = faces.split("test")
    place = _first(test, "happy")
    if place is None:
        return faces.images[0], faces.names[0]
    return test.images[place], test.names[place]


def _first(faces: Faces, emotion: str) -> int | None:
    found = torch.nonzero(faces.labels == EMOTIONS.index(emotion)).flatten()
    return int(found[0]) if len(found) else None


def _mark(faces: Faces | None) -> str:
    return "" if faces is None or faces.kind == "synthetic" else PRIVATE


def _marked(caption: str, mark: str) -> str:
    return f"{caption} ({mark[0].upper()}{mark[1:]}.)" if mark else caption


def _key(model: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in model)
