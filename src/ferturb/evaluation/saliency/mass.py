"""Mass per facial feature: which part of the face a model's saliency lies on, by emotion.

Each face is divided into `PARTS`, so that the shares of the mass add up to one. Features differ in
area, and a map that says nothing gives each its area's share; so beside the *share* stands the
*enrichment*: share of the mass over share of the area, 1 where a feature gets no more than its
pixels are due. An enrichment over several faces is their mean share over their mean area.

The quantity explained is the labelled emotion, whether or not the model gets the face right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from ferturb.base.config import SALIENCY, choose
from ferturb.base.emotions import EMOTIONS
from ferturb.data.faces import Faces
from ferturb.evaluation.saliency.chosen_faces import analysis_name, chosen_faces
from ferturb.evaluation.saliency.methods import METHODS, as_mass, saliency_maps, silent
from ferturb.evaluation.saliency.parts import PARTS, landmarks_at, parts_of, share_of_parts
from ferturb.evaluation.significance import Interval, percentile_interval, resampled_means
from ferturb.features.landmarks import Landmarks
from ferturb.runs.provenance import describe_data, describe_software
from ferturb.runs.run import Run

Array = np.ndarray
Progress = Callable[[int, int], None]


ANALYSIS = "saliency"
FORMAT = "ferturb-saliency-1"
FACES = 30


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where a model's saliency lies on n faces of a split.

    - ``index``: their places in the split; ``labels``: their emotions, which were explained.
    - ``share``: the share of the mass on each of `PARTS`; ``area``: of the pixels; rows add up
      to 1.
    - ``mean_maps``: the mean saliency of each emotion's faces (7, h, w); nan where it has none.
    """

    method: str
    index: Int64[Array, " n"]
    labels: Int64[Array, " n"]
    share: Float32[Array, "n p"]
    area: Float32[Array, "n p"]
    mean_maps: Float32[Array, "7 h w"]
    record: Mapping[str, Any] = field(default_factory=dict)
    """How it was measured: data, split, seed, …"""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything but method and record, for `Run.store_analysis`."""
        return {name: getattr(self, name) for name in _ARRAYS}


_ARRAYS = ("index", "labels", "share", "area", "mean_maps")


@dataclass(frozen=True)
class Mass:
    """The mass on one part of the faces of one emotion, with intervals over the faces."""

    emotion: str
    """One of `EMOTIONS`, or "all": every face that was looked at, each counting the same."""
    part: str
    n: int
    area: float
    """Mean share of the pixels, 0 … 1."""
    share: Interval
    """Mean share of the mass, 0 … 1."""
    enrichment: Interval
    """Share over area; 1 is what a map that says nothing gives."""


def explain_run(
    run: Run,
    faces: Faces,
    method: str = SALIENCY,
    *,
    n: int = FACES,
    seed: int = 0,
    split: str = "test",
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Explanation:
    """Explain a run's model on up to n faces of each emotion, and keep the outcome with the run.

    `landmarks`, if given, are those of all `faces`; else they are found for the chosen faces. It
    is kept as an analysis called `analysis_name(...)`. Raises `FerturbError` for an unknown
    method or split, no faces, or a model that can't be explained in this way.
    """
    choose("saliency method", method, METHODS)
    started = time.monotonic()
    chosen, index = chosen_faces(faces, split, n, seed)
    model = run.load_model().to(device or torch.device("cpu"))
    raw = saliency_maps(model, chosen.images, chosen.labels, method, seed, on_progress=on_progress)
    parts = parts_of(chosen, landmarks_at(landmarks, faces, split, index))
    maps = as_mass(raw)
    found = Explanation(
        method,
        index.numpy(),
        chosen.labels.numpy(),
        share_of_parts(maps, parts).numpy(),
        share_of_parts(as_mass(torch.ones_like(maps)), parts).numpy(),
        _mean_by_emotion(maps, chosen.labels),
        _record(faces, split, n, seed) | {"method": method, "silent": int(silent(raw).sum())}
        | {"seconds": round(time.monotonic() - started, 1)},
    )  # fmt: skip
    name = analysis_name(run, faces, f"{ANALYSIS}-{method}", split)
    run.store_analysis(name, found.arrays(), found.record)
    return found


def load_explanation(run: Run, name: str) -> Explanation | None:
    """The explanation kept under a name; None without one (or from another version of ferturb)."""
    kept = run.analysis(name)
    if kept is None or kept[1].get("format") != FORMAT:
        return None
    arrays, record = kept
    known: dict[str, Any] = {key: arrays[key] for key in _ARRAYS}
    return Explanation(record["method"], **known, record=record)


def explanations(run: Run) -> dict[str, Explanation]:
    """Every explanation kept with a run, by the name of its analysis."""
    names = [name for name in run.analyses() if name.startswith(f"{ANALYSIS}-")]
    kept = {name: load_explanation(run, name) for name in names}
    return {name: one for name, one in kept.items() if one is not None}


def mass_by_emotion(explanation: Explanation, resamples: int = 2000) -> list[Mass]:
    """Every part of "all" faces, then of each emotion that has faces, with 95 % intervals."""
    found = []
    for emotion in ("all", *EMOTIONS):
        labels = explanation.labels
        of = slice(None) if emotion == "all" else labels == EMOTIONS.index(emotion)
        share, area = explanation.share[of].astype(float), explanation.area[of].astype(float)
        if not len(share):
            continue
        means = resampled_means(np.concatenate([share, area], 1), resamples=resamples)
        shares, areas = means[:, : len(PARTS)], means[:, len(PARTS) :]
        ratio, ratios = _over(share.mean(0), area.mean(0)), _over(shares, areas)
        for i, part in enumerate(PARTS):
            found.append(
                Mass(
                    emotion,
                    part,
                    len(share),
                    float(area[:, i].mean()),
                    percentile_interval(float(share[:, i].mean()), shares[:, i]),
                    percentile_interval(float(ratio[i]), ratios[:, i]),
                )
            )
    return found


def _over(share: Float[Array, "*r p"], area: Float[Array, "*r p"]) -> Float[Array, "*r p"]:
    """share / area; nan where there is no area."""
    out = np.full_like(share, np.nan)
    return np.asarray(np.divide(share, area, out=out, where=area > 0))


def _mean_by_emotion(
    maps: Float[Tensor, "n h w"], labels: Int64[Tensor, " n"]
) -> Float32[Array, "7 h w"]:
    means = np.full((len(EMOTIONS), *maps.shape[1:]), np.nan, np.float32)
    for emotion in set(labels.tolist()):
        means[emotion] = maps[labels == emotion].double().mean(0).float().numpy()
    return means


def _record(faces: Faces, split: str, n: int, seed: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "data": describe_data(faces),
        "split": split,
        "faces_per_emotion": n,
        "seed": seed,
        "parts": list(PARTS),
        "software": describe_software(),
    }
