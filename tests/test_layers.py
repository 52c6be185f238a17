"""Imports go downward only: no room knows of one above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ferturb

ROOT = Path(ferturb.__file__).parent

ORDER = "base | data | features | models | training | perturb | runs | evaluation | report | study"
"""From the lowest up. A room imports from itself and from those before its own place."""
PLACES = [place.split() for place in ORDER.split("|")]
MAY = {
    room: [r for below in PLACES[:i] for r in below]
    for i, place in enumerate(PLACES)
    for room in place
}
MAY |= {"predict": ["base", "features.points"]}
MAY |= {"web": ["base", "predict", "perturb.clusters"]}
MAY |= {"export": [*MAY["report"], "predict"], "cli": [*MAY, "web", "export"]}
BESIDE = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
"""What is no room: the front door, which opens every room when it is asked to."""


def imported(tree: ast.AST, package: tuple[str, ...]) -> set[str]:
    """Every module of ferturb that a file imports, anywhere in it (dotted, without "ferturb.")."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module_of(module, alias.name) for alias in node.names}
    return {m.removeprefix("ferturb.") for m in found if m.startswith("ferturb.")}


def module_of(module: str, name: str) -> str:
    """What `from module import name` imports: the module `name` in it, or the module itself."""
    inside = ROOT.joinpath(*module.split(".")[1:], name)
    return f"{module}.{name}" if inside.is_dir() or inside.with_suffix(".py").exists() else module


def upward(path: Path, text: str) -> list[str]:
    """The imports of a file that reach where its room may not."""
    name = path.relative_to(ROOT)
    room = name.parts[0]
    allowed = [room, *MAY[room]]
    modules = imported(ast.parse(text), ("ferturb", *name.parent.parts))
    return sorted(m for m in modules if not any(f"{m}.".startswith(f"{a}.") for a in allowed))


FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)


def test_every_folder_is_a_room_and_nothing_lies_loose() -> None:
    there = {path.name for path in ROOT.iterdir() if path.name not in BESIDE}
    assert there == set(MAY)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_go_downward_only(path: Path) -> None:
    assert upward(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from ferturb.runs.run import Run", ["runs.run"]),
        ("def f():\n    import ferturb.runs", ["runs"]),
        ("from ferturb import runs, base", ["runs"]),
        ("from ..runs import execute", ["runs.execute"]),
        ("from .. import study", ["study"]),
        ("from ferturb.predict import altering", ["predict.altering"]),
        ("from ferturb.data.faces import Faces\nimport torch\nfrom . import kmeans", []),
    ],
)
def test_the_check_itself_sees_every_kind_of_import(text: str, found: list[str]) -> None:
    assert upward(ROOT / "perturb" / "clusters.py", text) == found


def test_prediction_may_use_the_points_and_nothing_else_of_the_features() -> None:
    path = ROOT / "predict" / "photos.py"
    assert upward(path, "from ferturb.features import points") == []
    assert upward(path, "from ferturb.features import regions") == ["features.regions"]
