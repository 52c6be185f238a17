"""How much of what an emotion is shown by do the clusters of attention cover?

    python -m research.measure_cluster_evidence --threads 1

On drawn faces it is known where an emotion is shown (`research.planted`). Attention
classifiers (phase 1 of the Perturb Scheme) are trained on drawn faces, one a seed, and the
clusters of their attention (K = 3), one map for all faces (as in an epoch) and one for each face,
are laid on other faces, 60 of each emotion. The most attended cluster is compared with random
regions of its area (`research.cluster_evidence`).

`cluster_evidence.csv` has a row for each seed, scope, kind of evidence, emotion and cluster (0 is
the most attended); the random regions and p-values are beside cluster 0. The picture shows the
first seed's clusters and the table's means.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ferturb.base.config import METHOD_PRESETS, MethodConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.pixels import as_input
from ferturb.base.seeds import generator_of
from ferturb.base.storage import write_bytes, write_rows
from ferturb.data.drawn.synthetic import draw, synthetic_faces
from ferturb.models.classifier import Classifier
from ferturb.models.device import prepare_process
from ferturb.perturb.cluster_maps import AttentionClusters
from ferturb.perturb.cluster_views import ClusterViews
from research.cluster_evidence import CONTROLS, Covered, cluster_evidence
from research.evidence_figure import cluster_evidence_figure
from research.planted import carrying_regions, changed_pixels
from research.synthetic_networks import MEASURING_SEED, TRAINING_SEED, network

CLUSTERS, FACES = 3, 60
TRAINED_ON, EPOCHS = 7000, 12
SHARED_DRAWS, FACE_DRAWS = 2000, 20
"""Random regions: for all faces together, and of each face."""
SCOPES = ("shared", "face")
COLUMNS = (
    "seed",
    "accuracy",
    "scope",
    "evidence",
    "emotion",
    "cluster",
    "faces",
    "area",
    "evidence_area",
    "coverage",
    "coverage_low",
    "coverage_high",
    "precision",
    *(f"{c}{end}" for c in CONTROLS for end in ("", "_low", "_high", "_p", "_p_holm")),
)


@dataclass(frozen=True)
class Subjects:
    """Drawn faces that show an emotion, and where they show it."""

    images: Tensor
    labels: Tensor
    face: Tensor
    evidence: dict[str, Tensor]
    """Kind of evidence -> (n, h, w), 0 or more."""

    @property
    def faces(self) -> Tensor:
        return as_input(self.images)


@dataclass(frozen=True)
class Attended:
    """What one attention classifier attends to; cluster 0 is the most attended."""

    accuracy: float
    attention: Tensor
    shared: Tensor
    """Cluster map (1, h, w)."""
    own: Tensor
    """Cluster maps (n, h, w)."""

    def maps(self, scope: str) -> Tensor:
        return {"shared": self.shared, "face": self.own}[scope]


def subjects(each: int) -> Subjects:
    drawn = draw(each * len(EMOTIONS), MEASURING_SEED)
    evidence = {
        "regions": carrying_regions(drawn).float(),
        "pixels": changed_pixels(drawn, MEASURING_SEED),
    }
    shown = evidence["regions"].flatten(1).any(1)
    kept = {kind: maps[shown] for kind, maps in evidence.items()}
    return Subjects(drawn.images[shown], drawn.labels[shown], drawn.regions["face"][shown], kept)


def attended(
    attention: Classifier, config: MethodConfig, training: Tensor, who: Subjects, seed: int
) -> Attended:
    """The shared map of a first epoch from training faces, and the maps of these faces."""
    views = ClusterViews(config, AttentionClusters(config, attention), training)
    views.start_epoch(1, generator_of(seed, 1, "clusters"))
    shared = views.cluster_map
    find = AttentionClusters(replace(config, scope="face"), attention, shared)
    parts = who.faces.split(64)
    with torch.no_grad():
        said = torch.cat([attention(part).argmax(1) for part in parts])
        values = torch.cat([attention.attention_maps(part) for part in parts])
    own = torch.cat([find(part) for part in parts])
    right = float((said == who.labels).double().mean())
    return Attended(right, values, shared[None], own)


def rows_of(seed: int, found: Attended, who: Subjects) -> Iterable[dict[str, Any]]:
    """The table's rows of one seed; the least attended clusters without random regions."""
    for scope, (kind, evidence), cluster in product(SCOPES, who.evidence.items(), range(CLUSTERS)):
        draws = (SHARED_DRAWS if scope == "shared" else FACE_DRAWS) if cluster == 0 else 1
        by_control = {
            control: cluster_evidence(
                evidence,
                who.labels,
                found.maps(scope),
                who.face,
                cluster=cluster,
                control=control,
                draws=draws,
                seed=seed,
            )
            for control in (CONTROLS if cluster == 0 else tuple(CONTROLS)[:1])
        }
        for together in zip(*by_control.values(), strict=True):
            row = {"seed": seed, "accuracy": f"{found.accuracy:.4f}", "scope": scope}
            row |= {"evidence": kind} | _cells(together[0])
            if cluster == 0:
                for control, one in zip(by_control, together, strict=True):
                    row |= _control_cells(control, one)
            yield row


def _cells(c: Covered) -> dict[str, Any]:
    return {
        "emotion": c.emotion,
        "cluster": c.cluster,
        "faces": c.n,
        "area": f"{c.area:.4f}",
        "evidence_area": f"{c.evidence_area:.4f}",
        "coverage": f"{c.coverage.estimate:.4f}",
        "coverage_low": f"{c.coverage.low:.4f}",
        "coverage_high": f"{c.coverage.high:.4f}",
        "precision": f"{c.precision:.4f}",
    }


def _control_cells(control: str, c: Covered) -> dict[str, str]:
    return {
        control: f"{c.random.estimate:.4f}",
        f"{control}_low": f"{c.random.low:.4f}",
        f"{control}_high": f"{c.random.high:.4f}",
        f"{control}_p": f"{c.p:.2g}",
        f"{control}_p_holm": "" if math.isnan(c.p_holm) else f"{c.p_holm:.2g}",
    }


def picture(rows: Sequence[Mapping[str, Any]], found: Attended, who: Subjects) -> bytes:
    """The face of each emotion that shows most, and the means of the table over seeds."""
    pixels = who.evidence["pixels"]
    emotions = [EMOTIONS[label] for label in sorted(set(who.labels.tolist()))]
    index = []
    for emotion in emotions:
        shown = pixels.flatten(1).sum(1) * (who.labels == EMOTIONS.index(emotion))
        index.append(int(shown.argmax()))
    means = {}
    for scope in SCOPES:
        own = [r for r in rows if (r["scope"], r["evidence"], r["cluster"]) == (scope, "pixels", 0)]
        for name in ("coverage", *CONTROLS):
            means[scope, name] = np.array(
                [[float(r[name]) for r in own if r["emotion"] == e] for e in emotions]
            )
    shared = found.shared.expand(len(index), -1, -1)
    return cluster_evidence_figure(
        who.images[index].numpy(),
        emotions,
        pixels[index].numpy(),
        found.attention[index].numpy(),
        {"shared": shared.numpy(), "face": found.own[index].numpy()},
        means,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=Path, default=Path("runs/synthetic"))
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--image", type=Path, default=Path("docs/img/cluster_evidence.png"))
    parser.add_argument("--faces", type=int, default=FACES, help="of each emotion")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    prepare_process("cpu", arguments.threads)
    config = replace(METHOD_PRESETS["perturb"], clusters=CLUSTERS, left_out_cluster="most-attended")
    training = synthetic_faces(TRAINED_ON, seed=TRAINING_SEED).split("train").images
    who, rows, first = subjects(arguments.faces), [], None
    for seed in arguments.seeds:
        attention = network(
            arguments.networks, seed, attention=True, faces=TRAINED_ON, epochs=EPOCHS
        ).eval()
        found = attended(attention, config, training, who, seed)
        first = first or found
        rows += rows_of(seed, found, who)
        print(f"seed {seed}: accuracy {found.accuracy:.4f}", flush=True)
    write_rows(arguments.out / "cluster_evidence.csv", rows, COLUMNS)
    assert first is not None
    write_bytes(arguments.image, picture(rows, first, who))


if __name__ == "__main__":
    main()
