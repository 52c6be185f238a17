"""`ferturb benchmark` on the models in the package and on a function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drawn_once import drawn_once
from ferturb.cli.main import main
from ferturb.data.readers.fer2013 import write_folder

MODEL = """
import numpy as np

def predict(faces):
    return (9 * faces.mean((1, 2, 3))[:, None] - 4) * np.linspace(1, -1, 8)
"""
OWN = ["own.py:predict", "--classes", "affectnet", "--side", "64", "--channels", "3"]
DATA = ["--data", "faces"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of 14 test faces and a model in a Python file."""
    monkeypatch.setenv("FERTURB_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    write_folder(drawn_once(140, seed=3), tmp_path / "faces")
    Path("own.py").write_text(MODEL)


def test_it_writes_an_entry_a_model_and_one_page(capsys: pytest.CaptureFixture[str]) -> None:
    main(["benchmark", *OWN, *DATA, "--name", "mine", "--json"])
    Path("mine.json").write_text(json.dumps(json.loads(capsys.readouterr().out)[0]))
    main(["benchmark", "tiny", *DATA, "--beside", "mine.json", "--out", "out"])
    said = capsys.readouterr().out
    assert "FER-Behind 1, test" in said
    names = {path.name for path in Path("out").iterdir()}
    assert {"tiny.json", "index.html", "benchmark_summary.tex", "benchmark_measures.csv"} <= names
    assert "mine.json" not in names
    assert "FER-Behind 1: tiny, mine" in Path("out/index.html").read_text(encoding="utf-8")
    entry = json.loads(Path("out/tiny.json").read_text())
    assert entry["protocol"] == {"name": "FER-Behind", "version": 1}
    assert entry["n"] == 14
    assert len(entry["conditions"]) == 39


def test_models_of_nearly_one_name_have_entries_of_their_own() -> None:
    for name in ("a-b.py", "a_b.py"):
        Path(name).write_text(MODEL)
    main(["benchmark", "a-b.py:predict", "a_b.py:predict", *OWN[1:], *DATA, "--out", "out"])
    found = [json.loads(path.read_text())["name"] for path in sorted(Path("out").glob("*.json"))]
    assert found == ["a-b:predict", "a_b:predict"]
    beside = ["--beside", str(next(Path("out").glob("a*1.json")))]
    main(["benchmark", "a-b.py:predict", *OWN[1:], *DATA, *beside, "--out", "again"])
    page = Path("again/index.html").read_text(encoding="utf-8")
    assert "FER-Behind 1: a-b:predict (1), a-b:predict (2)" in page


def test_the_same_command_gives_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for fresh in ([], ["--fresh"]):
        main(["benchmark", *OWN, *DATA, "--json", *fresh])
        (entry,) = json.loads(capsys.readouterr().out)
        found.append({k: v for k, v in entry.items() if k != "made"})
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["tiny"], "has no faces of its own; give --data"),
        (["tiny", "tiny", *DATA, "--name", "a"], "--name is for one model, and here are 2"),
        (["tiny", *DATA, "--beside", "own.py"], "own.py is not JSON"),
        (["tiny", *DATA, "--faces", "own.py"], "expected L_ferNNNNNNN.png"),
        (["tiny", *DATA, "--workers", "0"], "workers must be from 1 to 64"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["benchmark", *arguments])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert reason in error
    assert "Traceback" not in error
