"""Which calibration the pretrained models get: `python tools/choose_calibration.py OUT.csv RUN…`.

RUN is a run folder, or FOLDER:AUGMENTATION (else flip). Five-fold cross-validation, five times
over, on the run's validation logits (PublicTest) alone: likelihood, calibration error and accuracy
on the left-out faces with a temperature, and with a temperature and a bias for each emotion.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ferturb.base.storage import write_rows
from ferturb.evaluation.calibration import fit_temperature, fit_temperature_and_bias
from ferturb.evaluation.metrics import accuracy, ece, nll
from ferturb.runs.run import Run

FOLDS, TIMES = 5, 5
Fit = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]
"""(labels, logits) -> temperature and bias."""

KINDS: dict[str, Fit] = {
    "temperature": lambda y, z: (fit_temperature(y, z), np.zeros(z.shape[1])),
    "temperature and bias": fit_temperature_and_bias,
}


def left_out(labels: np.ndarray, logits: np.ndarray, fit: Fit, seed: int) -> np.ndarray:
    """Every face's logits, calibrated on the folds without it."""
    order = np.random.default_rng(seed).permutation(len(labels))
    scaled = np.empty(logits.shape)
    for fold in np.array_split(order, FOLDS):
        others = np.setdiff1d(order, fold)
        temperature, bias = fit(labels[others], logits[others])
        scaled[fold] = logits[fold] / temperature + bias
    return scaled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("run", nargs="+", help="a run folder, or FOLDER:AUGMENTATION")
    options = parser.parse_args()
    rows = []
    for given in options.run:
        folder, _, augmentation = given.partition(":")
        run = Run.open(Path(folder))
        labels, logits = run.logits("validation", augmentation or "flip")
        for kind, fit in KINDS.items():
            found = [left_out(labels, logits, fit, seed) for seed in range(TIMES)]
            row: dict[str, object] = {"run": run.name, "calibration": kind, "n": len(labels)}
            for name, measure in {"nll": nll, "ece": ece, "accuracy": accuracy}.items():
                row[name] = f"{np.mean([measure(labels, z) for z in found]):.4f}"
            rows.append(row)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
