"""A prediction leaves nothing behind and asks nobody: in an empty home, and without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
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
COUNT = "\nprint(open('/proc/net/snmp').read())"


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


@dataclass(frozen=True)
class Ended:
    """What a process said, and the files that it left in its home."""

    said: str
    left: set[str]


@pytest.fixture(scope="module")
def alone() -> tuple[str, ...]:
    """What a command begins with to run in a network of its own; nothing where that can't be."""
    command = ("unshare", "--map-root-user", "--net")
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return command


@pytest.fixture(scope="module")
def ended(alone: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Ended]:
    """Every entry once, all at a time; where they are alone they wait, and count."""
    more = WAIT + COUNT if alone else ""
    homes = {name: tmp_path_factory.mktemp("entry") / "home" for name in ENTRIES}
    processes = {name: started(ENTRIES[name] + more, homes[name], *alone) for name in ENTRIES}
    found = {}
    for name, process in processes.items():
        said, _ = process.communicate()
        assert process.returncode == 0, said
        files = {p.relative_to(homes[name]) for p in homes[name].rglob("*") if p.is_file()}
        found[name] = Ended(said, {path.as_posix() for path in files} - {"a.png"})
    return found


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_entry_leaves_a_file_behind(entry: str, ended: Mapping[str, Ended]) -> None:
    assert ended[entry].left == ({"a.onnx"} if entry == "export" else set())


def test_the_variables_hold_against_the_environments_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from ferturb.base import telemetry

    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    telemetry.switch_off()
    assert {name: os.environ[name] for name in telemetry.OFF} == telemetry.OFF


def packets(said: str) -> int:
    """How often a process in a network of its own tried to send something that went nowhere."""
    names, values = (line.split() for line in said.splitlines() if line.startswith("Ip:"))
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"])


def test_no_connection_is_tried(
    ended: Mapping[str, Ended], alone: tuple[str, ...], tmp_path: Path
) -> None:
    if not alone:
        pytest.skip("needs Linux's `unshare` and the right to a network namespace")
    asks = "import socket\ntry: socket.getaddrinfo('example.org', 443)\nexcept OSError: pass"
    said, _ = started(asks + COUNT, tmp_path / "home", *alone).communicate()
    assert packets(said) > 0  # the guard sees a look-up
    assert {name: packets(one.said) for name, one in ended.items()} == dict.fromkeys(ENTRIES, 0)
