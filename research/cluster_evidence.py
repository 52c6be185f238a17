"""Do clusters of attention lie on what an emotion is shown by? How much of it each one covers.

The evidence of a face is a map E ≥ 0 that says where its emotion is shown (`planted.py`). Of a
cluster C, a set of pixels,

    coverage  = Σ_C E / Σ E                 the share of the evidence that the cluster covers
    precision = |C ∩ {E > 0}| / |C|         the share of the cluster that is evidence

each the mean over faces. Coverage grows with area, so beside it stand random regions of exactly
the cluster's area (`CONTROLS`).

A map that all faces share is one draw of the method, however many faces look at it: its p-value
says how often one random region, laid on all faces, covers as much (Monte Carlo, two-sided). Where
every face has a map and random regions of its own, it is Student's paired t-test over faces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ferturb.base.config import choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.evaluation.ablation.matrix import ALL, paired_p
from ferturb.evaluation.significance import Interval, bootstrap, holm, percentile_interval
from ferturb.features.random_regions import control_regions, random_regions
from ferturb.perturb.controls import partition_draws, random_partitions

Array = np.ndarray
Control = Callable[[Tensor, int, Tensor, int], Tensor]
"""(maps (m, h, w), cluster, face (m, h, w), seed) -> bool (m, h, w): one region for each map, with
as many pixels as the cluster has there."""

_CHUNK = 500


@dataclass(frozen=True)
class Covered:
    """What one cluster covers of the evidence of one emotion's faces."""

    emotion: str
    """One of the seven, or "all"."""
    cluster: int
    n: int
    """Faces that have evidence."""
    area: float
    """The cluster's share of the image."""
    evidence_area: float
    """The share of the image that is evidence: the precision of a cluster laid down blindly."""
    coverage: Interval
    """Interval over the faces."""
    precision: float
    random: Interval
    """Coverage by random regions. A shared map: the mean and the central 95 % of the draws; a map
    of its own: the interval of the mean over the faces."""
    p: float
    """That the cluster covers what random regions of its area do."""
    p_holm: float = math.nan
    """Corrected over the emotions ("all" is not one of them)."""


def coverage(
    evidence: Float[Tensor, "n h w"], maps: Int64[Tensor, "m h w"], k: int
) -> Float[Tensor, "n k"]:
    """The share of each face's evidence in each cluster; nan where a face has none.

    `maps` is one map for all faces (m = 1) or one for each. Rows add up to one.
    """
    flat = evidence.flatten(1).double()
    labels = _maps_of_all(maps, len(evidence)).flatten(1)
    inside = torch.zeros(len(flat), k, dtype=torch.float64).scatter_add_(1, labels, flat)
    return inside / flat.sum(1, keepdim=True)  # 0 / 0 is nan


def precision(
    evidence: Float[Tensor, "n h w"], maps: Int64[Tensor, "m h w"], k: int
) -> Float[Tensor, "n k"]:
    """The share of each cluster's pixels that are evidence, by face; nan of an empty cluster."""
    labels = _maps_of_all(maps, len(evidence)).flatten(1)
    hits = (evidence.flatten(1) > 0).double()
    zero = torch.zeros(len(hits), k, dtype=torch.float64)
    return zero.scatter_add(1, labels, hits) / zero.scatter_add(1, labels, torch.ones_like(hits))


def random_coverage(
    evidence: Float[Tensor, "n h w"],
    maps: Int64[Tensor, "m h w"],
    cluster: int,
    face: Bool[Tensor, "n h w"],
    control: str,
    draws: int,
    seed: int = 0,
) -> Float[Tensor, "draws n"]:
    """The share of each face's evidence in random regions of a cluster's area, draw by draw.

    With one map for all faces a draw is one region for all, and `face` their mean face (what is
    face in half of them); with a map for each, one region for each.
    """
    draw = choose("control", control, CONTROLS)
    shares = evidence.flatten(1).double()
    shares = shares / shares.sum(1, keepdim=True)
    if len(maps) == 1:
        usual = (face.double().mean(0) >= 0.5)[None]
        parts = []
        for start in range(0, draws, _CHUNK):
            some = min(_CHUNK, draws - start)
            again = (some, *maps.shape[1:])
            region = draw(maps.expand(again), cluster, usual.expand(again), seed + start)
            parts.append(region.flatten(1).double() @ shares.T)
        return torch.cat(parts)
    rows = []
    for k in range(draws):
        region = draw(maps, cluster, face, seed + 2 * k)  # a control may use two seeds
        rows.append((region.flatten(1) * shares).sum(1))
    return torch.stack(rows)


def cluster_evidence(
    evidence: Float[Tensor, "n h w"],
    labels: Int64[Tensor, " n"],
    maps: Int64[Tensor, "m h w"],
    face: Bool[Tensor, "n h w"],
    *,
    cluster: int = 0,
    control: str = "anywhere",
    draws: int = 1000,
    seed: int = 0,
) -> list[Covered]:
    """What one cluster covers, by emotion, then of "all" faces. Faces without evidence are out.

    Raises `FerturbError` for an unknown control, no draws, or maps that are not the faces'.
    """
    if len(maps) not in (1, len(evidence)) or maps.shape[1:] != evidence.shape[1:]:
        raise FerturbError(
            f"cluster_evidence needs one map, or one a face, of the faces' size; got evidence "
            f"{tuple(evidence.shape)} and maps {tuple(maps.shape)}"
        )
    if draws < 1:
        raise FerturbError(f"random regions need at least 1 draw, got {draws}")
    shown = evidence.flatten(1).sum(1) > 0
    evidence, labels, face = evidence[shown], labels[shown], face[shown]
    shared = len(maps) == 1
    maps = maps if shared else maps[shown]
    k = max(int(maps.max()), cluster) + 1
    covered = coverage(evidence, maps, k)[:, cluster].numpy()
    precise = precision(evidence, maps, k)[:, cluster].numpy()
    area = (maps == cluster).double().mean((1, 2)).expand(len(evidence)).numpy()
    hits = (evidence > 0).double().mean((1, 2)).numpy()
    random = random_coverage(evidence, maps, cluster, face, control, draws, seed).numpy()
    found = []
    for emotion in (*EMOTIONS, ALL):
        who = labels.numpy() == EMOTIONS.index(emotion) if emotion != ALL else labels.numpy() >= 0
        if not who.any():
            continue
        interval, p = (_shared if shared else _by_face)(covered[who], random[:, who])
        found.append(
            Covered(
                emotion,
                cluster,
                int(who.sum()),
                float(area[who].mean()),
                float(hits[who].mean()),
                bootstrap(covered[who]),
                float(np.nanmean(precise[who])) if not np.isnan(precise[who]).all() else math.nan,
                interval,
                p,
            )
        )
    tested = [i for i, row in enumerate(found) if row.emotion != ALL and not math.isnan(row.p)]
    for i, p in zip(tested, holm([found[i].p for i in tested]), strict=True):
        found[i] = replace(found[i], p_holm=p)
    return found


def monte_carlo_p(value: float, draws: Float[Array, " r"]) -> float:
    """Two-sided: twice the rarer of "as high" and "as low" among the draws and the value itself.

    >>> monte_carlo_p(5.0, np.array([1.0, 2.0, 3.0, 4.0]))
    0.4
    """
    tail = min(int((draws >= value).sum()), int((draws <= value).sum()))
    return min(1.0, 2 * (1 + tail) / (1 + len(draws)))


def _shared(covered: Float[Array, " n"], random: Float[Array, "draws n"]) -> tuple[Interval, float]:
    means = random.mean(1)
    interval = percentile_interval(float(means.mean()), means)
    return interval, monte_carlo_p(float(covered.mean()), means)


def _by_face(
    covered: Float[Array, " n"], random: Float[Array, "draws n"]
) -> tuple[Interval, float]:
    means = random.mean(0)
    return bootstrap(means), paired_p(covered - means)


def _maps_of_all(maps: Tensor, n: int) -> Tensor:
    return maps.expand(n, -1, -1)


def _anywhere(maps: Tensor, cluster: int, face: Tensor, seed: int) -> Tensor:
    area = (maps == cluster).flatten(1).sum(1)
    return random_regions(area, (maps.shape[1], maps.shape[2]), seed)


def _in_the_face(maps: Tensor, cluster: int, face: Tensor, seed: int) -> Tensor:
    return control_regions(maps == cluster, face, seed)


def _partition(maps: Tensor, cluster: int, face: Tensor, seed: int) -> Tensor:
    k, generator = int(maps.max()) + 1, torch.Generator().manual_seed(seed)
    return random_partitions(maps, k, partition_draws(len(maps), k, generator)) == cluster


CONTROLS: dict[str, Control] = {
    "anywhere": _anywhere,
    "in-the-face": _in_the_face,
    "partition": _partition,
}
"""Random regions of a cluster's area: a blob anywhere in the image; a blob with as many pixels in
the face and as many beside it as the cluster has; the same cluster of a random partition, as
method `random-regions` trains with."""
