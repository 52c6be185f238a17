"""The experiment on leaving features out, training by training: `results/plan_leaving_out.md`.

    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --workers 2
    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --status
    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --keep

`--keep` puts what the finished trainings found into results/leaving_out (logits per face in
float16, history, hardware, commit): what lies there counts as done, wherever the run folders are.
Every training is an ordinary run folder. What is done is left alone, what was stopped (Ctrl-C,
kill) goes on from its last epoch, and several of these programs can work on one folder. The
first stage chooses the learning rates; until all of it is done there is nothing else to train.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ferturb.base.config import BARE, DatasetConfig, MethodConfig, ModelConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_bytes
from ferturb.data.faces import Faces
from ferturb.features.altered import load_dataset
from ferturb.models.device import prepare_process
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run, find_runs, run_folder_name

ARMS: dict[str, tuple[MethodConfig, int]] = {
    "whole": (MethodConfig("baseline"), 1),
    "whole-4x": (MethodConfig("extra-epochs"), 4),
    "all-views": (MethodConfig("uniform-clusters", scope="fixed"), 1),
    "random-regions": (MethodConfig("random-regions", intensity_weight=0.0, scope="face"), 1),
    "one-view": (MethodConfig("uniform-clusters", scope="fixed", views="sample"), 1),
    "rectangle": (
        MethodConfig("random-erasing", views="sample", fill="black", erased=(1 / 3, 1 / 3)),
        1,
    ),
    "light": (
        MethodConfig("uniform-clusters", scope="fixed", views="sample", view_probability=1 / 3),
        1,
    ),
    "landmarks": (MethodConfig("landmark-regions", views="sample"), 1),
}
"""Arm -> its method, and how many times the epochs of the others."""
KEPT = Path(__file__).resolve().parents[1] / "results" / "leaving_out"
SUMMED = ("all-views", "random-regions")
"""Arms whose first reading sums the logits of the views, as published; of the others the whole
face's."""


@dataclass(frozen=True)
class Cell:
    """One training size."""

    faces: int | None
    epochs: int
    replicates: int
    arms: tuple[str, ...]


SEVEN = tuple(arm for arm in ARMS if arm != "landmarks")
CELLS: dict[str, Cell] = {
    "2000": Cell(2000, 100, 10, SEVEN),
    "7000": Cell(7000, 80, 5, tuple(ARMS)),
    "28709": Cell(None, 60, 3, ("whole", "whole-4x", "all-views", "one-view", "rectangle")),
}
RATES = (0.03, 0.1, 0.3)
TUNING = 100
"""The replicate of the first stage, which nothing else uses."""
ORDER = (("2000", range(0, 5)), ("7000", range(0, 5)), ("2000", range(5, 10)), ("28709", range(3)))
"""What comes first: cells and replicates."""


def config(source: str, cell: Cell, arm: str, replicate: int, rate: float) -> RunConfig:
    """One training: the replicate gives the subset, the weights and the order, for every arm."""
    method, factor = ARMS[arm]
    recipe = replace(BARE, epochs=cell.epochs * factor, learning_rate=rate)
    dataset = DatasetConfig(
        source,
        training_faces=cell.faces,
        subset_seed=replicate if cell.faces is not None else 0,
    )
    return RunConfig(dataset, ModelConfig("compact-tiny"), method, recipe, replicate)


def tuning(source: str) -> list[RunConfig]:
    """The first stage: every arm at three rates, on 2,000 faces."""
    cell = CELLS["2000"]
    return [config(source, cell, arm, TUNING, rate) for arm in SEVEN for rate in RATES]


def identity(item: RunConfig) -> str:
    """Cell, arm, replicate and rate: the name of a training wherever it ran."""
    faces = item.dataset.training_faces or "all"
    arm = next(arm for arm, (method, _) in ARMS.items() if method == item.method)
    return f"{faces}-{arm}-r{item.seed}-lr{item.recipe.learning_rate:g}"


def keep(out: Path, source: str) -> None:
    """Put every finished training of the experiment that isn't there into `KEPT`."""
    known = {item: identity(item) for item in [*tuning(source), *queue(out, source)]}
    for run in find_runs(out):
        name = known.get(run.config)
        if name is None or not run.done or (KEPT / f"{name}.npz").exists():
            continue
        with np.load(run.folder / "logits.npz", allow_pickle=False) as arrays:
            kept = {key: arrays[key].astype(np.float16) for key in arrays if "labels" not in key}
            labels = {key: arrays[key].astype(np.uint8) for key in arrays if "labels" in key}
        about = {"history": run.history(), "record": run.record(), "config": run.config.to_dict()}
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **kept, **labels, about=text)
        write_bytes(KEPT / f"{name}.npz", buffer.getvalue())


def found(out: Path, item: RunConfig) -> Path | None:
    """Where the logits of a finished training lie; None if it isn't finished."""
    kept, run = KEPT / f"{identity(item)}.npz", Run(out / run_folder_name(item))
    if kept.exists():
        return kept
    return run.folder / "logits.npz" if run.done else None


def validation_accuracy(logits: Path, arm: str) -> float:
    """Of the last epoch, by the arm's first reading."""
    with np.load(logits, allow_pickle=False) as arrays:
        whole = "whole_validation_none" in arrays and arm not in SUMMED
        chosen = arrays["whole_validation_none" if whole else "validation_none"]
        return float((chosen.argmax(1) == arrays["labels_validation"]).mean())


def chosen_rates(out: Path, source: str) -> dict[str, float] | None:
    """The best rate of each arm on the validation faces; None until all are known.

    `landmarks` takes that of `one-view`, from which it differs in the regions alone.
    """
    best: dict[str, tuple[float, float]] = {}
    for arm in SEVEN:
        for rate in RATES:
            logits = found(out, config(source, CELLS["2000"], arm, TUNING, rate))
            if logits is None:
                return None
            best[arm] = max(best.get(arm, (0.0, 0.0)), (validation_accuracy(logits, arm), rate))
    rates = {arm: rate for arm, (_, rate) in best.items()}
    return rates | {"landmarks": rates["one-view"]}


def queue(out: Path, source: str) -> Iterator[RunConfig]:
    """Every training in order, as far as it is known what to train."""
    yield from tuning(source)
    rates = chosen_rates(out, source)
    if rates is None:
        return
    for name, replicates in ORDER:
        for replicate in replicates:
            for arm in CELLS[name].arms:
                yield config(source, CELLS[name], arm, replicate, rates[arm])


def work(out: Path, source: str) -> None:
    """Train whatever nobody else trains, until nothing is left."""
    device = prepare_process("cpu", 1)
    loaded: tuple[DatasetConfig, Faces] | None = None
    busy: set[str] = set()
    while True:
        items = (c for c in queue(out, source) if identity(c) not in busy)
        item = next((c for c in items if found(out, c) is None), None)
        if item is None:
            return
        if loaded is None or loaded[0] != item.dataset:
            loaded = item.dataset, load_dataset(item.dataset)
        try:
            execute_run(prepare(out, item), loaded[1], device)
        except FerturbError as error:
            if "another process" not in str(error):
                raise
            busy.add(identity(item))


def status(out: Path, source: str) -> None:
    """How far each stage is."""
    done: dict[str, list[bool]] = {}
    for item in queue(out, source):
        stage = "rates" if item.seed == TUNING else str(item.dataset.training_faces or "all")
        done.setdefault(stage, []).append(found(out, item) is not None)
    for stage, flags in done.items():
        print(f"{stage:>6}: {sum(flags)} of {len(flags)}")
    print(json.dumps(chosen_rates(out, source)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fer2013.zip")
    parser.add_argument("--out", type=Path, default=Path("runs/leaving_out"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--status", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    source = str(Path(options.data).resolve())
    if options.status:
        return status(options.out, source)
    if options.keep:
        return keep(options.out, source)
    if options.work:
        return work(options.out, source)
    command = [sys.executable, __file__, "--data", source, "--out", str(options.out), "--work"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    workers = [subprocess.Popen(command, env=environment) for _ in range(options.workers)]
    try:
        for worker in workers:
            worker.wait()
    except KeyboardInterrupt:
        for worker in workers:
            worker.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
