"""The released program's protocol with 2,000 training faces, to convergence.

    python tools/released.py --data fer2013.zip --out runs/released
    python tools/released.py --data fer2013.zip --out runs/released --keep
    python tools/released.py … --device cuda --workers 2    # scheme and baseline side by side

`--model` is the network, by default VGG16 with dropout, half as wide. First it is trained with a
gate on its input (as many epochs as the released program's file of settings has), then the scheme
and its baseline in turns, some epochs each, so that both are known to the same epoch at any time.
All are ordinary run folders: what is done is left alone, and what was stopped goes on from its last
epoch. `--keep` puts the network's histories into results/released.csv, and the PublicTest logits of
scheme and baseline as they are now (ten crops, views summed, float16) into results/logits/released;
it prints accuracy and macro recall.

The released program runs 200 epochs by the paper, or 10 by its settings. With VGG16 of half the
width an epoch of the scheme takes one thread some ten minutes, of the baseline two.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from workers import train_others, work_together

from ferturb.base.config import (
    AS_RELEASED,
    RELEASED,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RunConfig,
)
from ferturb.base.storage import write_bytes, write_rows
from ferturb.evaluation.metrics import accuracy, balanced_accuracy
from ferturb.features.altered import load_dataset
from ferturb.models.device import prepare_process
from ferturb.models.test_time import predict_logits
from ferturb.perturb.methods import source_at_test_time
from ferturb.perturb.view_classifier import model_at_test_time
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run, run_folder_name
from ferturb.study.plan import chain

FACES = 2000
GATE_EPOCHS = 10
TURN = 2
"""Epochs that a training goes on before it is the other's turn."""
RESULTS = Path(__file__).resolve().parents[1] / "results"


def plan(source: str, network: str) -> dict[str, RunConfig]:
    """The three trainings by name, in order."""
    scheme = RunConfig(
        DatasetConfig(source, training_faces=FACES),
        ModelConfig(network, uncentred=True),
        AS_RELEASED,
        RELEASED,
    )
    gate, last = chain(scheme, GATE_EPOCHS)
    return {
        "gate": gate,
        "baseline": replace(scheme, method=MethodConfig("baseline")),
        "scheme": last,
    }


def waiting(out: Path, trainings: Mapping[str, RunConfig]) -> Iterator[tuple[str, RunConfig]]:
    """What is not trained to its end: the gate, then the one of the two that is behind."""
    runs = {name: prepare(out, config) for name, config in trainings.items()}
    gate = runs.pop("gate")
    left = {name: run for name, run in runs.items() if not run.done}
    if not gate.done:
        left = {"gate": gate} | {n: run for n, run in left.items() if n == "baseline"}
    for name in sorted(left, key=lambda name: (name != "gate", len(left[name].history()))):
        yield name, left[name].config


def work(out: Path, trainings: Mapping[str, RunConfig], device: torch.device) -> None:
    """Train what nobody else trains, until nothing is left."""
    faces = load_dataset(trainings["gate"].dataset)

    def turn(config: RunConfig) -> None:
        epochs = GATE_EPOCHS if config.method.name == "attention" else TURN
        execute_run(prepare(out, config), faces, device, pause_after=epochs)

    train_others(lambda: waiting(out, trainings), turn, out)


def current(run: Run) -> nn.Module:
    """The network of the last epoch as its method uses it, finished or not."""
    method, maps, classifier = run.config.method, run.cluster_maps(), run.load_classifier()
    if maps is None:
        return classifier
    last = torch.from_numpy(maps[-1])
    source = source_at_test_time(method, last, run.load_attention)
    return model_at_test_time(method, classifier, last, source)


def keep(out: Path, trainings: Mapping[str, RunConfig], device: torch.device) -> None:
    """Write down how far the trainings are, and what they predict now; what results/ says of other
    networks stays."""
    network, table = trainings["gate"].model.name, RESULTS / "released.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = [dict[str, object](row) for row in csv.DictReader(file)]
    rows = [row for row in rows if row["network"] != network]
    faces = load_dataset(trainings["gate"].dataset).split("validation")
    labels = faces.labels.numpy()
    for name, config in trainings.items():
        run = Run(out / run_folder_name(config))
        history = run.history()
        rows += [{"network": network, "training": name, **row} for row in history]
        if name == "gate" or not run.has_model:
            continue
        logits = predict_logits(
            current(run).to(device),
            faces.images,
            RELEASED.validate_with,
            precision=RELEASED.precision,
            device=device,
        ).numpy()
        buffer = io.BytesIO()
        np.savez_compressed(buffer, validation=logits.astype(np.float16), labels=labels)
        file = f"{network}-{name}-epoch{len(history):03d}.npz"
        write_bytes(RESULTS / "logits" / "released" / file, buffer.getvalue())
        shares = accuracy(labels, logits), balanced_accuracy(labels, logits)
        print(f"{file}: accuracy {shares[0]:.2%}, macro recall {shares[1]:.2%}")
    write_rows(table, rows, list(rows[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fer2013.zip")
    parser.add_argument("--out", type=Path, default=Path("runs/released"))
    parser.add_argument("--model", default="vgg16-dropout-half")
    parser.add_argument("--keep", action="store_true")
    work_together(parser, __file__, act)


def act(options: argparse.Namespace) -> None:
    """What one process does."""
    trainings = plan(str(Path(options.data).resolve()), options.model)
    device = prepare_process(options.device, 1)
    (keep if options.keep else work)(options.out, trainings, device)


if __name__ == "__main__":
    main()
