"""Imports go downward only: no layer knows of one above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ferturb

ROOT = Path(ferturb.__file__).parent

LAYERS = (
    ("errors",),
    ("config_fields",),
    ("config_dataset",),
    ("emotions", "storage", "config"),
    ("onnx_session", "onnx_weights"),
    ("data",),
    ("features",),
    ("photos",),
    ("models",),
    ("perturb",),
    ("training",),
    ("runs",),
    ("evaluation",),
    ("report",),
    ("study",),
    ("pretrained",),
    ("predictor", "export"),
    ("web",),
    ("app",),
    ("terminal",),
    ("cli_data",),
    (
        "cli_ablate",
        "cli_app",
        "cli_evaluate",
        "cli_explain",
        "cli_features",
        "cli_predict",
        "cli_study",
    ),
    ("cli",),
    ("__main__",),
)
"""From the lowest up. A layer may import from itself and from those before it."""

HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}


def imported(tree: ast.AST, package: tuple[str, ...]) -> set[str]:
    """Every module of ferturb that a file imports, anywhere in it (dotted, without "ferturb.")."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{a.name}" if module == "ferturb" else module for a in node.names}
    return {m.removeprefix("ferturb.") for m in found if m.startswith("ferturb.")}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def upward(path: Path, text: str) -> list[str]:
    """The imports of a file that reach above its own layer."""
    package = ("ferturb", *path.relative_to(ROOT).parent.parts)
    modules = imported(ast.parse(text), package)
    return sorted(m for m in modules if HEIGHT[m.split(".")[0]] > HEIGHT[room(path)])


FILES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_go_downward_only(path: Path) -> None:
    assert room(path) in HEIGHT, f"{room(path)} has no layer: give it its place in LAYERS"
    assert upward(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from ferturb.training.loop import train", ["training.loop"]),
        ("def f():\n    import ferturb.runs.run", ["runs"]),
        ("from ferturb import runs, errors", ["runs"]),
        ("from ..training import loop", ["training"]),
        ("from .. import study", ["study"]),
        ("from ferturb.data.faces import Faces\nimport torch\nfrom . import kmeans", []),
    ],
)
def test_the_check_itself_sees_every_kind_of_import(text: str, found: list[str]) -> None:
    assert upward(ROOT / "perturb" / "clusters.py", text) == found
