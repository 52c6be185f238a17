"""Judge every saliency method, and ablation, on drawn faces, where the truth is known.

    python -m research.measure_saliency --threads 1

A network is trained on drawn faces, some with holes (`synthetic_networks.py`; minutes), and
explained on others: 40 of each of the six emotions that facial features carry. Two tables:

- `saliency_faithfulness.csv`: how often a method names, or points at, a facial feature that
  carries the face's emotion; its mass on the pixels that the emotion's action units change
  (`research.planted`); areas under the deletion and insertion curves; and, over the faces
  of an emotion, how many planted and other features it names
  (`research.named_features`). The ablation matrix stands beside the methods, and so do
  maps that know nothing: `random` and `centre`.
- `saliency_randomised.csv`: how alike the maps are before and after the weights of the last
  quarter, half and all of the layers are shuffled.

Intervals are 95 %, by bootstrap over faces.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ferturb.base.config import AblationOptions
from ferturb.base.emotions import EMOTIONS
from ferturb.base.pixels import as_input
from ferturb.base.storage import write_rows
from ferturb.data.drawn.action_units import planted_features
from ferturb.data.drawn.synthetic import draw
from ferturb.evaluation.ablation.matrix import matrix, named
from ferturb.evaluation.ablation.measure import ablate
from ferturb.evaluation.chosen_faces import stratified
from ferturb.evaluation.saliency.benchmark import Subjects, score_maps
from ferturb.evaluation.saliency.faithfulness import BASELINES, FEATURES, area_under
from ferturb.evaluation.saliency.methods import METHODS, as_mass, saliency_maps
from ferturb.evaluation.saliency.parts import partition, share_of_parts
from ferturb.evaluation.saliency.randomisation import (
    randomised,
    rank_correlation,
    structural_similarity,
)
from ferturb.evaluation.significance import Interval, bootstrap
from ferturb.features.landmarks import Landmarks, find_landmarks
from ferturb.models.device import prepare_process
from research.named_features import Hits, hits, named_by_ablation, named_by_mass
from research.planted import changed_pixels, mass_on
from research.synthetic_networks import MEASURING_SEED, network

FACES, SANITY_FACES, ABLATED_FACES = 40, 5, 200
"""Of each emotion; the ablation matrix, which asks only for probabilities, can have more."""
SHARES = (0.25, 0.5, 1.0)
"""Of the layers, from the head down, whose weights are shuffled."""
CARRIES = np.array([[f in planted_features()[e] for f in FEATURES] for e in EMOTIONS])
COLUMNS = (
    "method",
    "faces",
    *(f"{name}{end}" for name in ("names", "points") for end in ("", "_low", "_high")),
    *(f"pixel_enrichment{end}" for end in ("", "_low", "_high")),
    "points_at_pixels",
    *(f"{name}{end}" for name in ("deletion", "insertion") for end in ("", "_low", "_high")),
    "emotions_right",
    "emotions_planted",
    "emotions_wrong",
    "emotions_others",
)


@dataclass(frozen=True)
class DrawnSubjects(Subjects):
    """Drawn faces that show an emotion, and the truth about them."""

    landmarks: Landmarks
    pixels: Tensor
    """Bool (n, h, w): what the emotion changes."""

    @property
    def carries(self) -> np.ndarray:
        """Which features carry each face's emotion (n, features)."""
        return np.asarray(CARRIES[self.labels.numpy()])

    @property
    def faces(self) -> Tensor:
        return as_input(self.images)


def subjects(each: int) -> DrawnSubjects:
    drawn = draw(each * len(EMOTIONS), MEASURING_SEED)
    shown = torch.from_numpy(CARRIES.any(1))[drawn.labels]
    index = torch.nonzero(shown).flatten()
    images = drawn.images[index]
    landmarks = find_landmarks(images)
    pixels = changed_pixels(drawn, MEASURING_SEED)[index] > 0
    parts = partition(landmarks.points)
    return DrawnSubjects(images, drawn.labels[index], parts, landmarks, pixels)


def maps_row(
    method: str, maps: Tensor, model: nn.Module, who: DrawnSubjects, seed: int
) -> dict[str, Any]:
    """One saliency method, or maps that know nothing, by every measure."""
    scores = score_maps(maps, model, who, seed=seed)
    carries = np.pad(who.carries, ((0, 0), (0, 1)))  # nothing is planted outside the face
    rows = np.arange(len(carries))
    mass, area = mass_on(maps, who.pixels), who.pixels.double().mean((1, 2))
    parts = share_of_parts(as_mass(torch.ones_like(maps)), who.parts)
    said = named_by_mass(scores["share"], parts.numpy(), who.labels.numpy())
    ratio = torch.stack([mass, area], 1).numpy()
    hit = who.pixels.flatten(1).gather(1, maps.flatten(1).argmax(1, keepdim=True))
    return (
        {"method": method, "faces": len(maps)}
        | interval("names", bootstrap(carries[rows, scores["named"]].astype(float)))
        | interval("points", bootstrap(carries[rows, scores["pointed"]].astype(float)))
        | interval("pixel_enrichment", bootstrap(ratio, lambda m: m[..., 0] / m[..., 1]))
        | {"points_at_pixels": f"{float(hit.double().mean()):.4f}"}
        | interval("deletion", area_of(scores["deletion"]))
        | interval("insertion", area_of(scores["insertion"]))
        | counted(hits(said, CARRIES))
    )


def ablation_row(model: nn.Module, who: DrawnSubjects, seed: int) -> dict[str, Any]:
    """The ablation matrix, of probability, by the same measures where they apply."""
    options = AblationOptions(features=FEATURES, seed=seed)
    measured = ablate(model, who.images, who.labels, who.landmarks, options)
    right = who.carries[np.arange(len(who.labels)), named_by_ablation(measured)]
    return (
        {"method": "ablation matrix", "faces": len(who.labels)}
        | interval("names", bootstrap(right.astype(float)))
        | counted(hits(named(matrix(measured, "probability")), CARRIES))
    )


def chance_row(who: DrawnSubjects) -> dict[str, Any]:
    """A feature, or a pixel, drawn at random; named blindly, each feature with probability 1/2."""
    inside = np.pad(who.carries, ((0, 0), (0, 1)))
    at = np.take_along_axis(inside, who.parts.flatten(1).numpy(), 1).mean()
    return {
        "method": "drawn at random",
        "faces": len(who.labels),
        "names": f"{who.carries.mean():.4f}",
        "points": f"{at:.4f}",
        "pixel_enrichment": "1",
        "points_at_pixels": f"{float(who.pixels.double().mean()):.4f}",
    }


def sanity_rows(
    method: str, maps: Tensor, model: nn.Module, who: DrawnSubjects, some: Tensor, seed: int
) -> Iterator[dict[str, Any]]:
    """The maps of some faces beside those of the model with shuffled weights."""
    for share in SHARES:
        fresh = randomised(model, who.faces[some], seed, share)
        again = as_mass(saliency_maps(fresh, who.images[some], who.labels[some], method, seed))
        correlation = rank_correlation(maps[some], again)
        correlation = correlation[~np.isnan(correlation)]  # a map may be the same everywhere
        yield (
            {"method": method, "layers": share, "faces": len(some)}
            | {"constant": len(some) - len(correlation)}
            | (interval("rank_correlation", bootstrap(correlation)) if len(correlation) else {})
            | interval("ssim", bootstrap(structural_similarity(maps[some], again)))
        )


def interval(name: str, value: Interval) -> dict[str, str]:
    values = (value.estimate, value.low, value.high)
    return {
        f"{name}{end}": f"{v:.4f}" for end, v in zip(("", "_low", "_high"), values, strict=True)
    }


def counted(found: Hits) -> dict[str, int]:
    return {
        "emotions_right": found.right,
        "emotions_planted": found.planted,
        "emotions_wrong": found.wrong,
        "emotions_others": found.others,
    }


def area_of(curve: np.ndarray) -> Interval:
    return bootstrap(area_under(torch.from_numpy(curve).double()).numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=Path, default=Path("runs/synthetic"))
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--faces", type=int, default=FACES, help="of each emotion")
    parser.add_argument("--ablated", type=int, default=ABLATED_FACES, help="of each emotion")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    prepare_process("cpu", arguments.threads)
    seed = arguments.seed
    model = network(arguments.networks, seed, holes=True).eval()
    who = subjects(arguments.faces)
    with torch.no_grad():
        said = torch.cat([model(part).argmax(1) for part in who.faces.split(128)])
    print(f"accuracy on these faces: {float((said == who.labels).double().mean()):.4f}")
    some = stratified(who.labels, SANITY_FACES, seed)
    faithful, sanity = [], []
    for method in (*METHODS, *BASELINES):
        begun = time.process_time()
        if method in BASELINES:
            maps = as_mass(BASELINES[method](who.faces, seed))
        else:
            maps = as_mass(saliency_maps(model, who.images, who.labels, method, seed))
            sanity += sanity_rows(method, maps, model, who, some, seed)
        faithful.append(maps_row(method, maps, model, who, seed))
        print(f"{method}: {time.process_time() - begun:.0f} s", file=sys.stderr, flush=True)
    faithful.append(ablation_row(model, subjects(arguments.ablated), seed))
    faithful.append(chance_row(who))
    write_rows(arguments.out / "saliency_faithfulness.csv", faithful, COLUMNS)
    ends = ("", "_low", "_high")
    measures = [f"{name}{end}" for name in ("rank_correlation", "ssim") for end in ends]
    columns = ["method", "layers", "faces", "constant", *measures]
    write_rows(arguments.out / "saliency_randomised.csv", sanity, columns)


if __name__ == "__main__":
    main()
