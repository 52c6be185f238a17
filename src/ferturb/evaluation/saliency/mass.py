"""Mass per facial feature: which part of the face a model's saliency lies on, by emotion.

Each face is divided into `PARTS`, so that the shares of the mass add up to one. Features differ in
area, and a map that says nothing gives each its area's share; so beside the *share* stands the
*enrichment*: share of the mass over share of the area, 1 where a feature gets no more than its
pixels are due. An enrichment over several faces is their mean share over their mean area.

The quantity explained is the labelled emotion, whether or not the model gets the face right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from ferturb.base.config import SaliencyOptions, choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.tabular import Rows, Tabular
from ferturb.data.faces import Faces
from ferturb.evaluation.chosen_faces import chosen_faces, landmarks_at, name_of
from ferturb.evaluation.metrics import ratio
from ferturb.evaluation.saliency.methods import METHODS, as_mass, saliency_maps, silent
from ferturb.evaluation.saliency.parts import PARTS, parts_of, share_of_parts
from ferturb.evaluation.significance import Interval, percentile_interval, resampled_means
from ferturb.features.landmarks import Landmarks
from ferturb.runs.analyses import Stored
from ferturb.runs.provenance import describe_analysis
from ferturb.runs.run import Run

Array = np.ndarray
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Explanation(Stored, Tabular):
    """Where a model's saliency lies on n faces of a split.

    - ``index``: their places in the split; ``labels``: their emotions, which were explained.
    - ``share``: the share of the mass on each of `PARTS`; ``area``: of the pixels; rows add up
      to 1.
    - ``mean_maps``: the mean saliency of each emotion's faces (7, h, w); nan where it has none.
    """

    KIND: ClassVar[str] = "saliency"
    FORMAT: ClassVar[str] = "ferturb-saliency-1"
    method: str
    index: Int64[Array, " n"]
    labels: Int64[Array, " n"]
    share: Float32[Array, "n p"]
    area: Float32[Array, "n p"]
    mean_maps: Float32[Array, "7 h w"]
    record: Mapping[str, Any] = field(default_factory=dict)
    """How it was measured: data, split, seed, …"""

    def records(self) -> Iterator[Mapping[str, Any]]:
        """A row a face and part; `face` is its place in the split."""
        for face, label, shares, areas in zip(
            self.index.tolist(), self.labels.tolist(), self.share, self.area, strict=True
        ):
            about = {"method": self.method, "face": face, "emotion": EMOTIONS[label]}
            for part, share, area in zip(PARTS, shares.tolist(), areas.tolist(), strict=True):
                yield about | {"part": part, "share": share, "area": area}


@dataclass(frozen=True)
class Mass(Tabular):
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


def explain(
    model: nn.Module,
    faces: Faces,
    options: SaliencyOptions = SaliencyOptions(),
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Explanation:
    """Explain any model on some faces of each emotion.

    `landmarks`, if given, are those of all `faces`; else they are found for the chosen faces.
    Raises `FerturbError` for an unknown method or split, no faces, or a model that can't be
    explained in this way.
    """
    method, split = options.method, options.split
    choose("saliency method", method, METHODS)
    started = time.monotonic()
    chosen, index = chosen_faces(faces, split, options.faces, options.seed)
    model = model.to(device or torch.device("cpu"))
    images, labels = chosen.images, chosen.labels
    raw = saliency_maps(model, images, labels, method, options.seed, on_progress=on_progress)
    parts = parts_of(chosen, landmarks_at(landmarks, faces, split, index))
    maps = as_mass(raw)
    return Explanation(
        method,
        index.numpy(),
        labels.numpy(),
        share_of_parts(maps, parts).numpy(),
        share_of_parts(as_mass(torch.ones_like(maps)), parts).numpy(),
        _mean_by_emotion(maps, labels),
        describe_analysis(faces, started)
        | {
            "method": method,
            "split": split,
            "faces_per_emotion": options.faces,
            "seed": options.seed,
            "parts": list(PARTS),
            "silent": int(silent(raw).sum()),
        },
    )


def explain_run(
    run: Run,
    faces: Faces,
    options: SaliencyOptions = SaliencyOptions(),
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Explanation:
    """`explain` a finished run's model, and keep the outcome with the run.

    It is kept as "saliency-METHOD", with the split and the faces where they are not as usual.
    Raises `FerturbError` as `explain` does, and for a run that is not finished.
    """
    model = run.require_done().load_model()
    found = explain(model, faces, options, landmarks, device, on_progress)
    base = f"{Explanation.KIND}-{options.method}"
    found.store(run, name_of(run, faces, base, options.split))
    return found


def mass_by_emotion(explanation: Explanation, resamples: int = 2000) -> Rows[Mass]:
    """Every part of "all" faces, then of each emotion that has faces, with 95 % intervals."""
    found: Rows[Mass] = Rows()
    for emotion in ("all", *EMOTIONS):
        labels = explanation.labels
        of = slice(None) if emotion == "all" else labels == EMOTIONS.index(emotion)
        share, area = explanation.share[of].astype(float), explanation.area[of].astype(float)
        if not len(share):
            continue
        means = resampled_means(np.concatenate([share, area], 1), resamples=resamples)
        shares, areas = means[:, : len(PARTS)], means[:, len(PARTS) :]
        enriched, draws = ratio(share.mean(0), area.mean(0)), ratio(shares, areas)
        for i, part in enumerate(PARTS):
            found.append(
                Mass(
                    emotion,
                    part,
                    len(share),
                    float(area[:, i].mean()),
                    percentile_interval(float(share[:, i].mean()), shares[:, i]),
                    percentile_interval(float(enriched[i]), draws[:, i]),
                )
            )
    return found


def _mean_by_emotion(
    maps: Float[Tensor, "n h w"], labels: Int64[Tensor, " n"]
) -> Float32[Array, "7 h w"]:
    means = np.full((len(EMOTIONS), *maps.shape[1:]), np.nan, np.float32)
    for emotion in set(labels.tolist()):
        means[emotion] = maps[labels == emotion].double().mean(0).float().numpy()
    return means
