"""What is cached is keyed by every program that made it."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

import ferturb
from ferturb.base import storage
from ferturb.data.cache import READ_BY
from ferturb.data.sources import DRAWN_BY
from ferturb.evaluation.benchmark.measure import SHOWN_BY
from ferturb.features.altered import FOUND_BY, MADE_BY

ROOT = Path(ferturb.__file__).parent
BASE = "ferturb.base"
MAKES_NO_FACE = {
    *("checks", "config", "errors", "installation", "leftovers"),
    *("reading", "storage", "tabular", "tensors"),
}
"""What of `BASE` every part is built on, and no pixel or label comes from."""
READERS = ("folders", "csv_tables", "parquet")
KEYS = [
    ("ferturb.features.altered", MADE_BY),
    ("ferturb.features.landmarks", FOUND_BY),
    ("ferturb.evaluation.benchmark.showing", SHOWN_BY),
    ("ferturb.data.drawn.synthetic", DRAWN_BY),
    *((f"ferturb.data.readers.{reader}", READ_BY) for reader in READERS),
]


def file_of(module: str) -> Path | None:
    place = ROOT.joinpath(*module.split(".")[1:])
    return next((p for p in (place.with_suffix(".py"), place / "__init__.py") if p.exists()), None)


def imported(module: str) -> set[str]:
    """The modules of ferturb that a module imports, anywhere in it."""
    path = file_of(module)
    assert path is not None, module
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {node.module} | {n for n in names if n.startswith("ferturb.") and file_of(n)}
    found = {n for n in found if n.startswith("ferturb.") and n != BASE}
    return {n for n in found if n.removeprefix(f"{BASE}.").split(".")[0] not in MAKES_NO_FACE}


def all_imported(module: str) -> set[str]:
    """The same with what those import, and so on, without `MAKES_NO_FACE`."""
    found, new = set(), {module}
    while new:
        found |= new
        new = set().union(*(imported(m) for m in new)) - found
    return found


@pytest.mark.parametrize(("module", "key"), KEYS)
def test_every_module_that_takes_part_is_in_the_key(module: str, key: tuple[str, ...]) -> None:
    taking_part = all_imported(module)
    assert len(taking_part) >= 5
    for name in taking_part:
        assert any(f"{name}.".startswith(f"{listed}.") for listed in key), name


@pytest.mark.parametrize("listed", sorted({*MADE_BY, *FOUND_BY, *SHOWN_BY, *DRAWN_BY, *READ_BY}))
def test_a_change_anywhere_below_changes_the_version(
    listed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = listed.split(".")[1:]
    place = tmp_path.joinpath(*parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    if ROOT.joinpath(*parts).is_dir():
        shutil.copytree(ROOT.joinpath(*parts), place, ignore=shutil.ignore_patterns("__pycache__"))
        paths = sorted(place.rglob("*.py"))
    else:
        paths = [Path(shutil.copy(f"{ROOT.joinpath(*parts)}.py", place.parent))]
    monkeypatch.setattr(storage, "PACKAGE", tmp_path)
    versions = {storage.sources_version(listed)}
    for path in paths:
        path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
        versions.add(storage.sources_version(listed))
    assert len(versions) == len(paths) + 1
    if place.is_dir():
        (place / "deeper").mkdir()
        (place / "deeper" / "new.py").write_text("", encoding="utf-8")
        assert storage.sources_version(listed) not in versions
