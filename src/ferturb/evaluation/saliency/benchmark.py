"""The benchmark of saliency methods: every method of a model scored on the same faces.

What is kept with the run is per face, so that intervals can be computed again: see `Benchmark`.
The cost is bounded by the number of faces: of each face one explanation by each method and 34 looks
for its curves (in the run's own number format, to save time); of a few of them a second
explanation, of the model with randomised weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from ferturb.base.config import FaithfulnessOptions, choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.pixels import as_input
from ferturb.base.tabular import Rows, Tabular
from ferturb.data.faces import Faces
from ferturb.evaluation.chosen_faces import chosen_faces, landmarks_at, name_of, stratified
from ferturb.evaluation.saliency.faithfulness import (
    BASELINES,
    FEATURES,
    area_under,
    deletion,
    insertion,
    named_feature,
    planted,
    pointed_at,
    ranked,
)
from ferturb.evaluation.saliency.methods import METHODS, as_mass, saliency_maps
from ferturb.evaluation.saliency.networks import networks_of, usable
from ferturb.evaluation.saliency.parts import PARTS, parts_of, share_of_parts
from ferturb.evaluation.saliency.randomisation import (
    randomised,
    rank_correlation,
    structural_similarity,
)
from ferturb.evaluation.significance import Interval, bootstrap
from ferturb.features.landmarks import Landmarks
from ferturb.features.removal import FILLS
from ferturb.runs.analyses import Stored
from ferturb.runs.provenance import describe_analysis
from ferturb.runs.run import Run

Array = np.ndarray
Progress = Callable[[int, int], None]

SANITY_FACES = 2
"""Faces of each emotion that are explained again with randomised weights."""


@dataclass(frozen=True, eq=False)
class Benchmark(Stored, Tabular):
    """What was found of each saliency method (first axis m, baselines last) on the same n faces."""

    KIND: ClassVar[str] = "faithfulness"
    FORMAT: ClassVar[str] = "ferturb-faithfulness-1"
    methods: tuple[str, ...]
    index: Int64[Array, " n"]
    """The faces' places in the split."""
    labels: Int64[Array, " n"]
    area: Float32[Array, "n p"]
    """Share of the pixels of each of `PARTS`."""
    share: Float32[Array, "m n p"]
    """Share of the mass."""
    deletion: Float32[Array, "m n s"]
    """Probability of the emotion along the curve."""
    insertion: Float32[Array, "m n s"]
    pointed: Int64[Array, "m n"]
    """The part with the maximum, an index into `PARTS`."""
    named: Int64[Array, "m n"]
    """The facial feature with the most mass for its area."""
    correlation: Float[Array, "m k"]
    """Rank correlation with the map of the model with randomised weights, of k faces; nan for the
    baselines, and for a model that is a function."""
    similarity: Float[Array, "m k"]
    """SSIM with the same."""
    planted: Bool[Array, "e p"]
    """Which parts carry which emotion; no rows where that is not known."""
    record: Mapping[str, Any] = field(default_factory=dict)

    def records(self) -> Iterator[Mapping[str, Any]]:
        """A row a method and face; `face` is its place in the split, curves as their areas."""
        for i, method in enumerate(self.methods):
            areas = _area(self.deletion[i]).tolist(), _area(self.insertion[i]).tolist()
            for j, (face, label) in enumerate(zip(self.index, self.labels, strict=True)):
                yield {
                    **{"method": method, "face": int(face), "emotion": EMOTIONS[label]},
                    **{"deletion": areas[0][j], "insertion": areas[1][j]},
                    "pointed": PARTS[self.pointed[i, j]],
                    "named": PARTS[self.named[i, j]],
                }


@dataclass(frozen=True)
class MethodScore(Tabular):
    """One saliency method in numbers, each with its interval over the faces."""

    method: str
    n: int
    deletion: Interval
    """Area under the deletion curve: lower is better."""
    insertion: Interval
    """Area under the insertion curve: higher is better."""
    pointing: Interval
    """Share of faces whose maximum lies on eyes, brows, nose or mouth."""
    points_right: Interval | None
    """Share of faces whose maximum lies on a feature that carries their emotion, if known."""
    names_right: Interval | None
    """Share of faces whose named feature carries their emotion, if known."""
    correlation: Interval | None
    """Mean rank correlation with randomised weights: near 0 is right. None for the baselines."""
    similarity: Interval | None


@dataclass(frozen=True)
class Subjects:
    """The faces that maps are scored on."""

    images: UInt8[Tensor, "n *c h w"]
    labels: Int64[Tensor, " n"]
    """The emotions that are explained."""
    parts: Int64[Tensor, "n h w"]
    """Which of `PARTS` each pixel belongs to."""


def benchmark_methods(
    model: nn.Module,
    faces: Faces,
    options: FaithfulnessOptions = FaithfulnessOptions(),
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
    precision: str = "float32",
) -> Benchmark:
    """Score saliency methods by any model on some faces of each emotion.

    The explained emotion is the labelled one. `landmarks`, if given, are those of all `faces`.
    `on_progress` is called with (methods done, methods). Where the options name no methods, all
    are scored that the model can be explained by. Raises `FerturbError` for unknown names, no
    faces, or a method that the model can't be explained by.
    """
    methods = (*(options.methods or usable(model, tuple(METHODS))), *BASELINES)
    for method in options.methods:
        choose("saliency method", method, METHODS)
    choose("fill", options.fill, FILLS)
    started = time.monotonic()
    chosen, index = chosen_faces(faces, options.split, options.faces, options.seed)
    parts = parts_of(chosen, landmarks_at(landmarks, faces, options.split, index))
    subjects = Subjects(chosen.images, chosen.labels, parts)
    model = model.to(device or torch.device("cpu"))
    some = stratified(chosen.labels, SANITY_FACES, options.seed)
    learnt = bool(networks_of(model))
    fresh = randomised(model, as_input(chosen.images[some]), options.seed) if learnt else None
    rows = []
    for done, name in enumerate(methods):
        on_progress(done, len(methods))
        rows.append(_row(name, model, fresh, subjects, some, options, precision))
    on_progress(len(rows), len(rows))
    truth = planted(faces)
    return Benchmark(
        methods,
        index.numpy(),
        chosen.labels.numpy(),
        share_of_parts(as_mass(torch.ones(parts.shape)), parts).numpy(),
        **{key: np.stack([row[key] for row in rows]) for key in rows[0]},
        planted=np.zeros((0, len(PARTS)), bool) if truth is None else truth,
        record=describe_analysis(faces, started)
        | {
            "methods": list(methods),
            "parts": list(PARTS),
            "split": options.split,
            "faces_per_emotion": options.faces,
            "randomised_faces_per_emotion": SANITY_FACES,
            "fill": options.fill,
            "seed": options.seed,
        },
    )


def benchmark_saliency(
    run: Run,
    faces: Faces,
    options: FaithfulnessOptions = FaithfulnessOptions(),
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Benchmark:
    """`benchmark_methods` by a finished run's model, kept with the run.

    Raises `FerturbError` as `benchmark_methods` does, and for a run that is not finished.
    """
    model, precision = run.require_done().load_model(), run.config.recipe.precision
    found = benchmark_methods(model, faces, options, landmarks, device, on_progress, precision)
    base = Benchmark.KIND if options.fill == "mean" else f"{Benchmark.KIND}-{options.fill}"
    found.store(run, name_of(run, faces, base, options.split))
    return found


def summarise(benchmark: Benchmark) -> Rows[MethodScore]:
    """Every method in numbers, the baselines last, with 95 % intervals over the faces."""
    b = benchmark
    carries = b.planted[b.labels] if len(b.planted) else None  # (n, parts)
    tells = carries.any(1) if carries is not None else np.zeros(len(b.labels), bool)
    landmark = np.isin(np.arange(len(PARTS)), [PARTS.index(p) for p in PARTS[:4]])

    def right(picked: Int64[Array, " n"]) -> Interval | None:
        if carries is None or not tells.any():
            return None
        return bootstrap(carries[np.arange(len(picked)), picked][tells].astype(float))

    return Rows(
        MethodScore(
            method,
            len(b.labels),
            bootstrap(_area(b.deletion[i])),
            bootstrap(_area(b.insertion[i])),
            bootstrap(landmark[b.pointed[i]].astype(float)),
            right(b.pointed[i]),
            right(b.named[i]),
            _mean(b.correlation[i]),
            _mean(b.similarity[i]),
        )
        for i, method in enumerate(b.methods)
    )


def chance_of_naming(benchmark: Benchmark) -> float | None:
    """How often a random feature carries the face's emotion; None where that isn't known."""
    if not len(benchmark.planted):
        return None
    carries = benchmark.planted[benchmark.labels][:, : len(FEATURES)]
    carries = carries[carries.any(1)]
    return float(carries.mean()) if len(carries) else None


def score_maps(
    maps: Float[Tensor, "n h w"],
    model: nn.Module,
    subjects: Subjects,
    fill: str = "mean",
    seed: int = 0,
    precision: str = "float32",
) -> dict[str, NDArray[Any]]:
    """Maps of any source that add up to one each, scored by a model: ``share``, ``deletion``,
    ``insertion``, ``pointed`` and ``named`` as in `Benchmark`, without its first axis."""
    faces, target, parts = as_input(subjects.images), subjects.labels, subjects.parts
    share = share_of_parts(maps, parts)
    area = share_of_parts(as_mass(torch.ones_like(maps)), parts)
    order = ranked(maps, seed)
    return {
        "share": share.numpy(),
        "deletion": deletion(model, faces, target, order, fill, precision=precision).numpy(),
        "insertion": insertion(model, faces, target, order, fill, precision=precision).numpy(),
        "pointed": pointed_at(order, parts).numpy(),
        "named": named_feature(share, area).numpy(),
    }


def _row(
    name: str,
    model: nn.Module,
    fresh: nn.Module | None,
    subjects: Subjects,
    some: Int64[Tensor, " k"],
    options: FaithfulnessOptions,
    precision: str,
) -> dict[str, NDArray[Any]]:
    """One method, or baseline, on all faces: its row of every array of `Benchmark`.

    `fresh` is the model with randomised weights, which is explained on `some` of the faces; None
    for a function, which has no weights that could be.
    """
    images, target, seed = subjects.images, subjects.labels, options.seed
    correlation = similarity = np.full(len(some), np.nan)
    if name in BASELINES:
        maps = as_mass(BASELINES[name](as_input(images), seed))
    else:
        maps = as_mass(saliency_maps(model, images, target, name, seed))
    if name not in BASELINES and fresh is not None:
        again = as_mass(saliency_maps(fresh, images[some], target[some], name, seed))
        correlation = rank_correlation(maps[some], again)
        similarity = structural_similarity(maps[some], again)
    scores = score_maps(maps, model, subjects, options.fill, seed, precision)
    return scores | {"correlation": correlation, "similarity": similarity}


def _area(curve: Float32[Array, "n s"]) -> Float[Array, " n"]:
    return np.asarray(area_under(torch.from_numpy(curve).double()).numpy())


def _mean(values: Float[Array, " k"]) -> Interval | None:
    """The mean over the faces that have a value."""
    known = values[~np.isnan(values)]
    return bootstrap(known) if len(known) else None
