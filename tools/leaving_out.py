"""The experiments on leaving features out, training by training: `results/plan_*.md`.

    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --workers 2
    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --status
    python tools/leaving_out.py --data fer2013.zip --out runs/leaving_out --keep

`--experiment` is `leaving-out`, `landmarks` (each face's own features), `rivals`, `clusters` (K =
1 … 6), `forms` (a grid or a rectangle, grey or black) or `precision` (arms of the first again, in
float32), or several of them, the first first.
`--keep` puts what the finished trainings found into results/ (logits per face in float16, history,
hardware, commit): what lies there counts as done, wherever the run folders are. Every training is
an ordinary run folder. What is done is left alone, what was stopped (Ctrl-C, kill) goes on from its
last epoch, and several of these programs can work on one folder. The first stage chooses the
learning rates; until all of it is done there is nothing else to train in that experiment. What the
arms are is said in `ferturb.study.arms`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from workers import train_others, work_together

from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.data.faces import Faces
from ferturb.features.altered import load_dataset
from ferturb.models.device import prepare_process
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.packed import packed, write_packed
from ferturb.runs.run import Run, find_runs, run_folder_name
from ferturb.study.arms import EXPERIMENTS
from ferturb.study.experiments import Item

RESULTS = Path(__file__).resolve().parents[1] / "results"
_SHARED = ("leaving-out", "landmarks", "clusters", "forms", "precision")
KEPT = dict.fromkeys(_SHARED, "leaving_out") | {"rivals": "rivals"}
"""Experiment -> where in results/ its trainings are kept; those that share some in one folder."""

RATES = "rates"
"""The first stage, as a cell."""


class Work:
    """Experiments, their run folders and what is kept of them."""

    def __init__(self, names: Sequence[str], source: str, out: Path) -> None:
        self.source, self.out, dataset = source, out, DatasetConfig(source)
        self.parts = {n: replace(EXPERIMENTS[n], dataset=dataset) for n in names}

    def found(self, name: str, item: Item) -> Path | None:
        """Where the logits of a finished training lie; None if it isn't finished."""
        kept = RESULTS / KEPT[name] / f"{item.name}.npz"
        run = Run(self.out / run_folder_name(item.config))
        if kept.exists():
            return kept
        return run.folder / "logits.npz" if run.done else None

    def queue(self, name: str) -> list[Item]:
        """Every training of an experiment that is known so far."""
        return list(self.parts[name].queue(partial(self.found, name)))

    def keep(self) -> None:
        """Put every finished training of the experiments that isn't there into results/."""
        new = []
        for name in self.parts:
            known = {item.config: item.name for item in self.queue(name)}
            for run in find_runs(self.out):
                kept = RESULTS / KEPT[name] / f"{known.get(run.config)}.npz"
                if run.config in known and run.done and not kept.exists():
                    write_packed(kept, packed(run))
                    new.append(kept.stem)
        print(f"kept {len(new)} finished trainings of {self.source}", *new, sep="\n  ")

    def waiting(self, cells: Sequence[str]) -> Iterator[tuple[str, RunConfig]]:
        """What isn't trained, by name; `cells` leaves others out."""
        for name, experiment in self.parts.items():
            tuning = experiment.tuning()
            for item in self.queue(name):
                wanted = not cells or (RATES if item in tuning else item.cell) in cells
                if wanted and self.found(name, item) is None:
                    yield item.name, item.config

    def work(self, device: torch.device, cells: Sequence[str] = ()) -> None:
        """Train whatever nobody else trains, until nothing is left."""
        loaded: tuple[DatasetConfig, Faces] | None = None

        def train(config: RunConfig) -> None:
            nonlocal loaded
            if loaded is None or loaded[0] != config.dataset:
                loaded = config.dataset, load_dataset(config.dataset)
            execute_run(prepare(self.out, config), loaded[1], device)

        train_others(lambda: self.waiting(cells), train, self.out)

    def status(self) -> None:
        """How far each stage is, and what was chosen."""
        for name, experiment in self.parts.items():
            tuning, done = experiment.tuning(), dict[str, list[bool]]()
            for item in self.queue(name):
                stage = RATES if item in tuning else item.cell
                done.setdefault(stage, []).append(self.found(name, item) is not None)
            print(name)
            for stage, flags in done.items():
                print(f"{stage:>9}: {sum(flags)} of {len(flags)}")
            for arm, setting in experiment.settings(partial(self.found, name)).items():
                print(f"{arm:>16}: {setting}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", choices=EXPERIMENTS, nargs="+", default=["leaving-out"])
    parser.add_argument("--data", default="fer2013.zip")
    parser.add_argument("--out", type=Path, default=Path("runs/leaving_out"))
    parser.add_argument("--cells", nargs="+", default=(), help=f"some training sizes, or {RATES}")
    parser.add_argument("--status", action="store_true")
    parser.add_argument("--keep", action="store_true")
    work_together(parser, __file__, act)


def act(options: argparse.Namespace) -> None:
    """What one process does."""
    work = Work(options.experiment, str(Path(options.data).resolve()), options.out)
    if options.status:
        work.status()
    elif options.keep:
        work.keep()
    else:
        work.work(prepare_process(options.device, 1), options.cells)


if __name__ == "__main__":
    main()
