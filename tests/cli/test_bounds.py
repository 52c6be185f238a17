"""Options at and beyond their bounds: one line and exit code 2, never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferturb.cli.main import main
from made_photos import encoded

LONG = "x" * 5000
WRONG = [
    *(f"predict a.png --threads {n}" for n in ("0", "-1", "99999999999")),
    *(f"predict a.png --every {n}" for n in ("0", "-3")),
    *(f"predict a.png --smoothing {n}" for n in ("-1", "nan", "inf", "1e300")),
    *(f"predict --webcam {n}" for n in ("-1", "100", "99999999999", "9" * 40)),
    *(f"predict a.png --model {m}" for m in (LONG, "/dev/zero", ".", "a.png", "no.onnx")),
    *(f"predict a.png --detector {d}" for d in (LONG, "none")),
    f"predict {LONG}",
    "predict /dev/zero",
    "predict a.png --annotate a.png",
    f"predict a.png --annotate {LONG}",
    "predict a.png --annotate /dev/null",
    *(f"app --no-browser --port {p}" for p in ("-1", "65536", "9" * 40)),
    *(f"app --no-browser --threads {n}" for n in ("0", "-1")),
    f"app --no-browser --host {LONG}",
    "app --no-browser --host no.such.host.invalid",
    f"app --no-browser --model {LONG}",
    f"export tiny --out {LONG}",
    "export tiny --out a.png/b.onnx",
    f"export {LONG} --out b.onnx",
    f"export tiny --out b.onnx --data {LONG}",
    *(f"train --threads {n}" for n in ("0", "-1", "99999999999")),
    *(f"train --device {d}" for d in ("meta", "quantum", "cuda:99", LONG)),
    *(f"study --faces {n}" for n in ("0", "-1", "99999999999")),
    *(f"study --batch-size {n}" for n in ("1", "-1")),
    *(f"study --learning-rate {n}" for n in ("-1", "nan", "1e300")),
    *(f"evaluate {folder}" for folder in ("a.png", LONG, "/dev/null")),
    *(f"report {folder}" for folder in ("a.png", LONG)),
    f"data info {LONG}",
    f"leave-out {LONG} --feature mouth --out b",
    f"mask {LONG} --out b",
]
"""Commands in a folder that holds a photo, a.png."""


@pytest.mark.parametrize("command", WRONG, ids=lambda command: command.replace(LONG, "LONG")[:60])
def test_what_is_out_of_bounds_is_one_line(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "a.png").write_bytes(encoded(np.zeros((48, 48), np.uint8)))
    with pytest.raises(SystemExit) as stopped:
        main(command.split())
    assert stopped.value.code == 2
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("error ")
    assert [path.name for path in work.iterdir()] == ["a.png"]
