"""Measure the landmark network in the package on PrivateTest, and write the tables in `results/`.

    FERTURB_DATA=folder python tools/measure_landmarks.py --threads 2

The folder holds `fer2013.zip` and `fer2013_landmarks.npz`. Measured are the faces whose labels
can be trusted (score above 0.9, spread below 1 px):

- as they are, rolled by up to 60° to either side, under a crude synthetic mask and with one eye
  hidden by an ellipse: the same kinds of change as in training, on other faces and with other
  numbers drawn;
- as training never saw them: wearing the face masks of `ferturb.features.masks.wear`, drawn on the
  labels' own points, and without the region of one eye (`ferturb.features.regions`, from the
  labels too), filled with the mean of what is left; each upright and rolled by up to 60°.

Three tables:

- `landmarks.csv`: the error of the inner points (iBUG's 68 without the jaw), in pixels of a
  48×48 face: over all points, and over faces (each face's mean).
- `landmarks_risk_coverage.csv`: the error of the faces that remain when the least trusted are
  set aside, and how often they are right (mean error below 2 px).
- `landmarks_calibration.csv`: faces by confidence, and how many of them are right.

`--speed` finds the landmarks of every face of FER2013 instead and writes `landmarks_speed.csv`.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from landmark_data import CONDITIONS, RIGHT_WITHIN, Labelled, load, moved, under
from torch import Tensor

from ferturb.base.config import DatasetConfig
from ferturb.base.pixels import as_images, as_input
from ferturb.base.storage import write_text
from ferturb.data.sources import load_faces
from ferturb.features.landmarks import find_landmarks
from ferturb.features.masks.wear import FACE_MASKS, wear
from ferturb.features.points import INNER
from ferturb.features.regions import regions
from ferturb.features.removal import remove

COVERAGES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


def masked(data: Labelled, kind: str, seed: int) -> Labelled:
    """The faces wearing a face mask, drawn on the labels."""
    return replace(data, images=wear(data.images, data.points, kind, seed).images)


def without_an_eye(data: Labelled, seed: int) -> Labelled:
    """The faces without the region of one eye, by lot the left or the right."""
    found = regions(data.points, features=("left_eye", "right_eye"))
    lot = torch.rand(len(data.images), generator=torch.Generator().manual_seed(seed)) < 0.5
    hole = torch.where(lot[:, None, None], found["left_eye"], found["right_eye"])
    return replace(data, images=as_images(remove(as_input(data.images), ~hole, "mean")))


def rolled(data: Labelled, seed: int) -> Labelled:
    """The faces rolled by up to 60° to either side."""
    lot = torch.rand(len(data.images), generator=torch.Generator().manual_seed(seed))
    faces, points = moved(as_input(data.images), data.points, math.radians(60) * (2 * lot - 1))
    return replace(data, images=as_images(faces), points=points)


UNSEEN: dict[str, Callable[[Labelled, int], Labelled]] = {
    "drawn mask": lambda data, seed: masked(data, "mixed", seed),
    **{
        f"drawn mask, {kind}": lambda data, seed, kind=kind: masked(data, kind, seed)
        for kind in FACE_MASKS
    },
    "eye left out": without_an_eye,
    "drawn mask, rolled": lambda data, seed: rolled(masked(data, "mixed", seed), seed + 50),
    "eye left out, rolled": lambda data, seed: rolled(without_an_eye(data, seed), seed + 50),
}
"""What training never showed: (faces, seed) -> the faces so changed, and where their points are."""
POOLED = tuple(condition for condition in UNSEEN if "," not in condition or "rolled" in condition)
"""Those that count as one group: every kind of mask is in "drawn mask"."""

TARGETS = dict.fromkeys(CONDITIONS, "median <= 1.6")
TARGETS |= dict.fromkeys(("drawn mask", "eye left out"), "median <= 1.6")
TARGETS[CONDITIONS[0]] = "median <= 1.0, p90 <= 2.0"


@dataclass
class Measured:
    condition: str
    distances: Tensor
    """(faces, inner points), pixels."""
    confidence: Tensor
    mean_shapes: int

    @property
    def error(self) -> Tensor:
        return self.distances.mean(1)


def measure(condition: str, data: Labelled, seed: int) -> Measured:
    if condition in UNSEEN:
        changed = UNSEEN[condition](data, seed)
        images, labels = changed.images, changed.points
    else:
        images, labels = under(condition, data, seed)
    found = find_landmarks(images)
    distances = (found.points - labels)[:, list(INNER)].norm(dim=2)
    return Measured(condition, distances, found.confidence, found.source.count("mean shape"))


def together(name: str, parts: Sequence[Measured]) -> Measured:
    return Measured(
        name,
        torch.cat([m.distances for m in parts]),
        torch.cat([m.confidence for m in parts]),
        sum(m.mean_shapes for m in parts),
    )


def percentile(values: Tensor, share: float) -> float:
    """Between the two nearest values; unlike torch.quantile for any number of values."""
    ordered = values.flatten().double().sort().values
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(torch.lerp(ordered[low], ordered[high], place - low))


def error_row(m: Measured) -> list[object]:
    return [
        m.condition,
        len(m.error),
        *(f"{percentile(m.distances, q):.3f}" for q in (0.5, 0.9)),
        f"{float(m.distances.mean()):.3f}",
        *(f"{percentile(m.error, q):.3f}" for q in (0.5, 0.9)),
        f"{float((m.error < RIGHT_WITHIN).double().mean()):.4f}",
        f"{float(m.confidence.mean()):.4f}",
        m.mean_shapes,
        TARGETS.get(m.condition, ""),
    ]


def risk_rows(m: Measured) -> Iterable[list[object]]:
    order = m.confidence.argsort(descending=True, stable=True)
    error, confidence = m.error[order], m.confidence[order]
    best = m.error.sort().values
    for coverage in COVERAGES:
        n = max(1, round(coverage * len(error)))
        yield [
            m.condition,
            coverage,
            n,
            f"{float(confidence[n - 1]):.4f}",
            f"{float(error[:n].mean()):.3f}",
            f"{percentile(error[:n], 0.9):.3f}",
            f"{float((error[:n] < RIGHT_WITHIN).double().mean()):.4f}",
            f"{float(best[:n].mean()):.3f}",
        ]


def calibration_rows(m: Measured) -> Iterable[list[object]]:
    for i in range(10):
        low, high = i / 10, (i + 1) / 10
        here = (m.confidence >= low) & ((m.confidence < high) | (i == 9))
        n = int(here.sum())
        right = f"{float((m.error[here] < RIGHT_WITHIN).double().mean()):.4f}" if n else ""
        said = f"{float(m.confidence[here].mean()):.4f}" if n else ""
        yield [m.condition, f"{low:.1f}-{high:.1f}", n, said, right]


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())
    print(f"{path}\n{text.getvalue()}")


def speed(data: Path, threads: int) -> list[object]:
    faces = load_faces(DatasetConfig(source=str(data / "fer2013.zip")))
    find_landmarks(faces.images[:64])
    begun, processor = time.perf_counter(), time.process_time()
    found = find_landmarks(faces.images)
    seconds = time.perf_counter() - begun
    spent = time.process_time() - processor
    rate = f"{len(found) / seconds:.0f}"
    lost = found.source.count("mean shape")
    return [len(found), threads, f"{seconds:.1f}", f"{spent:.1f}", rate, lost]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("FERTURB_DATA", "."))
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--split", default="test", help="PublicTest is `validation`")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--speed", action="store_true", help="time all faces instead")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.speed:
        write(
            arguments.out / "landmarks_speed.csv",
            ["faces", "threads", "seconds", "cpu_seconds", "faces_per_second", "mean_shapes"],
            [speed(arguments.data, arguments.threads)],
        )
        return
    data = load(arguments.data, arguments.split).trusted()
    names = (*CONDITIONS, *UNSEEN)
    measured = {c: measure(c, data, arguments.seed + i) for i, c in enumerate(names)}
    groups = [
        together("all four", [measured[c] for c in CONDITIONS]),
        together("unseen in training", [measured[c] for c in POOLED]),
    ]
    write(
        arguments.out / "landmarks.csv",
        [
            "condition",
            "faces",
            "median_px",
            "p90_px",
            "mean_px",
            "face_median_px",
            "face_p90_px",
            "share_right",
            "mean_confidence",
            "mean_shapes",
            "target",
        ],
        [error_row(m) for m in measured.values()],
    )
    write(
        arguments.out / "landmarks_risk_coverage.csv",
        [
            "condition",
            "coverage",
            "faces",
            "least_confidence",
            "mean_error_px",
            "p90_error_px",
            "share_right",
            "best_possible_px",
        ],
        [
            row
            for m in (*(measured[c] for c in (*CONDITIONS, *POOLED)), *groups)
            for row in risk_rows(m)
        ],
    )
    write(
        arguments.out / "landmarks_calibration.csv",
        ["condition", "confidence", "faces", "mean_confidence", "share_right"],
        [row for m in groups for row in calibration_rows(m)],
    )


if __name__ == "__main__":
    main()
