"""Trimming a deployment takes what prediction never opens, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ferturb.predict.shipped import load_pretrained
from ferturb.web import rest, server
from served_page import serving

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "tools" / "trim_deployment.py"
GONE = (
    "pygments/lexers/python.py",
    "onnxruntime/tools/a.py",
    "numpy/ma/core.py",
    "rich/tests/a.py",
)
GONE_WITH_ONE = (
    "ferturb/predict/weights/clean.onnx",
    "ferturb/predict/weights/clean.safetensors",
    "ferturb/web/weights/attention.onnx",
    "ferturb/predict/weights/worn_n95.onnx",
    "ferturb/training/loop.py",
    "ferturb/features/regions.py",
    "ferturb/web/page/index.html",
    "numpy/random/mtrand.py",
)
KEPT = (
    "ferturb/predict/weights/tiny.onnx",
    "ferturb/predict/weights/tiny.safetensors",
    "ferturb/features/landmarks.safetensors",
    "ferturb/features/points.py",
    "ferturb/predict/predictor.py",
    "ferturb/base/errors.py",
    "ferturb/cli/predict.py",
    "ferturb/__main__.py",
    "ferturb/predict/weights/centerface.onnx",
    "numpy/linalg/a.py",
    "pygments/token.py",
)


def site(folder: Path) -> Path:
    for name in (*GONE, *GONE_WITH_ONE, *KEPT):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def left(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def trim(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_never_opened_goes_and_the_rest_stays(tmp_path: Path) -> None:
    assert trim(site(tmp_path)).returncode == 0
    assert left(tmp_path) == {*GONE_WITH_ONE, *KEPT}
    assert trim(tmp_path, "--one", "tiny").returncode == 0
    assert left(tmp_path) == set(KEPT)


@pytest.mark.parametrize(
    ("arguments", "message"), [((), "has no ferturb"), (("--one", "large"), "no model large")]
)
def test_a_wrong_folder_or_model_removes_nothing(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    folder = site(tmp_path) if arguments else tmp_path
    before = left(folder)
    found = trim(folder, *arguments)
    assert (found.returncode, message in found.stderr) == (1, True)
    assert left(folder) == before


def test_every_pattern_of_this_package_finds_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(TOOL.parent)
    import trim_deployment

    for pattern in trim_deployment.KEPT:
        assert list((ROOT / "src" / "ferturb").glob(pattern.format(one="tiny"))), pattern


def test_what_was_trimmed_away_is_said(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src" / "ferturb", tmp_path / "ferturb")
    done = trim(tmp_path, "--one", "tiny")
    assert done.stdout.startswith(f"{measured(tmp_path) / 1e6:.1f} MB in ")
    command = [sys.executable, "-m", "ferturb", "study", "quick"]
    said = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert "trimmed and has no ferturb.study" in said.stderr


DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_container_shows_and_checks_the_ports_that_the_verbs_listen_on() -> None:
    ports = {str(server.PORT), str(rest.PORT)}
    exposed = re.search(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE)
    assert exposed is not None
    assert set(exposed[1].split()) == ports
    assert set(re.findall(r"\b78\d\d\b", health())) == ports
    # The commands that are documented leave the port as it is.
    said = DOCKERFILE + (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    runs = re.findall(r"docker run --rm -p (\d+):(\d+) ferturb(?: (app|serve))?\b", said)
    assert {verb for *_, verb in runs} >= {"", "app"}
    assert {(inner, verb or "serve") for _, inner, verb in runs} == {
        (str(server.PORT), "app"),
        (str(rest.PORT), "serve"),
    }


def health() -> str:
    """The command by which Docker asks whether the container is well."""
    found = re.search(r"^HEALTHCHECK .*?CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.skipif(os.name == "nt", reason="the container's check is for sh")
def test_the_page_and_the_api_are_each_found_healthy_and_nothing_is_not() -> None:
    model = {"tiny": load_pretrained("tiny", 1)}
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and doesn't listen
        silent = str(unused.getsockname()[1])
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

        def well(page: str, api: str) -> bool:
            command = health().replace(str(server.PORT), page).replace(str(rest.PORT), api)
            asked = ["sh", "-c", command]
            done = subprocess.run(asked, env={**os.environ, "PATH": path}, check=False)
            return done.returncode == 0

        with serving(server.create_app(model, threads=1)) as address:
            assert well(page=address.rpartition(":")[2], api=silent)
        with serving(rest.create_api(model, threads=1)) as address:
            assert well(page=silent, api=address.rpartition(":")[2])
        assert not well(silent, silent)


def measured(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def test_nothing_is_installed_over_something(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    found = trim(tmp_path, "--install", "--one", "tiny")
    assert (found.returncode, "is there already" in found.stderr) == (1, True)
    assert left(tmp_path) == {"mine"}
