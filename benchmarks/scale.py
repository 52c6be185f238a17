"""Trainings an hour by workers, and what each executor costs beside plain processes.

Two measurements of a grid of runs that share nothing:

- **trainings**: the grid in real trainings, by plain processes (`ferturb train --resume`, a pool of
  them) and by the local executor, with 1, 2, … workers. Start-up of every process is included.
- **overhead**: the same grid with processes that sleep in place of training, so that other work on
  the machine counts little: how much longer than its runs' sleep an executor takes, in seconds a
  run, once it is open, and in percent of a run of two minutes.

    python benchmarks/scale.py --runs 4 --workers 1 2
    python benchmarks/scale.py --overhead --sleep 10 --runs 4
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ferturb.base.config import FAST, DatasetConfig, ModelConfig, RunConfig
from ferturb.runs.execute import prepare
from ferturb.runs.run import Run
from ferturb.study.engines import Engine
from ferturb.study.jobs import Executor, execute_all
from ferturb.study.local import Processes
from ferturb.study.process import LOG, Command, Process

TWO_MINUTES = 120


@dataclass(frozen=True)
class Sleep(Command):
    """A process that sleeps in place of training."""

    seconds: float = 10.0

    def start(self, folder: Path) -> Process:
        command = [sys.executable, "-S", "-c", f"import time; time.sleep({self.seconds})"]
        with (folder / LOG).open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log)
        return Process(folder / LOG, process)


@dataclass(frozen=True)
class Sleepers(Processes):
    """The local executor with them."""

    seconds: float = 10.0

    def start(self, runs: list[Run], needs: object) -> list[Process]:  # type: ignore[override]
        return [Sleep(seconds=self.seconds).start(run.folder) for run in runs]


def grid(folder: Path, count: int, options: argparse.Namespace) -> list[Run]:
    data = DatasetConfig(options.data, synthetic_faces=options.faces)
    recipe = replace(FAST, epochs=options.epochs)
    configs = [
        RunConfig(data, ModelConfig(options.model), recipe=recipe, seed=seed)
        for seed in range(count)
    ]
    return [prepare(folder / "runs", config) for config in configs]


def plain(runs: list[Run], workers: int, command: Command) -> None:
    def wait(run: Run) -> None:
        command.start(run.folder).process.wait()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(wait, runs))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def trainings(options: argparse.Namespace) -> list[dict[str, object]]:
    found = []
    for workers in options.workers:
        for name in ("plain processes", "local"):
            with tempfile.TemporaryDirectory() as folder:
                runs = grid(Path(folder), options.runs, options)
                if name == "local":
                    seconds = timed(lambda r=runs, w=workers: execute_all(r, Processes(w)))
                else:
                    seconds = timed(lambda r=runs, w=workers: plain(r, w, Command()))
                assert all(run.done for run in runs)
            row = {"executor": name, "workers": workers, "seconds": round(seconds, 1)}
            found.append(row | {"trainings an hour": round(3600 * options.runs / seconds, 1)})
            print(json.dumps(found[-1]), flush=True)
    return found


def overhead(options: argparse.Namespace) -> list[dict[str, object]]:
    found = []
    command = Sleep(seconds=options.sleep)
    for name in options.executors:
        with tempfile.TemporaryDirectory() as folder:
            runs, place = grid(Path(folder), options.runs, options), Path(folder)
            opening = time.perf_counter()
            if name == "plain":
                opened, seconds = 0.0, timed(lambda r=runs: plain(r, 1, command))
            elif name == "local":
                opened = 0.0
                executor: Executor = Sleepers(1, seconds=options.sleep)
                seconds = timed(lambda r=runs, e=executor: execute_all(r, e))
            else:
                slurm = ("cluster=local",) if name == "slurm" else ()
                with Engine(name, slurm=slurm).opened(place) as engine:
                    engine.command = command  # type: ignore[attr-defined]
                    # one after the other, as the others: overheads side by side would hide
                    engine.room = lambda taken: not taken  # type: ignore[method-assign]
                    opened = time.perf_counter() - opening
                    seconds = timed(lambda r=runs, e=engine: execute_all(r, e))
        each = (seconds - options.runs * options.sleep) / options.runs
        row: dict[str, object] = {"executor": name, "opening": round(opened, 1)}
        row["seconds a run"] = round(each, 2)
        row["% of two minutes"] = round(100 * each / TWO_MINUTES, 2)
        found.append(row)
        print(json.dumps(row), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--runs", type=int, default=4, help="trainings of the grid")
    add("--workers", type=int, nargs="+", default=[1, 2])
    add("--model", default="compact-tiny")
    add("--data", default="synthetic")
    add("--faces", type=int, default=8000, help="how many are drawn")
    add("--epochs", type=int, default=4)
    add("--overhead", action="store_true", help="measure that, and no trainings")
    add("--executors", nargs="+", default=["plain", "local", "ray", "slurm"])
    add("--sleep", type=float, default=10.0, help="seconds of a run, with --overhead")
    options = parser.parse_args()
    (overhead if options.overhead else trainings)(options)


if __name__ == "__main__":
    main()
