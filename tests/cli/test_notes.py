"""What a source has to say reaches whoever uses it: every verb, the run, the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferturb.base.emotions import EMOTIONS
from ferturb.cli.main import main
from ferturb.export.comparison import Exported

NOTE = "3 images of unknown classes left out: Angery (3)"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six emotions, four faces each in every split, and a class whose name is a typo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(2)
    for split, each in (("train", 4), ("val", 2), ("test", 2)):
        for word in EMOTIONS[1:]:
            folder = tmp_path / "faces" / split / word
            folder.mkdir(parents=True)
            for i in range(each):
                pixels = generator.integers(0, 256, (48, 48), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    (tmp_path / "faces" / "train" / "Angery").mkdir()
    for i in range(3):
        Image.new("L", (48, 48), i).save(tmp_path / "faces" / "train" / "Angery" / f"{i}.png")
    return tmp_path / "faces"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """What a command says on standard output and on standard error."""
    main(list(arguments))
    said = capsys.readouterr()
    return said.out, said.err


TRAIN = ("train", "--data", "faces", "--model", "compact-tiny", "--epochs", "1")


def test_every_verb_that_reads_faces_says_it_once(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = told(capsys, "data", "info", "faces")
    assert out.count(NOTE) == 1
    assert NOTE not in err
    for verb in (("leave-out", "faces", "--feature", "mouth"), ("mask", "faces")):
        out, err = told(capsys, *verb, "--out", verb[0])
        assert (out + err).count(NOTE) == 1
    _, err = told(capsys, *TRAIN)
    assert err.count(NOTE) == 1
    assert "no faces of angry in this source" in err
    (run,) = Path("runs").iterdir()
    assert NOTE in json.loads((run / "run.json").read_text())["data"]["notes"]
    for verb in (
        ("evaluate", str(run)),
        ("evaluate", str(run), "--json"),
        ("evaluate", str(run), "--augmentation", "zoom"),
        ("evaluate", str(run), "--data", "faces"),
        ("ablate", str(run), "--json"),
        ("explain", str(run), "--json"),
        ("train", "--resume", str(run)),
    ):
        out, err = told(capsys, *verb)
        assert err.count(NOTE) == 1, verb
        if "--json" in verb:
            json.loads(out)


class Made(Exported):
    """In place of a file, which takes seconds: what it would have been made of."""

    def __init__(self, source: str, path: Path, format: str, *faces: np.ndarray) -> None:
        object.__setattr__(self, "given", faces)

    def to_dict(self) -> dict[str, Any]:
        given: Any = self.given  # type: ignore[attr-defined]
        return {"labels": given[1].tolist(), "shape": list(given[2].shape)}


def test_export_reads_faces_as_the_other_verbs_do(
    source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferturb.export.onnx.export", Made)
    export = ("export", "tiny", "--out", "x.onnx", "--json", "--data", "faces")
    out, err = told(capsys, *export)
    assert err.count(NOTE) == 1
    named = json.loads(out)
    assert named == {"labels": [1, 1, 2, 2, 3, 3, 6, 6, 4, 4, 5, 5], "shape": [24, 48, 48]}
    raf = {"surprise": 1, "fear": 2, "disgust": 3, "happy": 4, "sad": 5, "neutral": 7}
    for split in source.iterdir():
        for word, number in raf.items():
            (split / word).rename(split / str(number))
    (source / "train" / "Angery").rename(source / "train" / "8")
    with pytest.raises(SystemExit) as ended:
        main([*export])
    assert ended.value.code == 2
    assert "say which with --label-order" in capsys.readouterr().err
    out, err = told(capsys, *export, "--label-order", "raf-db")
    assert sorted(json.loads(out)["labels"]) == sorted(named["labels"])
    assert "3 images of unknown classes left out: 8 (3)" in err


def test_quiet_says_nothing(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, *TRAIN, "--quiet") == ("", "")


@pytest.fixture
def numbered(source: Path) -> Path:
    """The same faces in folders of numbers, from 1."""
    for folder in [*source.glob("*/*")]:
        number = EMOTIONS.index(folder.name) + 1 if folder.name in EMOTIONS else 9
        folder.rename(folder.with_name(str(number)))
    return source


def test_numbers_are_counted_and_nothing_is_guessed(
    numbered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = told(capsys, "data", "info", "faces", "--json")
    found = json.loads(out)
    assert found["counts"]["train"] == {str(i): 4 for i in range(2, 8)} | {"9": 3}
    assert found["counts"]["validation"] == {str(i): 2 for i in range(2, 8)} | {"9": 0}
    (note,) = found["notes"]
    assert "--label-order" in note
    out, _ = told(capsys, "data", "info", "faces")
    assert "│ 9 " in out
    for verb in (TRAIN, ("data", "audit", "faces"), ("mask", "faces", "--out", "masked")):
        with pytest.raises(SystemExit) as stopped:
            main(list(verb))
        assert stopped.value.code == 2
        assert "classes are numbers (2, 3, 4, 5, 6, 7, 9)" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_an_order_makes_emotions_of_numbers(
    numbered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ",".join(f"{i}={emotion}" for i, emotion in enumerate(EMOTIONS, 1))
    out, _ = told(capsys, "data", "info", "faces", "--json", "--label-order", order)
    found = json.loads(out)
    assert found["counts"]["train"] == dict.fromkeys(EMOTIONS, 4) | {"angry": 0}
    assert "3 images of unknown classes left out: 9 (3)" in found["notes"]
    told(capsys, *TRAIN, "--label-order", order)
    (run,) = Path("runs").iterdir()
    assert json.loads((run / "config.json").read_text())["dataset"]["label_order"] == order
    _, err = told(capsys, "evaluate", str(run), "--data", "faces", "--label-order", order)
    assert "9 (3)" in err
    with pytest.raises(SystemExit):
        main([*TRAIN, "--label-order", "raf"])
    assert "unknown label order 'raf'" in capsys.readouterr().err
