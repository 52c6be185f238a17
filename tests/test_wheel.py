"""What is in the wheel: all that `ferturb predict` needs, and nothing that isn't the package."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ferturb.predict.shipped import FOLDER

ROOT = Path(__file__).parents[1]
NEEDED = (
    "ferturb/features/landmarks.onnx",
    "ferturb/features/landmarks.safetensors",
    "ferturb/predict/weights/centerface.onnx",
    "ferturb/predict/weights/centerface.txt",
    "ferturb/predict/weights/hidden_features.json",
    "ferturb/report/page.html.j2",
)
LARGEST = 30_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network connection."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("needs the build backend hatchling (pip install '.[dev]')")
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("needs the repository, not an installed package")
    folder = tmp_path_factory.mktemp("wheel")
    code = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return next(folder.glob("ferturb-*.whl"))


def test_weights_graphs_cards_and_licences_are_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    models = {f"ferturb/predict/weights/{path.name}" for path in FOLDER.iterdir()}
    assert {"ferturb/predict/weights/clean.onnx", *NEEDED} <= names
    assert models <= names
    with zipfile.ZipFile(wheel) as file:
        for licence, word in {"LICENSE": b"MIT", "THIRD_PARTY.md": b"FER+"}.items():
            place = next(n for n in names if n.endswith(f"dist-info/licenses/{licence}"))
            text = file.read(place)
            assert text == (ROOT / licence).read_bytes()
            assert word in text


def test_nothing_else_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        infos = file.infolist()
    rooms = {info.filename.split("/")[0] for info in infos}
    assert {room.split("-")[0] for room in rooms} == {"ferturb"}  # the package, and its dist-info
    folders = {part for info in infos for part in info.filename.split("/")[:-1]}
    assert folders.isdisjoint({"tests", "research", "data_cache", "__pycache__"})
    ends = {info.filename.rpartition(".")[2] for info in infos if "dist-info" not in info.filename}
    assert ends.isdisjoint({"zip", "jpg", "csv", "parquet", "pt", "pth", "pkl", "pyc"})
    pictures = [info.filename for info in infos if info.filename.endswith(".png")]
    assert all(name.startswith("ferturb/web/page/") for name in pictures)
    assert wheel.stat().st_size < LARGEST


def test_its_files_are_the_repositorys(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        for name in (*NEEDED, "ferturb/predict/weights/clean.safetensors"):
            assert file.read(name) == (ROOT / "src" / name).read_bytes()


def test_predict_asks_for_nothing_heavy(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        place = next(n for n in file.namelist() if n.endswith("dist-info/METADATA"))
        lines = file.read(place).decode().splitlines()
    asked = [line.split(": ", 1)[1] for line in lines if line.startswith("Requires-Dist: ")]
    base = {a.split(">")[0].split("=")[0].split("<")[0].strip() for a in asked if ";" not in a}
    assert base == {"numpy", "pillow", "onnxruntime", "rich", "tyro"}
