"""Recompute the tables of the documentation from stored logits per face.

    python -m research.recompute

Says of every table in results/ that is about what networks got right how many of its cells were
recomputed, and which differ; and which tables have no logits. Cells agree when they are apart by no
more than their rounding and one face (float16 may turn a tie); a mean over emotions by one of the
rarest. PrivateTest's logits are read, to confirm what is published; nothing is chosen. Exits with 1
where a cell differs.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from ferturb.base.emotions import EMOTIONS
from ferturb.base.tensors import load_tensors
from ferturb.evaluation.metrics import Metrics, summary
from ferturb.evaluation.significance import bootstrap
from ferturb.predict.shipped import FOLDER, About
from ferturb.runs.packed import read_packed
from ferturb.study.arms import EXPERIMENTS
from research.readings import MEASURES, SPLITS, readings

RESULTS = Path(__file__).parents[1] / "results"
LACKING = {
    "fer2013_ensemble_validation.json": "three runs, of which *clean* is shipped",
    "fer2013_ensemble_test.json": "three runs, of which *clean* is shipped",
    "perturb_controls.csv": "the runs of `ferturb study controls`",
    "perturb_architectures.csv": "runs of four networks",
    "masks_cells.csv": "the runs of `ferturb study masks`, on two kinds of faces",
    "masks_changes.csv": "the runs of `ferturb study masks`, on two kinds of faces",
    "masks_table1.csv": "the runs of `ferturb study masks`, on two kinds of faces",
    "ablation_cells.csv": "*clean* on faces without a feature",
    "retrained_cells.csv": "runs without a feature",
    "cited_systems.csv": "the runs of `tools/cited_systems.py`",
    "genetic_search.csv": "the trials of a search",
    "calibration.csv": "three runs, uncalibrated",
    "onnx_parity.csv": "exported files",
    "priors.csv": "what ships, by prior",
    "abstention.csv": "what ships, on noise and hidden faces",
    "drawn_and_real.csv": "twelve networks, on lists of faces that may not be given away",
    "drawn_and_real_correlation.csv": "the same",
    "hidden_really.csv": "what ships, on lists of faces that may not be given away",
}
"""Tables of which no logits are stored -> whose they would be."""
MOVED = 3
"""Faces that may be on the other side of a confidence (a bin's, or the threshold of an answer): a
card is of its run's logits, in bfloat16, and what ships has float16 weights and computes in
float32."""


@dataclass(frozen=True)
class Cell:
    """One number of a table, and what the logits say."""

    name: str
    published: str
    found: float
    face: float
    """How much one face is."""

    @property
    def agrees(self) -> bool:
        """Whether it is the same but for rounding and one face."""
        digits = len(self.published.partition(".")[2])
        rounding = 0.5 * 10.0**-digits
        return bool(abs(float(self.published) - self.found) <= rounding + self.face + 1e-9)


def full_size(results: Path) -> Iterator[Cell]:
    """PublicTest by epoch, of the epochs whose logits were kept."""
    labels = _labels(results)
    for row in _rows(results / "full_size.csv"):
        name = "{network}-{arm}-s{seed}".format(**row)
        path = results / "logits" / "full_size" / f"{name}-epoch{int(row['epoch']):03d}.npz"
        if not path.exists():
            continue
        arrays = _arrays(path)
        for reading, column in (("whole", "publictest"), ("summed", "publictest_summed")):
            if f"validation_{reading}" in arrays:
                found = _summary(labels, arrays[f"validation_{reading}"])
                named = {"accuracy": found.accuracy, "macro_recall": found.balanced_accuracy}
                for measure, value in named.items():
                    where, cell = f"{name} epoch {row['epoch']}", f"{column}_{measure}"
                    face = 100 * one_face(measure, labels)
                    yield Cell(f"{where} {cell}", row[cell], 100 * value, face)


def runs(results: Path) -> Iterator[Cell]:
    """The runs on the real faces that were packed into results/logits/runs."""
    for row in _rows(results / "fer2013_runs.csv"):
        path = results / "logits" / "runs" / f"{row['run']}.npz"
        if not path.exists():
            continue
        arrays = read_packed(path).logits
        for split in ("validation", "test"):
            for augmentation in ("none", "flip"):
                column = f"{split}_{augmentation}"
                if column not in arrays or not row.get(f"{column}_accuracy"):
                    continue
                labels = arrays[f"labels_{split}"]
                found = _summary(labels, arrays[column])
                named = {"accuracy": found.accuracy, "macro_f1": found.macro_f1}
                for measure, value in named.items():
                    name = f"{column}_{measure}"
                    face = one_face(measure, labels)
                    yield Cell(f"{row['run']} {name}", row[name], value, face)


def pretrained(results: Path) -> Iterator[Cell]:
    """The label heads of the shipped models on whole faces, with their intervals over faces."""
    for row in _rows(results / "pretrained_hidden.csv"):
        path = results / "logits" / "shipped" / f"{row['model']}.npz"
        if row["faces"] != "whole" or row["by"] != "labels" or not path.exists():
            continue
        arrays = _arrays(path)
        labels = arrays["labels_test"].astype(np.int64)
        right = (arrays[_label_logits(arrays)].argmax(1) == labels).astype(np.float64)
        found = bootstrap(right[:, None])
        for column, value in zip(
            ("accuracy", "low", "high"), (found.estimate, found.low, found.high), strict=True
        ):
            yield Cell(f"{row['model']} {column}", row[column], 100 * value, 100 / len(labels))


def _label_logits(arrays: Mapping[str, np.ndarray]) -> str:
    """The name of what a shipped model says of FER2013's labels."""
    own = "label_test_calibrated"
    return own if own in arrays else "test_calibrated"


def cards(results: Path) -> Iterator[Cell]:
    """What the shipped models' files say of PrivateTest (docs/models.md)."""
    for path in sorted((results / "logits" / "shipped").glob("*.npz")):
        weights = FOLDER / f"{path.stem}.safetensors"
        about, arrays = About.from_dict(load_tensors(weights)[1], weights), _arrays(path)
        about, labels = about.of("label"), arrays["labels_test"].astype(np.int64)
        logits = arrays[_label_logits(arrays)].astype(np.float64)
        found = _summary(labels, logits)
        sure = np.exp(logits.max(1)) >= about.abstain_below
        named = {"accuracy": found.accuracy, "macro_f1": found.macro_f1, "ece": found.ece}
        named["answered"] = float(sure.mean())
        named["right_when_answered"] = float((logits.argmax(1) == labels)[sure].mean())
        for measure, value in named.items():
            cell = str(about.results[measure])
            face = one_face(measure, labels[sure] if measure == "right_when_answered" else labels)
            moved = MOVED if measure in ("ece", "right_when_answered") else 1
            yield Cell(f"{path.stem} {measure}", cell, value, moved * face)


def experiment(name: str, table: str) -> Callable[[Path], Iterator[Cell]]:
    """A table of an experiment, from its kept trainings."""

    def cells(results: Path) -> Iterator[Cell]:
        path = results / f"{table}.csv"
        kept = results / ("rivals" if name == "rivals" else "leaving_out")
        rows = _rows(path) if path.exists() else []
        looked_at = any(row.get("privatetest_accuracy") for row in rows)
        splits = ["validation", "test"] if looked_at else ["validation"]
        found = readings(EXPERIMENTS[name], [kept], splits)
        known = {_place(reading.row()): reading for reading in found}
        for row in rows:
            reading = known.get(_place(row))
            for split, measure in product(splits, MEASURES):
                column = f"{SPLITS[split]}_{measure}"
                if reading is not None and column in reading.scores:
                    face = 100 * one_face(measure, reading.training.logits[f"labels_{split}"])
                    where = f"{_place(row)} {column}"
                    yield Cell(where, row[column], reading.scores[column], face)

    return cells


TABLES: dict[str, Callable[[Path], Iterator[Cell]]] = {
    "full_size.csv": full_size,
    "fer2013_runs.csv": runs,
    "pretrained_hidden.csv": pretrained,
    "the models' cards": cards,
    "leaving_out.csv": experiment("leaving-out", "leaving_out"),
    "leaving_out_landmarks.csv": experiment("landmarks", "leaving_out_landmarks"),
    "clusters_k.csv": experiment("clusters", "clusters_k"),
    "rivals.csv": experiment("rivals", "rivals"),
    "forms.csv": experiment("forms", "forms"),
    "precision.csv": experiment("precision", "precision"),
}
"""Table -> its cells that logits are stored for."""


def report(results: Path) -> tuple[list[str], list[Cell]]:
    """A line for each table, and the cells that differ."""
    lines, wrong = [], []
    for table, cells in TABLES.items():
        found = list(cells(results))
        differ = [cell for cell in found if not cell.agrees]
        said = f"{len(found)} cells recomputed, {len(differ)} differ" if found else "no logits yet"
        lines.append(f"{table}: {said}")
        wrong += differ
    lines += [f"{table}: no logits are stored ({whose})" for table, whose in LACKING.items()]
    return lines, wrong


def one_face(measure: str, labels: np.ndarray) -> float:
    """What a face is to a measure, 0 … 1: to a mean over emotions, one of the rarest emotion."""
    if measure.startswith("macro"):
        return 1 / (len(EMOTIONS) * int(np.bincount(labels.astype(np.int64)).min()))
    return 1 / len(labels)


def _place(row: Mapping[str, object]) -> tuple[str, ...]:
    keys = ("cell", "arm", "replicate", "reading", "learning_rate", "mirror_weight")
    return tuple(str(row[key]) for key in keys)


def _labels(results: Path) -> np.ndarray:
    """FER2013's PublicTest labels, which every kept training has."""
    for path in sorted((results / "leaving_out").glob("*.npz")):
        return np.asarray(_arrays(path)["labels_validation"]).astype(np.int64)
    return np.zeros(0, np.int64)


def _summary(labels: np.ndarray, logits: np.ndarray) -> Metrics:
    return summary(labels.astype(np.int64), logits.astype(np.float64))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def main() -> None:
    lines, wrong = report(RESULTS)
    print("\n".join(lines))
    for cell in wrong:
        print(f"differs: {cell.name}: published {cell.published}, found {cell.found:.4f}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
