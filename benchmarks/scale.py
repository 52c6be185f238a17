"""What more workers give, and what each executor costs beside plain processes; one CSV of both.

- **trainings**: a grid of real trainings that share nothing, by plain processes
  (`ferturb train --resume`, a pool of them) and by the local executor, with 1, 2, … workers. The
  start of every process is included.
- **overhead**: the same grid one run after the other, with processes that sleep in place of
  training, so that other work on the machine counts little: how much longer than its runs' sleep
  an executor takes, in seconds a run, once it is open, and in percent of a run of two minutes.
- **prediction**: faces a second, parquet to parquet, by Ray actors (`scale_prediction.py` has
  other ways, and repeats).

    python benchmarks/scale.py --out results/scale.csv
    python benchmarks/scale.py --parts overhead --sleep 10 --runs 4
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scale_prediction import by_pieces, cores, written

from ferturb.base.config import FAST, DatasetConfig, ModelConfig, RunConfig
from ferturb.base.storage import write_rows
from ferturb.base.threads import usable_cores
from ferturb.predict.many.on_ray import on_ray
from ferturb.runs.execute import prepare
from ferturb.runs.run import Run
from ferturb.study.engines import Engine
from ferturb.study.jobs import Executor, execute_all
from ferturb.study.local import Processes
from ferturb.study.process import LOG, Command, Process

TWO_MINUTES = 120
COLUMNS = (
    "part",
    "way",
    "workers",
    "n",
    "trainings_per_hour",
    "opening_seconds",
    "overhead_seconds",
    "overhead_percent",
    "faces_per_second",
    "load",
    "machine",
)
Row = dict[str, Any]


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


def row_of(part: str, way: str, workers: int, n: int, **measured: float) -> Row:
    """A row of the table, shown at once."""
    own = {"part": part, "way": way, "workers": workers, "n": n, **measured}
    found = dict.fromkeys(COLUMNS, "") | own
    found |= {"load": round(os.getloadavg()[0], 1), "machine": cores()}
    print(json.dumps(own), flush=True)
    return found


def trainings(options: argparse.Namespace) -> Iterator[Row]:
    for workers in options.workers:
        for way in ("plain processes", "local"):
            with tempfile.TemporaryDirectory() as folder:
                runs = grid(Path(folder), options.runs, options)
                if way == "local":
                    seconds = timed(lambda r=runs, w=workers: execute_all(r, Processes(w)))
                else:
                    seconds = timed(lambda r=runs, w=workers: plain(r, w, Command()))
                assert all(run.done for run in runs)
            hourly = round(3600 * options.runs / seconds, 1)
            yield row_of("trainings", way, workers, options.runs, trainings_per_hour=hourly)


def overhead(options: argparse.Namespace) -> Iterator[Row]:
    command = Sleep(seconds=options.sleep)
    for name in options.executors:
        with tempfile.TemporaryDirectory() as folder:
            runs, place = grid(Path(folder), options.runs, options), Path(folder)
            opening = time.perf_counter()
            opened = 0.0
            if name == "plain":
                seconds = timed(lambda r=runs: plain(r, 1, command))
            elif name == "local":
                executor: Executor = Sleepers(1, seconds=options.sleep)
                seconds = timed(lambda r=runs, e=executor: execute_all(r, e))
            else:
                # one after the other, as the others: overheads side by side would hide
                share = {"cpus": float(usable_cores())} if name == "ray" else {}
                slurm = ("cluster=local",) if name == "slurm" else ()
                with Engine(name, slurm=slurm, **share).opened(place) as engine:  # type: ignore
                    engine.task = replace(engine.task, command=command)  # type: ignore
                    if name == "slurm":
                        engine.room = lambda taken: not taken  # type: ignore[method-assign]
                    opened = time.perf_counter() - opening
                    seconds = timed(lambda r=runs, e=engine: execute_all(r, e))
        each = (seconds - options.runs * options.sleep) / options.runs
        yield row_of(
            "overhead",
            name,
            1,
            options.runs,
            opening_seconds=round(opened, 1),
            overhead_seconds=round(each, 2),
            overhead_percent=round(100 * each / TWO_MINUTES, 2),
        )


def prediction(options: argparse.Namespace) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        paths, _ = written(Path(folder), options.predicted, max(options.workers))
        for workers in options.workers:
            speed = round(by_pieces(on_ray, paths, "tiny", workers))
            yield row_of("prediction", "actors", workers, options.predicted, faces_per_second=speed)


PARTS = {"trainings": trainings, "overhead": overhead, "prediction": prediction}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured")
    add("--runs", type=int, default=4, help="trainings of the grid")
    add("--workers", type=int, nargs="+", default=[1, 2])
    add("--model", default="compact-tiny")
    add("--data", default="synthetic")
    add("--faces", type=int, default=8000, help="how many are drawn")
    add("--epochs", type=int, default=4)
    add("--executors", nargs="+", default=["plain", "local", "ray", "slurm"])
    add("--sleep", type=float, default=10.0, help="seconds of a run, of overhead")
    add("--predicted", type=int, default=4000, help="faces, of prediction")
    add("--out", type=Path, help="a CSV file, written after every row")
    options = parser.parse_args()
    rows: list[Row] = []
    for part in options.parts:
        for row in PARTS[part](options):
            rows.append(row)
            if options.out is not None:
                write_rows(options.out, rows)


if __name__ == "__main__":
    main()
