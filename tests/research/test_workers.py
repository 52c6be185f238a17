"""Several processes that work through one queue of trainings (`tools/workers.py`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import workers
from workers import train_others, work_together

from ferturb.base.config import RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.locks import alone
from ferturb.runs.run import run_folder_name
from posix_only import posix_only

QUEUE = {f"r{seed}": RunConfig(seed=seed) for seed in range(3)}


class Trainings:
    """A queue, what of it is done, and in which order it was."""

    def __init__(self) -> None:
        self.done: list[int] = []

    def waiting(self) -> Iterator[tuple[str, RunConfig]]:
        yield from ((n, c) for n, c in QUEUE.items() if c.seed not in self.done)

    def train(self, config: RunConfig) -> None:
        self.done.append(config.seed)


def test_what_another_process_trains_is_left_to_it_and_taken_when_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings, looks = Trainings(), 0
    with ExitStack() as other:
        other.enter_context(alone(tmp_path / run_folder_name(QUEUE["r1"]), "training"))

        def pause(seconds: float) -> None:
            nonlocal looks
            looks += 1
            assert trainings.done == [0, 2]
            if looks == 3:
                other.close()  # killed: nobody finishes it

        monkeypatch.setattr(workers.time, "sleep", pause)
        train_others(trainings.waiting, trainings.train, tmp_path)
    assert trainings.done == [0, 2, 1]
    assert looks == 3


def test_one_that_another_process_took_first_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings, refused = Trainings(), [0]

    def train(config: RunConfig) -> None:
        if config.seed in refused:
            refused.remove(config.seed)
            raise FerturbError("another process is training it; wait for it or stop it first")
        trainings.train(config)

    monkeypatch.setattr(workers.time, "sleep", lambda _: pytest.fail("nothing was busy"))
    train_others(trainings.waiting, train, tmp_path)
    assert trainings.done == [1, 0, 2]


def test_other_faults_end_it(tmp_path: Path) -> None:
    def train(config: RunConfig) -> None:
        raise FerturbError("the loss is not finite")

    with pytest.raises(FerturbError, match="not finite"):
        train_others(Trainings().waiting, train, tmp_path)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (KeyboardInterrupt(), "stopped; give the same command again to go on"),
        (FerturbError("no such file"), "error: no such file"),
    ],
)
def test_a_stop_or_a_fault_is_a_line(
    fault: BaseException, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(_: object) -> None:
        raise fault

    monkeypatch.setattr("sys.argv", ["train"])
    with pytest.raises(SystemExit, match=said):
        work_together(ArgumentParser(), "train.py", work)


@posix_only
def test_a_reader_that_has_enough_is_no_fault(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(workers.__file__).parent)!r})\n"
        "from argparse import ArgumentParser\n"
        "from workers import work_together\n"
        "work_together(ArgumentParser(), __file__, lambda _: [print(n) for n in range(100_000)])\n",
        encoding="utf-8",
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert writer.stdout.readline() == b"0\n"
        writer.stdout.close()
        assert writer.stderr.read() == b""
    assert writer.returncode == 1


def several(
    script: Path, text: str, monkeypatch: pytest.MonkeyPatch, workers: str = "2"
) -> str | int | None:
    """What a script's workers end with, each of which is a process that does this."""
    script.write_text(text, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["train", "--workers", workers])
    try:
        work_together(ArgumentParser(), str(script), lambda _: pytest.fail("not here"))
    except SystemExit as stopped:
        return stopped.code
    return 0


def test_workers_that_fail_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, first = tmp_path / "train.py", tmp_path / "first"
    assert several(script, "", monkeypatch) == 0
    assert several(script, "raise SystemExit(3)", monkeypatch) == "2 of 2 workers failed"
    one = f"import os\nos.mkdir({str(first)!r})  # the second one can't"
    assert several(script, one, monkeypatch) == "1 of 2 workers failed"


@pytest.mark.parametrize("number", ["0", "-1"])
def test_no_workers_are_none(
    number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert several(tmp_path / "train.py", "", monkeypatch, number) == 2
    assert f"--workers takes a number from 1 on, got {number}" in capsys.readouterr().err


@posix_only
def test_workers_that_are_stopped_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, kept = tmp_path / "begun", tmp_path / "kept"
    work = f"""
import os, time
from pathlib import Path
try:
    Path({str(begun)!r} + str(os.getpid())).touch()
    time.sleep(600)
except KeyboardInterrupt:
    time.sleep(0.5)
    Path({str(kept)!r} + str(os.getpid())).touch()
"""

    def stop() -> None:
        while len(list(tmp_path.glob("begun*"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(workers, "GRACE", 0.1)
    threading.Thread(target=stop, daemon=True).start()
    assert several(tmp_path / "train.py", work, monkeypatch) == 1
    assert len(list(tmp_path.glob("kept*"))) == 2
