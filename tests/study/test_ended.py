"""A study that is ended, however, takes its trainings along or finds them again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import two_trainings
from ferturb.base.errors import FerturbError
from ferturb.base.locks import alone, held
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import load_faces
from ferturb.runs.execute import prepare
from ferturb.runs.run import Run
from ferturb.study.jobs import Started, execute_all
from ferturb.study.local import Processes
from ferturb.study.plan import plan
from ferturb.study.process import Process
from ferturb.study.study import run_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="other kinds of signals"),
]
LONG = 5000
"""Epochs that no test waits for."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as nohup ignores this
    write_folder(synthetic_faces(70), tmp_path / "faces")
    yield tmp_path
    while STARTED:
        STARTED.pop().kill()
    for training in trainings(tmp_path):
        os.kill(training, signal.SIGKILL)


STARTED: list[subprocess.Popen[bytes]] = []


def start(folder: Path, epochs: int) -> subprocess.Popen[bytes]:
    STARTED.append(
        subprocess.Popen([sys.executable, two_trainings.__file__, str(folder), str(epochs)])
    )
    return STARTED[-1]


def trainings(folder: Path) -> list[int]:
    """The processes that train a run below a folder."""
    listed = subprocess.check_output(["ps", "-eww", "-o", "pid,args"], text=True)
    lines = [line for line in listed.splitlines() if f"--resume {folder}" in line]
    return [int(line.split()[0]) for line in lines]


def wait_for(what: object, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.05)


def epochs_of(folder: Path) -> list[int]:
    """How many epochs each run has finished."""
    return [len(p.read_text().splitlines()) - 1 for p in folder.glob("study/runs/*/history.csv")]


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_no_training_outlives_its_study_and_the_same_command_goes_on(
    folder: Path, how: str
) -> None:
    study = start(folder, LONG)
    wait_for(lambda: len(epochs_of(folder)) == 2 and min(epochs_of(folder)) >= 1)
    assert len(trainings(folder)) == 2
    study.send_signal(getattr(signal, how))
    assert study.wait(60) != 0
    wait_for(lambda: not trainings(folder), 30)
    runs = list((folder / "study" / "runs").iterdir())
    wait_for(lambda: not any(held(run) for run in runs), 30)
    reached = epochs_of(folder)
    assert max(reached) < LONG
    if how != "SIGKILL":  # what the worst end leaves goes on
        return
    again = start(folder, LONG)
    wait_for(lambda: min(epochs_of(folder)) > max(reached))  # both go on, not from the start
    again.terminate()
    again.wait(60)
    wait_for(lambda: not trainings(folder), 30)


def test_a_run_that_another_process_trains_is_waited_for(folder: Path) -> None:
    study, out = two_trainings.two_trainings(folder, 15), folder / "study"
    faces = load_faces(study.dataset)
    (run, _) = [prepare(out / "runs", config) for config in plan(study)]
    command = [sys.executable, "-m", "ferturb", "train", "--resume", str(run.folder), "--quiet"]
    STARTED.append(subprocess.Popen([*command, "--threads", "1"]))
    wait_for(lambda: held(run.folder))
    started: list[str] = []

    class Noted(Processes):
        def start(
            self, runs: Sequence[Run], needs: Mapping[str, Sequence[Started]]
        ) -> list[Process]:
            started.extend(run.name for run in runs)
            return super().start(runs, needs)

    done = run_study(study, out, faces, workers=Noted(2))
    assert done.failed == {}
    assert len(done.done) == 2
    assert run.name not in started
    assert STARTED[-1].wait(60) == 0


def test_a_second_study_in_a_folder_says_that_it_is_held(folder: Path) -> None:
    study = two_trainings.two_trainings(folder, 1)
    faces, said = load_faces(study.dataset), "another process is running the study in .*; wait"
    with alone(folder / "study", "running the study in"), pytest.raises(FerturbError, match=said):
        run_study(study, folder / "study", faces)


@pytest.mark.parametrize(
    ("name", "error"),
    [("SIGTERM", SystemExit), ("SIGHUP", SystemExit), ("SIGINT", KeyboardInterrupt)],
)
def test_each_signal_ends_the_study_and_the_executor_is_told(
    folder: Path, name: str, error: type[BaseException]
) -> None:
    study = two_trainings.two_trainings(folder, 1)
    told: list[bool] = []

    class Told(Processes):
        def leave(self, left: Sequence[Started]) -> None:
            told.append(True)

    def signalled(jobs: object) -> None:
        os.kill(os.getpid(), getattr(signal, name))

    runs = [prepare(folder / "runs", config) for config in plan(study)]
    with pytest.raises(error):
        execute_all(runs, Told(0), signalled)
    assert told == [True]
