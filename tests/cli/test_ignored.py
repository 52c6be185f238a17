"""Options that would do nothing are refused, in one line, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferturb.cli.main import main

FACES = "--data synthetic"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("predict x.jpg --workers 4", "give --out FOLDER too, or leave --workers out"),
        ("predict --webcam 0 --executor ray --piece 3", "leave --executor, --piece out"),
        ("predict x.jpg --column image --annotate a", "leave --column out"),
        ("predict x.jpg --out there --webcam 0", "no --webcam"),
        ("app --export page --port 8000", "leave --port out"),
        ("app --export page --no-browser --threads 2", "leave --no-browser, --threads out"),
        ("app --export page --host 0.0.0.0", "leave --host out"),
        ("app --export page --allow-host a.b --side 64", "leave --allow-host, --side out"),
        ("push clean me/faces --folder there --public", "leave --public out"),
        ("export clean --out x.onnx --label-order raf-db", "--label-order is for --data"),
        ("evaluate tiny --label-order raf-db", "--label-order is for --data"),
        (f"evaluate tiny tiny {FACES} --faces list.txt --ensemble", "leave --ensemble out"),
        (f"evaluate tiny tiny {FACES} --faces list.txt --choose", "leave --choose out"),
    ],
)
def test_an_option_that_does_nothing_is_refused(
    command: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(command.split())
    shown = capsys.readouterr()
    assert stopped.value.code == 2
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert said in shown.err
    assert not list(tmp_path.iterdir())
