"""Several processes that work through one queue of trainings (`tools/workers.py`)."""

from __future__ import annotations

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
