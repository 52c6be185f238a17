"""The experiments on leaving features out, training by training: `results/plan_*.md`.

    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --workers 2
    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --status
    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --keep

`--experiment` is `leaving-out`, `rivals` or `clusters` (K = 1 … 6). `--keep` puts what the finished
trainings found into results/ (logits per face in float16, history, hardware, commit): what lies
there counts as done, wherever the run folders are. Every training is an ordinary run folder. What
is done is left alone, what was stopped (Ctrl-C, kill) goes on from its last epoch, and several of
these programs can work on one folder. The first stage chooses the learning rates; until all of it
is done there is nothing else to train. What the arms are is said in `ferturb.study.arms`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.features.altered import load_dataset
from ferturb.models.device import prepare_process
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.packed import packed, write_packed
from ferturb.runs.run import Run, find_runs, run_folder_name
from ferturb.study.arms import EXPERIMENTS
from ferturb.study.experiments import Experiment, Item

RESULTS = Path(__file__).resolve().parents[1] / "results"
KEPT = {"leaving-out": "leaving_out", "clusters": "leaving_out", "rivals": "rivals"}
"""Experiment -> where in results/ its trainings are kept; two share some."""


class Work:
    """An experiment, its run folders and what is kept of them."""

    def __init__(self, name: str, source: str, out: Path) -> None:
        self.experiment: Experiment = replace(EXPERIMENTS[name], dataset=DatasetConfig(source))
        self.out = out
        self.kept = RESULTS / KEPT[name]

    def found(self, item: Item) -> Path | None:
        """Where the logits of a finished training lie; None if it isn't finished."""
        kept, run = self.kept / f"{item.name}.npz", Run(self.out / run_folder_name(item.config))
        if kept.exists():
            return kept
        return run.folder / "logits.npz" if run.done else None

    def queue(self) -> list[Item]:
        """Every training that is known so far."""
        return list(self.experiment.queue(self.found))

    def keep(self) -> None:
        """Put every finished training of the experiment that isn't there into results/."""
        known = {item.config: item.name for item in self.queue()}
        for run in find_runs(self.out):
            name = known.get(run.config)
            if name is not None and run.done and not (self.kept / f"{name}.npz").exists():
                write_packed(self.kept / f"{name}.npz", packed(run))

    def work(self) -> None:
        """Train whatever nobody else trains, until nothing is left."""
        device = prepare_process("cpu", 1)
        loaded: tuple[DatasetConfig, Faces] | None = None
        busy: set[str] = set()
        while True:
            items = (item for item in self.experiment.queue(self.found) if item.name not in busy)
            item = next((item for item in items if self.found(item) is None), None)
            if item is None:
                return
            config = item.config
            if loaded is None or loaded[0] != config.dataset:
                loaded = config.dataset, load_dataset(config.dataset)
            try:
                execute_run(prepare(self.out, config), loaded[1], device)
            except FerturbError as error:
                if "another process" not in str(error):
                    raise
                busy.add(item.name)

    def status(self) -> None:
        """How far each stage is, and what was chosen."""
        tuning, done = self.experiment.tuning(), dict[str, list[bool]]()
        for item in self.queue():
            stage = "rates" if item in tuning else item.cell
            done.setdefault(stage, []).append(self.found(item) is not None)
        for stage, flags in done.items():
            print(f"{stage:>9}: {sum(flags)} of {len(flags)}")
        for arm, setting in self.experiment.settings(self.found).items():
            print(f"{arm:>16}: {setting}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", choices=EXPERIMENTS, default="leaving-out")
    parser.add_argument("--data", default="fer2013.zip")
    parser.add_argument("--out", type=Path, default=Path("runs/leaving_out"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--status", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    source = str(Path(options.data).resolve())
    work = Work(options.experiment, source, options.out)
    if options.status:
        return work.status()
    if options.keep:
        return work.keep()
    if options.work:
        return work.work()
    command = [sys.executable, __file__, "--experiment", options.experiment, "--data", source]
    command += ["--out", str(options.out), "--work"]
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
