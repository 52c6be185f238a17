"""The notebooks and the tutorial: all of it runs, and what notebooks show is what comes."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ferturb.cli.main import main
from made_photos import encoded, portrait

nbformat = pytest.importorskip("nbformat", reason="needs nbclient: pip install '.[dev]'")
ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))

if not NOTEBOOKS:
    pytest.skip("the examples are in a checkout only", allow_module_level=True)


def outputs(notebook: Any) -> list[list[str]]:
    """Of each cell, the form of what it gives: "text", "picture", or "" for an object's name."""
    return [
        [
            "picture" if any("image/" in k for k in out.get("data", {})) else out.output_type
            for out in cell.get("outputs", ())
        ]
        for cell in notebook.cells
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_kept_is_small_and_of_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 150_000
    assert not re.search(r"/(home|root|work|tmp|Users)/|Traceback|stderr", text)
    notebook = nbformat.reads(text, as_version=4)
    ran = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert ran == list(range(1, len(ran) + 1))
    assert sum(map(len, outputs(notebook))) > len(ran) / 2
    links = re.findall(r"\]\(([\w./-]+)\)", "".join(cell.source for cell in notebook.cells))
    assert [link for link in links if not (path.parent / link).is_file()] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_gives_what_it_shows(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="needs nbclient: pip install '.[dev]'")
    shown = nbformat.read(path, as_version=4)
    found = importlib.import_module("run_notebooks").executed(path, tmp_path)
    assert outputs(found) == outputs(shown)
    first = next(c for c in found.cells if c.cell_type == "code")
    assert "import" in first.source
    CLAIMS[path.stem[0]](
        "".join(out.get("text", "") for c in found.cells for out in c.get("outputs", ()))
    )


def hangs_on_the_mouth(text: str) -> None:
    shares = {name: int(n) for name, n in re.findall(r"without (\w+) +(\d+)%", text)}
    assert min(shares, key=shares.__getitem__) == "mouth"
    assert "0.9: happy, surprise, ?, ?" in text


def controls_take_false_alarms_away(text: str) -> None:
    alarms = dict(
        re.findall(r"^((?:mean|black)[\w ,]+): .*?(\d+) false alarms", text, re.MULTILINE)
    )
    mean, black = (
        [int(alarms[f"{fill}, {how}"]) for how in ("no control", "control")]
        for fill in ("mean grey", "black")
    )
    assert mean[0] > mean[1]
    assert black[0] > black[1] > mean[1]


def the_verdict_follows_from_the_interval(text: str) -> None:
    """Which one that is differs from one kind of processor to another: two short trainings."""
    number = r"([+-]\d+\.\d)"
    (found,) = re.findall(rf"baseline: {number} points \[{number}, {number}\]: (\w+)", text)
    difference, low, high = map(float, found[:3])
    assert low <= difference <= high
    assert found[3] == ("above" if low > 0 else "below" if high < 0 else "unclear")
    assert "index.html" in text


CLAIMS = {
    "1": hangs_on_the_mouth,
    "2": controls_take_false_alarms_away,
    "3": the_verdict_follows_from_the_interval,
}


def named(folder: Path, word: str) -> list[str]:
    """What a shell makes of a word with a star."""
    return sorted(map(str, folder.glob(word))) if "*" in word else [word]


@pytest.mark.slow
def test_the_tutorials_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    commands = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(commands) > 15
    (tmp_path / "photo.jpg").write_bytes(encoded(portrait(2)[0], "JPEG", quality=95))
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    codes: list[Any] = []
    for command in commands:
        ferturb, *arguments = shlex.split(command)
        arguments = [word for one in arguments for word in named(tmp_path, one)]
        assert ferturb == "ferturb"
        try:
            main(arguments)
        except SystemExit as ended:
            codes.append(ended.code or 0)
        assert not any(codes), f"{command}: {capsys.readouterr().err}"
        assert "error" not in capsys.readouterr().err
    for made in ("ferturb-demo.png", "marked/photo.jpg", "ablation", "saliency", "tiny.onnx"):
        assert (tmp_path / made).exists(), made
    assert (tmp_path / "first/report/index.html").stat().st_size > 100_000
    with pytest.raises(SystemExit):
        main(["predcit", "photo.jpg"])
    assert " ".join(capsys.readouterr().err.split()) in " ".join(text.split())
