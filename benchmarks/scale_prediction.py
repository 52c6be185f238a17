"""Faces a second of prediction by threads, processes and Ray actors, as ratios in the same run.

Each way takes the same faces with 1, 2, … workers in turn, forwards and backwards over the rounds,
so that whatever else the machine does meets all of them; the medians, and their ratio to one worker
of the same way, are reported.

- **threads**: `predict_proba` on an array, its parts shared out among threads;
- **processes**: a parquet file of faces, landmarks and all, into parquet parts, with local
  processes (their start is not counted: a table of few faces, four for each of the most workers,
  is measured too and taken off);
- **actors**: the same by Ray Data's actors.

    python benchmarks/scale_prediction.py --workers 1 2 --out results/scale_prediction.csv

Two hyperthreads are one core: on such, two workers can't be twice as fast. What the system tells of
the cores stands in every row.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ferturb.base.processor import processor_name
from ferturb.base.storage import write_rows
from ferturb.cli import terminal
from ferturb.predict.many.job import Work, predict_many
from ferturb.predict.many.on_ray import on_ray
from ferturb.predict.many.processes import in_processes
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading
from ferturb.predict.shipped import load_pretrained

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
Measure = Callable[[int], float]
"""Workers -> faces a second."""


def by_threads(faces: np.ndarray, model: str, workers: int) -> float:
    """`predict_proba` on an array."""
    opened = load_pretrained(model, workers)
    opened.predict_proba(faces[:64])
    start = time.perf_counter()
    opened.predict_proba(faces)
    return len(faces) / (time.perf_counter() - start)


def by_pieces(executor: Any, paths: tuple[Path, Path], model: str, workers: int) -> float:
    """Parquet to parquet: seconds of a table of faces, less those of one with few faces."""
    import pyarrow.parquet as pq

    make = partial(Predictor, model, "whole", threads=1)
    seconds, faces = [], []
    for path in paths:
        with tempfile.TemporaryDirectory() as out:
            work = Work(Path(out), make, Reading(cropped=True))
            start = time.perf_counter()
            predict_many([path], work, executor, workers, {}, 250)
            seconds.append(time.perf_counter() - start)
        faces.append(pq.ParquetFile(path).metadata.num_rows)
    return float((faces[0] - faces[1]) / (seconds[0] - seconds[1]))


def written(folder: Path, count: int, workers: int) -> tuple[tuple[Path, Path], np.ndarray]:
    """A table of so many drawn faces and one of four a worker, and the faces as an array."""
    from quick_predictor import write_faces

    paths = folder / "faces.parquet", folder / "few.parquet"
    faces = write_faces(str(paths[0]), count, 500, 1000)
    write_faces(str(paths[1]), 4 * workers, 4, 1)
    return paths, np.concatenate([faces] * (count // len(faces) + 1))[:count]


def cores() -> str:
    """Cores and hyperthreads, as far as the system tells."""
    pairs = set()
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list"):
        pairs.add(path.read_text().strip())
    return f"{processor_name()}, {os.cpu_count()} threads of {len(pairs) or '?'} cores"


def rows_of(found: dict[tuple[str, int], list[float]], faces: int) -> list[dict[str, Any]]:
    """One row a way and number of workers."""
    rows, machine = [], cores()
    for (way, workers), speeds in found.items():
        first = next(w for w_, w in found if w_ == way)
        ratios = [s / one for s, one in zip(speeds, found[way, first], strict=True)]
        rows.append(
            {"way": way, "workers": workers, "faces_per_second": round(statistics.median(speeds))}
            | {"least": round(min(speeds)), "most": round(max(speeds))}
            | {f"times_{first}": round(statistics.median(ratios), 3), "rounds": len(speeds)}
            | {"faces": faces, "load": round(os.getloadavg()[0], 1), "machine": machine}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--ways", nargs="+", default=["threads", "processes", "actors"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faces", type=int, default=4000)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--out", type=Path, help="a CSV file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths, array = written(Path(folder), options.faces, max(options.workers))
        ways: dict[str, Measure] = {
            "threads": partial(by_threads, array, options.model),
            "processes": partial(by_pieces, in_processes, paths, options.model),
            "actors": partial(by_pieces, on_ray, paths, options.model),
        }
        found: dict[tuple[str, int], list[float]] = {}
        for number in range(options.rounds):
            for way in options.ways:
                for workers in options.workers if number % 2 == 0 else options.workers[::-1]:
                    found.setdefault((way, workers), []).append(ways[way](workers))
    found = dict(sorted(found.items()))
    rows = rows_of(found, options.faces)
    terminal.table(
        f"Faces a second of {options.model} ({cores()})",
        ["way", "workers", "faces/s", "times one"],
        [[r["way"], r["workers"], r["faces_per_second"], str(list(r.values())[5])] for r in rows],
    )
    if options.out is not None:
        write_rows(options.out, rows)


if __name__ == "__main__":
    main()
