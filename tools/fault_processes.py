"""Trainings and studies that are ended, at any moment and in any way."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fault_files import PLAIN, VIEWS, weights
from faults import Fault, LostError, Setting, goes, require_same

from ferturb.base.locks import held
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.csv_tables import write_csv
from ferturb.report.run_results import read_run
from ferturb.runs.execute import execute_run, prepare
from ferturb.study.plan import chain

WAIT = 120
"""Seconds after which something that should have happened is taken for a failure."""


def kills(setting: Setting) -> Iterator[Fault]:
    """Trainings killed at a random moment between start and end, then gone on with."""
    faces = synthetic_faces(140)
    configs = [PLAIN, *chain(dataclasses.replace(PLAIN, method=VIEWS), 1)]
    right, took = {}, {}
    for config in configs:
        started, run = time.monotonic(), prepare(setting.place / "whole", config)
        execute_run(run, faces)
        right[config], took[config] = weights(run.folder), time.monotonic() - started

    def bear(number: int, moment: float) -> None:
        place = setting.place / str(number)
        for config in configs:
            run = prepare(place, config)
            process = os.fork()
            if not process:
                try:
                    execute_run(run, faces)
                finally:
                    os._exit(0)
            time.sleep(moment * took[config])
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            goes(lambda run=run: read_run(run))
            execute_run(run, faces)
            require_same(weights(run.folder), right[config], f"weights of {run.name}")
            left = [path.name for path in run.folder.iterdir() if path.name.endswith(".tmp")]
            assert not left, f"left behind: {left}"

    for number, moment in enumerate(setting.random.uniform(0, 1.1, 8 * setting.many)):
        yield (
            f"three trainings killed after {moment:.2f} of their time",
            lambda n=number, m=moment: bear(n, m),
        )


def studies(setting: Setting) -> Iterator[Fault]:
    """`ferturb study` ended while its runs train; the same command then goes on."""
    faces = setting.place / "fer2013.csv"
    write_csv(synthetic_faces(280), faces)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as nohup ignores this
    for name in ("SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"):
        yield (
            f"a study ended by {name}",
            lambda name=name: _ended(setting.place / name, faces, name),
        )


def _ended(folder: Path, faces: Path, how: str) -> None:
    options = ["--data", str(faces), "--out", str(folder), "--models", "compact-tiny"]
    options += ["--methods", "baseline", "--seeds", "2", "--epochs", "9000", "--workers", "2"]

    def start() -> subprocess.Popen[bytes]:
        quiet = [sys.executable, "-m", "ferturb", "study", "quick", *options, "--quiet"]
        return subprocess.Popen(quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def epochs() -> list[int]:
        tables = sorted(folder.glob("runs/*/history.csv"))
        return [len(path.read_text().splitlines()) - 1 for path in tables]

    def trainings() -> bool:
        listed = subprocess.check_output(["ps", "-eww", "-o", "args"], text=True)
        return f"--resume {folder}" in listed

    study = start()
    try:
        _wait(lambda: len(epochs()) == 2 and min(epochs()) > 0)
        study.send_signal(getattr(signal, how))
        assert study.wait(WAIT) != 0, "it ended as if all were well"
        _wait(lambda: not trainings())
        # A process that is ending is off the list a moment before it lets go of its locks.
        _wait(lambda: not any(held(run) for run in (folder / "runs").iterdir()))
        reached = epochs()
        study = start()
        _wait(lambda: all(now > before for now, before in zip(epochs(), reached, strict=True)))
        if min(epochs()) < min(reached):
            raise LostError("epochs that were there are gone")
    finally:
        study.kill()
        study.wait()
        _wait(lambda: not trainings())


def _wait(what: object) -> None:
    until = time.monotonic() + WAIT
    while not what():  # type: ignore[operator]
        assert time.monotonic() < until, f"it didn't happen in {WAIT} s"
        time.sleep(0.1)
