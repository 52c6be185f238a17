"""A study that is ended, however, takes its trainings along or finds them again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferturb.base.locks import held
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.fer2013 import write_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="other kinds of signals"),
]
LONG = 5000
"""Epochs that no test waits for."""
STUDY = """
import sys
from dataclasses import replace
from pathlib import Path
from ferturb.base.config import FAST, DatasetConfig, MethodConfig
from ferturb.data.sources import load_faces
from ferturb.study.plan import Study
from ferturb.study.study import run_study

folder, epochs = Path(sys.argv[1]), int(sys.argv[2])
study = Study("small", "a test", ("compact-tiny",), (MethodConfig("baseline"),),
              replace(FAST, epochs=epochs), 1, seeds=(0, 1),
              dataset=DatasetConfig(str(folder / "faces")))
done = run_study(study, folder / "study", load_faces(study.dataset), workers=2)
print(done.done, done.failed)
sys.exit(bool(done.failed))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as nohup ignores this
    write_folder(synthetic_faces(280), tmp_path / "faces")
    yield tmp_path
    while STARTED:
        STARTED.pop().kill()
    for training in trainings(tmp_path):
        os.kill(training, signal.SIGKILL)


STARTED: list[subprocess.Popen[bytes]] = []


def start(folder: Path, epochs: int) -> subprocess.Popen[bytes]:
    STARTED.append(subprocess.Popen([sys.executable, "-c", STUDY, str(folder), str(epochs)]))
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


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
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
    if how in ("SIGHUP", "SIGINT"):  # ended as SIGTERM does
        return
    again = start(folder, LONG)
    wait_for(lambda: min(epochs_of(folder)) > max(reached))  # both go on, not from the start
    again.terminate()
    again.wait(60)
    wait_for(lambda: not trainings(folder), 30)


def test_a_run_that_another_process_trains_is_waited_for(folder: Path) -> None:
    first = start(folder, 100)
    wait_for(lambda: len(epochs_of(folder)) == 2)
    second = start(folder, 100)  # the whole folder is held: it says so and ends
    assert second.wait(60) == 1
    first.kill()
    wait_for(lambda: not trainings(folder), 30)
    (run, _) = sorted((folder / "study" / "runs").iterdir())
    command = [sys.executable, "-m", "ferturb", "train", "--resume", str(run), "--quiet"]
    other = subprocess.Popen([*command, "--threads", "1"])
    wait_for(lambda: held(run))
    assert start(folder, 100).wait(180) == 0
    assert other.wait(60) == 0
    assert all((r / "logits.npz").exists() for r in (folder / "study" / "runs").iterdir())
