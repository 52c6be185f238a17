"""A prediction leaves nothing behind and asks nobody: in an empty home, and without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ferturb
from ferturb.data.drawn.synthetic import draw
from ferturb.predict.shipped import FOLDER
from made_photos import encoded

SOURCES = Path(ferturb.__file__).parents[1]
BARE = f"import onnxruntime; s = onnxruntime.InferenceSession({str(FOLDER / 'tiny.onnx')!r})"
"""A session without ferturb."""
ENTRIES = {
    "predict": "from ferturb.cli.main import main; main(['predict', '--cropped', 'a.png'])",
    "library": "import ferturb; list(ferturb.Predictor('tiny').predict_files(['a.png']))",
    "app": "from ferturb.web.server import *; app = create_app(available('tiny')); "
    "app.state.answers.warm()",
    "export": "from ferturb.cli.main import main; main(['export', 'tiny', '--out', 'a.onnx'])",
    "after onnxruntime's tools": "import ferturb, onnxruntime.quantization\n" + BARE,
}
WAIT = "\nimport time; time.sleep(14)"
"""Longer than onnxruntime waits before it sends."""


def started(code: str, home: Path, *before: str) -> subprocess.Popen[str]:
    """A new process, in an environment as bare as a fresh user's (no CI, nothing switched off)."""
    home.mkdir(exist_ok=True)
    (home / "a.png").write_bytes(encoded(draw(1, seed=2).images.numpy()[0]))
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)}
    if sys.platform == "win32":
        environment |= {k: os.environ[k] for k in ("SYSTEMROOT",)} | {"LOCALAPPDATA": str(home)}
    command = [*before, sys.executable, "-c", code]
    return subprocess.Popen(
        command, cwd=home, env=environment, text=True, stdout=-1, stderr=subprocess.STDOUT
    )


def left_by(code: str, home: Path) -> set[str]:
    process = started(code, home)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()} - {"a.png"}


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_entry_leaves_a_file_behind(entry: str, tmp_path: Path) -> None:
    expected = {"a.onnx"} if entry == "export" else set()
    assert left_by(ENTRIES[entry], tmp_path / "home") == expected


def test_the_variables_hold_against_the_environments_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from ferturb.base import telemetry

    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    telemetry.switch_off()
    assert {name: os.environ[name] for name in telemetry.OFF} == telemetry.OFF


def packets(process: subprocess.Popen[str]) -> int:
    """How often a process in a network of its own tried to send something that went nowhere."""
    said, _ = process.communicate()
    assert process.returncode == 0, said
    names, values = (line.split() for line in said.splitlines() if line.startswith("Ip:"))
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"])


@pytest.mark.slow
def test_no_connection_is_tried(tmp_path: Path) -> None:
    alone = ["unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs Linux's `unshare` and the right to a network namespace")
    counted = "\nprint(open('/proc/net/snmp').read())"
    asks = "import socket\ntry: socket.getaddrinfo('example.org', 443)\nexcept OSError: pass"
    codes = [asks, *(code + WAIT for code in ENTRIES.values())]
    processes = [started(code + counted, tmp_path / str(i), *alone) for i, code in enumerate(codes)]
    seen, *tried = map(packets, processes)
    assert seen > 0  # the guard sees a look-up
    assert dict(zip(ENTRIES, tried, strict=True)) == dict.fromkeys(ENTRIES, 0)
