"""`ferturb demo` from outside, also without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferturb.cli.app
from ferturb.cli import demo as verb
from ferturb.cli.main import main
from made_photos import encoded, portrait
from without_torch import without_torch


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_drawn_face_without_torch(tmp_path: Path) -> None:
    done = without_torch("demo", "--threads", "1", "--out", str(tmp_path / "a.png"))
    assert done.returncode == 0, done.stderr
    said, picture = done.stdout.splitlines()
    assert said.startswith("A drawn face: ")
    assert said.endswith(".")
    assert picture == f"picture  {tmp_path / 'a.png'}"
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 1200


def test_the_faces_of_a_photo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "me.png").write_bytes(encoded(portrait(2)[0]))
    main(["demo", "me.png", "--model", "tiny", "--threads", "1"])
    *said, picture = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in said] == [
        "A drawn face",
        "me.png, face 1",
        "me.png, face 2",
    ]
    assert picture == "picture  ferturb-demo.png"
    with Image.open("ferturb-demo.png") as image:
        tall = image.height
    (tmp_path / "one.png").write_bytes(encoded(np.asarray(portrait(1)[0])))
    main(["demo", "one.png", "--model", "tiny", "--threads", "1", "--cropped"])
    assert "\none.png: " in capsys.readouterr().out
    with Image.open("ferturb-demo.png") as image:
        assert image.height < tall


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.png"], "no.png: does not exist"),
        (["blank.png"], "blank.png: no face found; if it is one face, say so with --cropped"),
        (["--out", "blank.png"], "blank.png exists and is no earlier picture of a demo"),
        (["--out", "a.txt"], "a picture is written as .jpg"),
    ],
)
def test_what_can_not_be_shown_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (200, 200)).save("blank.png")
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--model", "tiny", "--threads", "1", *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error {said}")
    assert error.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["blank.png"]


def test_the_page_is_opened_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[dict[str, Any]] = []
    monkeypatch.setattr(ferturb.cli.app, "app", lambda **options: opened.append(options))
    main(["demo", "--model", "tiny", "--threads", "1"])
    assert opened == []
    main(["demo", "--model", "tiny", "--threads", "1", "--page"])
    assert opened == [{"model": "tiny", "threads": 1}]


def test_a_trimmed_installation_asks_for_a_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verb, "EXAMPLES", tmp_path / "none")
    with pytest.raises(SystemExit):
        main(["demo", "--model", "tiny", "--threads", "1"])
    assert "has no drawn faces; give a photo" in capsys.readouterr().err
