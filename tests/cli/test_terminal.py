"""What the command line shows: tables, facts, progress on a terminal and in a log file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import partialmethod
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from ferturb.cli import terminal
from ferturb.runs.run import Run
from ferturb.study.jobs import Job
from ferturb.training.checkpoint import Epoch
from ferturb.training.loop import Step

NAN = float("nan")


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Console:
    """What goes to standard output, recorded."""
    console = Console(file=io.StringIO(), width=100, highlight=False)
    monkeypatch.setattr(terminal, "out", console)
    return console


def recorded(monkeypatch: pytest.MonkeyPatch, live: bool, width: int = 200) -> io.StringIO:
    """What goes to standard error, a terminal (`live`) or a file."""
    text = io.StringIO()
    console = Console(
        file=text, width=width, highlight=False, force_terminal=live, no_color=True, _environ={}
    )
    monkeypatch.setattr(terminal, "errors", console)
    drawn_at_once = partialmethod(Progress.update, refresh=True)
    monkeypatch.setattr(Progress, "update", drawn_at_once)
    return text


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def step(epoch: int, number: int, *accuracies: float) -> Step:
    """A step of three epochs of ten, after epochs with these validation accuracies."""
    history = tuple(
        Epoch(i, 1.5, 0.4, 1.2, accuracy, 0.1, 12.0) for i, accuracy in enumerate(accuracies, 1)
    )
    return Step(epoch, 3, number, 10, 2048.4, history)


def test_a_table_groups_thousands_and_cuts_nothing(out: Console) -> None:
    terminal.table("[faces]", ["emotion", "train"], [["happy", 7215], ["a [b] c", "–"]])
    lines = written(out).splitlines()
    assert any("happy" in line and "7,215" in line for line in lines)
    assert any("emotion" in line and "train" in line for line in lines)


def test_facts_line_up_and_show_brackets_as_they_are(out: Console) -> None:
    terminal.facts({"run": "runs/[x]", "number of faces": 28709})
    assert written(out) == "run              runs/[x]\nnumber of faces  28,709\n"


def test_notes(out: Console) -> None:
    terminal.notes(["split by us", "[1] left out"])
    assert written(out) == "note split by us\nnote [1] left out\n"


def test_json_can_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"accuracy": [0.5, None], "name": "[bold]é"}
    terminal.print_json(value)
    assert json.loads(capsys.readouterr().out) == value


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = recorded(monkeypatch, live=False)
    terminal.error("no [such] file " + "x" * 300)
    assert text.getvalue() == f"error no [such] file {'x' * 300}\n"


def test_training_writes_a_line_an_epoch_into_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    text = recorded(monkeypatch, live=False)
    with terminal.training("compact-s0") as on_step:
        for told in (step(1, 10), step(2, 5, 0.25), step(2, 10, 0.25), step(3, 1, 0.25, NAN)):
            on_step(told)
    assert text.getvalue().splitlines() == [
        "compact-s0 epoch 1/3: loss 1.500, validation 25.00%, 12 s",
        "compact-s0 epoch 2/3: loss 1.500, validation –, 12 s",
    ]


@pytest.mark.parametrize(
    ("accuracy", "shown"), [(0.256, "validation 25.6%"), (NAN, "validation –")]
)
def test_training_shows_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, accuracy: float, shown: str
) -> None:
    text = recorded(monkeypatch, live=True)
    with terminal.training("compact-s0") as on_step:
        on_step(step(2, 5, accuracy))
    assert "compact-s0" in text.getvalue()
    assert "15/30" in text.getvalue()  # one epoch of ten steps, and five
    assert f"epoch 2/3, 2,048 faces/s, {shown}" in text.getvalue()
    assert "nan" not in text.getvalue()


def test_a_progress_bar_shows_how_much_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    text = recorded(monkeypatch, live=True)
    with terminal.working("leaving features out") as on_progress:
        on_progress(3, 14)
    assert "leaving features out" in text.getvalue()
    assert "3/14" in text.getvalue()


@pytest.mark.parametrize("live", [False, True])
def test_quiet_says_nothing(monkeypatch: pytest.MonkeyPatch, live: bool, tmp_path: Path) -> None:
    text = recorded(monkeypatch, live)
    with terminal.training("x", quiet=True) as on_step:
        on_step(step(2, 5, 0.5))
    with terminal.working("reading faces", quiet=True) as on_progress:
        on_progress(1, 2)
    with terminal.study(quiet=True) as (on_change, on_analysis):
        on_change([Job(Run(tmp_path / "a"))])
        on_change([Job(Run(tmp_path / "a"), "failed", "no")])
        on_analysis("a: saliency", 0, 1)
    assert text.getvalue().strip() == ""


def told_in_turn(states: Sequence[tuple[str, str]], folder: Path) -> list[list[Job]]:
    """The jobs of one run that is in each of these states in turn, with an error or none."""
    return [[Job(Run(folder), state, error)] for state, error in states]


def test_a_study_logs_each_change_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = recorded(monkeypatch, live=False)
    states = [("waiting", ""), ("running", ""), ("running", ""), ("failed", "no [such] layer")]
    with terminal.study() as (on_change, on_analysis):
        for jobs in told_in_turn(states, tmp_path / "one"):
            on_change(jobs)
        for done in range(3):
            on_analysis("one: saliency (1 of 1)", done, 2)
    lines = [line.split("min  ")[1] for line in text.getvalue().splitlines()]
    assert lines == ["one  running", "one  failed: no [such] layer", "one: saliency (1 of 1)"]


def test_a_study_shows_the_running_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = recorded(monkeypatch, live=True)
    with terminal.study() as (on_change, on_analysis):
        on_change(told_in_turn([("running", "")], tmp_path / "one")[0])
        on_analysis("one: ablation", 2, 5)
    assert "starting" in text.getvalue()
    assert "one: ablation" in text.getvalue()
    assert "2/5" in text.getvalue()


def test_bars_have_room_beside_long_titles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = recorded(monkeypatch, live=True, width=100)
    name = "compact-tiny-features-left-out-fast-s0-0c7fa0"
    with terminal.study() as (on_change, on_analysis):
        on_change(told_in_turn([("running", "")], tmp_path / name)[0])
        on_analysis(f"{name}: ablation (1 of 5)", 3, 5)
        on_analysis("one: ablation (2 of 5)", 9, 9)
        on_change(told_in_turn([("running", "")], tmp_path / name)[0])
    last = text.getvalue().split("study")[-1]
    assert "compact-tiny-…es-left-out-fast-s0-0c7fa0" in last
    assert "compact-tiny-…-0c7fa0: ablation (1 of 5)" in last
    assert "3/5" in last
    assert "one: ablation" not in last  # it has ended
