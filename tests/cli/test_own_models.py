"""`evaluate`, `ablate`, `explain` and `faithfulness` on models that are not runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from drawn_once import drawn_once
from ferturb.base.emotions import EMOTIONS
from ferturb.cli.main import main
from ferturb.cli.models import UNSAID, for_predictor
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import load_source
from ferturb.export.wrap import wrap
from ferturb.models.test_time import predict_logits
from ferturb.predict.shipped import load_pretrained

MODEL = """
import numpy as np

def predict(faces):
    assert faces.shape[1:] == (3, 64, 64)
    return (9 * faces.mean((1, 2, 3))[:, None] - 4) * np.linspace(1, -1, 8)

def network():
    import torch
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3, stride=4), torch.nn.ReLU(), torch.nn.Flatten()
    return torch.nn.Sequential(*layers, torch.nn.Linear(4 * 16 * 16, 8))
"""
FORM = ["--classes", "affectnet", "--side", "64", "--channels", "3"]
DATA = ["--data", "faces"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of 14 test faces and a model in a Python file."""
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_folder(drawn_once(140, seed=3), tmp_path / "faces")
    Path("own.py").write_text(MODEL)


def test_evaluate_gives_each_model_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "tiny", "own.py:predict", *FORM, *DATA, "--augmentation", "none", "--json"])
    said = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(said.out)}
    assert list(rows) == ["tiny", "own:predict"]
    assert "own:predict: left aside of its classes: contempt" in said.err
    test = load_source(Path("faces")).split("test")
    means = test.images.float().mean((1, 2)).numpy() / 255
    order = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]
    named = [order[0] if 9 * mean > 4 else order[6] for mean in means]
    right = np.mean([EMOTIONS[i] == name for i, name in zip(test.labels, named, strict=True)])
    assert rows["own:predict"]["accuracy"]["estimate"] == pytest.approx(float(right))


def test_evaluate_writes_the_page_of_a_run_for_any_model() -> None:
    main(["evaluate", "own.py:predict", *FORM, *DATA, "--out", "out"])
    page = Path("out/index.html").read_text(encoding="utf-8")
    assert "Scores: own:predict" in page
    assert "augmentation flip" in page
    assert Path("out/scores.csv").read_text().startswith("model,n,accuracy,accuracy_low")


def test_ablate_writes_the_same_files_as_for_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--features", "mouth", "--controls", "1"]
    main(["ablate", "own.py:predict", *FORM, *DATA, *options, "--out", "out"])
    assert "mouth" in capsys.readouterr().out
    names = {path.name for path in Path("out").iterdir()}
    assert {"ablation_accuracy.png", "ablation_cells.csv", "ablation_matrix.tex"} <= names
    page = Path("out/index.html").read_text(encoding="utf-8")
    assert "Which facial features it needs: own:predict" in page
    assert "own:predict: left aside of its classes: contempt" in page
    assert 'href="ablation_cells.csv"' in page


def test_explain_asks_a_function(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--method", "occlusion", "--faces", "1", "--out", "out"]
    main(["explain", "own.py:predict", *FORM, *DATA, *options])
    assert "own:predict: occlusion, mass over area (test, 7 faces)" in capsys.readouterr().out
    names = {p.name for p in Path("out").iterdir()}
    assert {"saliency_faces.png", "saliency_mass.csv", "index.html"} <= names


def test_faithfulness_takes_the_methods_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--faces", "1", "--json", "--out", "out"]
    main(["faithfulness", "own.py:predict", *FORM, *DATA, *options])
    assert "Deletion and insertion curves" in Path("out/index.html").read_text(encoding="utf-8")
    (rows,) = json.loads(capsys.readouterr().out).values()
    assert [row["method"] for row in rows] == ["occlusion", "rise", "random", "centre"]


@pytest.mark.parametrize(
    "verb",
    [
        ["evaluate"],
        ["ablate", "--features", "mouth", "--controls", "1"],
        ["explain", "--method", "occlusion", "--faces", "1"],
        ["faithfulness", "--methods", "occlusion", "--faces", "1"],
        ["benchmark"],
    ],
    ids=lambda verb: verb[0],
)
def test_a_name_that_is_not_utf8_is_written_out(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("caf\udce9.py").write_text(MODEL)
    main([*verb, "caf\udce9.py:predict", *FORM, *DATA, "--out", "out"])
    said = capsys.readouterr()
    assert r"caf\xe9:predict" in said.out + said.err
    assert r"caf\xe9:predict" in Path("out/index.html").read_text(encoding="utf-8")


def test_predict_asks_it_about_photos(capsys: pytest.CaptureFixture[str]) -> None:
    test = load_source(Path("faces")).split("test")
    options = ["--model", "own.py:predict", *FORM, "--cropped", "--json"]
    main(["predict", *(f"faces/{name}" for name in test.names), *options])
    said = capsys.readouterr()
    assert "own:predict: it takes faces of 64×64 RGB and is shown" in said.err
    found = [photo["faces"][0]["most_probable"] for photo in json.loads(said.out)]
    light = test.images.float().mean((1, 2)).numpy() / 255
    assert found == ["neutral" if 9 * mean > 4 else "angry" for mean in light]
    main(["predict", f"faces/{test.names[0]}", *options, "--quiet"])
    assert capsys.readouterr().err == ""


def test_export_makes_a_file_of_a_module_that_predicts_by_itself() -> None:
    main(["export", "own.py:network", *FORM, "--out", "ready.onnx"])
    test = load_source(Path("faces")).split("test")
    expected = predict_logits(wrap("own.py:network", "affectnet", side=64, channels=3), test.images)
    ready = for_predictor("ready.onnx", UNSAID)
    assert ready == "ready.onnx"  # as a model of ferturb's it needs no torch
    found = load_pretrained(ready, threads=1).predict_proba(test.images)
    np.testing.assert_allclose(found, expected.softmax(1).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["predict", "faces", "--model", "own.py:predict"], "give the names of its classes"),
        (["predict", "faces", "--model", "tiny", "--side", "64"], "the model tiny takes no side"),
        (["export", "own.py:predict", *FORM, "--out", "x.onnx"], "is a function, which can't be"),
        (["serve", "--model", "own.py:predict", "--classes", "happy,bored"], "bored"),
        (["ablate", "tiny"], "has no faces of its own; give --data"),
        (["ablate", "own.py:predict", *DATA], "give the names of its classes"),
        (["ablate", "own.py:predict", "--classes", "affectnet", *DATA], "are side and channels"),
        (["ablate", "tiny", "--classes", "affectnet", *DATA], "tiny takes no classes"),
        (["explain", "own.py:predict", *FORM, *DATA], "smoothgrad needs a torch module"),
        (["evaluate", "tiny", "--store", *DATA], "--head and --store are of runs alone"),
        (["evaluate", "gone.onnx", "--classes", "raf-db", *DATA], "gone.onnx does not exist"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if "error" in line]
    assert len(lines) == 1
    assert reason in lines[0]


def test_the_help_says_that_a_file_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert "the file is run" in " ".join(capsys.readouterr().out.replace("│", " ").split())
