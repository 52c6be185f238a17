"""Every saliency method of a run judged on the same faces, and the outcome kept with the run.

What is kept is per face, so that intervals can be computed again: see `Judgement`. The cost is
bounded by the number of faces: of each face one explanation by each method and 34 looks for its
curves (in the run's own number format, to save time); of a few of them a second explanation, of
the model with randomised weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from ferturb.base.config import choose
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.evaluation.saliency.chosen_faces import analysis_name, chosen_faces, stratified
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
from ferturb.evaluation.saliency.parts import PARTS, landmarks_at, parts_of, share_of_parts
from ferturb.evaluation.saliency.randomisation import (
    randomised,
    rank_correlation,
    structural_similarity,
)
from ferturb.evaluation.significance import Interval, bootstrap
from ferturb.features.landmarks import Landmarks
from ferturb.features.removal import FILLS
from ferturb.runs.provenance import describe_data, describe_software
from ferturb.runs.run import Run

Array = np.ndarray
Progress = Callable[[int, int], None]

ANALYSIS = "faithfulness"
FORMAT = "ferturb-faithfulness-1"
FACES, SANITY_FACES = 8, 2
_ARRAYS = (
    "index",
    "labels",
    "area",
    "share",
    "deletion",
    "insertion",
    "pointed",
    "named",
    "correlation",
    "similarity",
    "planted",
)


@dataclass(frozen=True, eq=False)
class Judgement:
    """What was found of each saliency method (first axis m, baselines last) on the same n faces."""

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
    baselines."""
    similarity: Float[Array, "m k"]
    """SSIM with the same."""
    planted: Bool[Array, "e p"]
    """Which parts carry which emotion; no rows where that is not known."""
    record: Mapping[str, Any] = field(default_factory=dict)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything but names and record, for `Run.store_analysis`."""
        return {name: getattr(self, name) for name in _ARRAYS}


@dataclass(frozen=True)
class Faithful:
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


def judge_saliency(
    run: Run,
    faces: Faces,
    methods: Sequence[str] = tuple(METHODS),
    *,
    n: int = FACES,
    fill: str = "mean",
    seed: int = 0,
    split: str = "test",
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Judgement:
    """Judge saliency methods by a run's model on up to n faces of each emotion; kept with the run.

    The explained emotion is the labelled one. `landmarks`, if given, are those of all `faces`.
    `on_progress` is called with (methods done, methods). Raises `FerturbError` for unknown names,
    no faces, or a method that the model can't be explained by.
    """
    for method in methods:
        choose("saliency method", method, METHODS)
    choose("fill", fill, FILLS)
    if not methods:
        raise FerturbError(f"give at least one saliency method; known: {', '.join(METHODS)}")
    started = time.monotonic()
    chosen, index = chosen_faces(faces, split, n, seed)
    parts = parts_of(chosen, landmarks_at(landmarks, faces, split, index))
    model = run.load_model().to(device or torch.device("cpu"))
    some = stratified(chosen.labels, SANITY_FACES, seed)
    fresh = randomised(model, chosen.images[some].unsqueeze(1).float().div(255), seed)
    rows = []
    for done, name in enumerate((*methods, *BASELINES)):
        on_progress(done, len(methods) + len(BASELINES))
        precision = run.config.recipe.precision
        rows.append(_judge(name, model, fresh, chosen, some, parts, fill, seed, precision))
    on_progress(len(rows), len(rows))
    truth = planted(faces)
    found = Judgement(
        (*methods, *BASELINES),
        index.numpy(),
        chosen.labels.numpy(),
        share_of_parts(as_mass(torch.ones(parts.shape)), parts).numpy(),
        **{key: np.stack([row[key] for row in rows]) for key in rows[0]},
        planted=np.zeros((0, len(PARTS)), bool) if truth is None else truth,
        record={
            "format": FORMAT,
            "data": describe_data(faces),
            "methods": [*methods, *BASELINES],
            "parts": list(PARTS),
            "split": split,
            "faces_per_emotion": n,
            "randomised_faces_per_emotion": SANITY_FACES,
            "fill": fill,
            "seed": seed,
            "software": describe_software(),
            "seconds": round(time.monotonic() - started, 1),
        },
    )
    base = ANALYSIS if fill == "mean" else f"{ANALYSIS}-{fill}"
    run.store_analysis(analysis_name(run, faces, base, split), found.arrays(), found.record)
    return found


def load_judgement(run: Run, name: str = ANALYSIS) -> Judgement | None:
    """The judgement kept under a name; None without one (or from another version of ferturb)."""
    kept = run.analysis(name)
    if kept is None or kept[1].get("format") != FORMAT:
        return None
    arrays, record = kept
    known: dict[str, Any] = {key: arrays[key] for key in _ARRAYS}
    return Judgement(tuple(record["methods"]), **known, record=record)


def judgements(run: Run) -> dict[str, Judgement]:
    """Every judgement kept with a run, by the name of its analysis."""
    names = [n for n in run.analyses() if n == ANALYSIS or n.startswith(f"{ANALYSIS}-")]
    kept = {name: load_judgement(run, name) for name in names}
    return {name: one for name, one in kept.items() if one is not None}


def summarise(judgement: Judgement) -> list[Faithful]:
    """Every method in numbers, the baselines last, with 95 % intervals over the faces."""
    j = judgement
    carries = j.planted[j.labels] if len(j.planted) else None  # (n, parts)
    tells = carries.any(1) if carries is not None else np.zeros(len(j.labels), bool)
    landmark = np.isin(np.arange(len(PARTS)), [PARTS.index(p) for p in PARTS[:4]])

    def right(picked: Int64[Array, " n"]) -> Interval | None:
        if carries is None or not tells.any():
            return None
        return bootstrap(carries[np.arange(len(picked)), picked][tells].astype(float))

    found = []
    for i, method in enumerate(j.methods):
        found.append(
            Faithful(
                method,
                len(j.labels),
                bootstrap(_area(j.deletion[i])),
                bootstrap(_area(j.insertion[i])),
                bootstrap(landmark[j.pointed[i]].astype(float)),
                right(j.pointed[i]),
                right(j.named[i]),
                _mean(j.correlation[i]),
                _mean(j.similarity[i]),
            )
        )
    return found


def chance_of_naming(judgement: Judgement) -> float | None:
    """How often a feature drawn by lot carries the face's emotion; None where that isn't known."""
    if not len(judgement.planted):
        return None
    carries = judgement.planted[judgement.labels][:, : len(FEATURES)]
    carries = carries[carries.any(1)]
    return float(carries.mean()) if len(carries) else None


def _judge(
    name: str,
    model: nn.Module,
    fresh: nn.Module,
    chosen: Faces,
    some: Int64[Tensor, " k"],
    parts: Int64[Tensor, "n h w"],
    fill: str,
    seed: int,
    precision: str,
) -> dict[str, NDArray[Any]]:
    """One method, or baseline, on all faces: its row of every array of `Judgement`.

    `fresh` is the model with randomised weights, which is explained on `some` of the faces.
    """
    images, target = chosen.images, chosen.labels
    faces = images.unsqueeze(1).float().div(255)
    if name in BASELINES:
        maps = as_mass(BASELINES[name](faces, seed))
        correlation = similarity = np.full(len(some), np.nan)
    else:
        maps = as_mass(saliency_maps(model, images, target, name, seed))
        again = as_mass(saliency_maps(fresh, images[some], target[some], name, seed))
        correlation = rank_correlation(maps[some], again)
        similarity = structural_similarity(maps[some], again)
    judged = judge_maps(maps, model, images, target, parts, fill, seed, precision)
    return judged | {"correlation": correlation, "similarity": similarity}


def judge_maps(
    maps: Float[Tensor, "n h w"],
    model: nn.Module,
    images: UInt8[Tensor, "n h w"],
    target: Int64[Tensor, " n"],
    parts: Int64[Tensor, "n h w"],
    fill: str = "mean",
    seed: int = 0,
    precision: str = "float32",
) -> dict[str, NDArray[Any]]:
    """Maps of any source that add up to one each, judged by a model: ``share``, ``deletion``,
    ``insertion``, ``pointed`` and ``named`` as in `Judgement`, without its first axis."""
    faces = images.unsqueeze(1).float().div(255)
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


def _area(curve: Float32[Array, "n s"]) -> Float[Array, " n"]:
    return np.asarray(area_under(torch.from_numpy(curve).double()).numpy())


def _mean(values: Float[Array, " k"]) -> Interval | None:
    """The mean over the faces that have a value."""
    known = values[~np.isnan(values)]
    return bootstrap(known) if len(known) else None
