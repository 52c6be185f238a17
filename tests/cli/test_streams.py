"""What the command line is connected to: full disks, closed pipes, any encoding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ferturb.data.drawn.synthetic import draw
from made_photos import encoded

FORMATS = ([], ["--json"], ["--csv"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos")
    for i, face in enumerate(draw(3, seed=4).images.numpy()):
        (path / f"é·漢{i}.png").write_bytes(encoded(face))
    (path / os.fsdecode(b"caf\xe9.png")).write_bytes(encoded(face))
    return path


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    python = f'"{sys.executable}" -m ferturb'
    return subprocess.run(
        ["bash", "-c", command.replace("FERTURB", python)],
        capture_output=True,
        env=os.environ | environment,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("how", FORMATS)
def test_a_full_disk_is_one_line(folder: Path, how: list[str]) -> None:
    done = shell(f"FERTURB predict --cropped {folder} {' '.join(how)} > /dev/full")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "error can't write the results: No space left on device"
    ]


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("how", FORMATS)
def test_a_closed_pipe_ends_it_without_a_word(folder: Path, how: list[str]) -> None:
    command = f"FERTURB predict --cropped {folder} {' '.join(how)}"
    done = shell(f"set -o pipefail; {command} | true; echo ${{PIPESTATUS[0]}} >&2")
    assert done.stderr.split() in ([b"1"], [b"0"])  # 0 where it was done before the pipe closed
    many = shell("set -o pipefail; FERTURB train --help | head -c 1; echo ${PIPESTATUS[0]} >&2")
    assert b"Traceback" not in many.stderr
    assert b"Exception" not in many.stderr
    closed = shell(f"{command} >&-")
    assert (closed.returncode, closed.stderr) == (0, b"")


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
@pytest.mark.parametrize("how", FORMATS)
def test_any_encoding_of_the_terminal(folder: Path, how: list[str], encoding: str) -> None:
    done = shell(f"FERTURB predict --cropped {folder} {' '.join(how)}", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    said = done.stdout.decode(encoding)
    assert said.count("caf\\xe9" if how != ["--json"] else "caf\\\\xe9") == 1
    if how == ["--json"]:
        assert len(json.loads(said)) == 4


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("command", ["data info", "predict --cropped"])
def test_a_large_picture_is_read_without_a_word(tmp_path: Path, command: str) -> None:
    (tmp_path / "happy").mkdir()
    Image.new("1", (10_000, 10_000)).save(tmp_path / "happy" / "large.png")
    done = shell(f"FERTURB {command} {tmp_path}/happy/..", FERTURB_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_c_locale_takes_errors_with_any_name(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode("é漢.png".encode() + b"\xe9")
    done = subprocess.run(
        [sys.executable, "-m", "ferturb", "predict", os.fsencode(path)],
        capture_output=True,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip().endswith(b": does not exist")
