"""The predictor on a machine without torch: its import is blocked, and everything goes on."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import ferturb
from ferturb.base.installation import install
from ferturb.data.drawn.synthetic import draw
from made_photos import encoded, portrait
from without_torch import HEAVY, without_torch

ROOT = Path(ferturb.__file__).parent


class Imports(ast.NodeVisitor):
    """The modules that a file imports, at any depth, but for what type checkers alone see."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        self.found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)


def imports(text: str) -> set[str]:
    visitor = Imports()
    visitor.visit(ast.parse(text))
    return visitor.found


def packages(text: str) -> set[str]:
    return {name.split(".")[0] for name in imports(text)}


def files_behind(*rooms: str) -> list[Path]:
    """The files of some rooms, and those of ferturb that they import, and so on."""
    found: set[Path] = set()
    new = {path for room in rooms for path in (ROOT / room).rglob("*.py")}
    while new:
        found |= new
        names = {n for path in new for n in imports(path.read_text(encoding="utf-8"))}
        places = {ROOT.joinpath(*n.split(".")[1:]) for n in names if n.startswith("ferturb.")}
        files = {f for p in places for f in (p.with_suffix(".py"), p / "__init__.py")}
        new = {f for f in files if f.exists()} - found
    return sorted(found)


@pytest.mark.parametrize(
    "path", files_behind("predict", "web"), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_nothing_heavy_is_imported_not_even_lazily(path: Path) -> None:
    assert packages(path.read_text(encoding="utf-8")).isdisjoint(HEAVY)


def test_the_check_sees_an_import_in_a_function_and_not_a_type_checkers() -> None:
    lazy = "def f():\n    try:\n        from torch.nn import a\n    finally:\n        import timm"
    assert packages(lazy) == {"torch", "timm"}
    assert packages("if TYPE_CHECKING:\n    import jaxtyping\nif x:\n    import onnx") == {"onnx"}


def test_predict_works_without_torch(tmp_path: Path) -> None:
    photo, _ = portrait(2)
    (tmp_path / "photo.png").write_bytes(encoded(photo))
    done = without_torch("predict", str(tmp_path / "photo.png"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 1
    assert len(found[0]["faces"]) == 2
    assert abs(sum(found[0]["faces"][0]["probabilities"].values()) - 1) < 1e-3


def test_cropped_and_annotated_too(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(encoded(draw(1, seed=1).images.numpy()[0]))
    out = tmp_path / "out"
    done = without_torch("predict", str(path), "--cropped", "--annotate", str(out))
    assert done.returncode == 0, done.stderr
    assert "1 face" in done.stdout
    assert len(list(out.glob("*face.png"))) == 1


def test_what_needs_torch_says_so_in_one_line() -> None:
    for arguments in (("train",), ("data", "info", "synthetic"), ("export", "--out", "a.onnx")):
        done = without_torch(*arguments)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert install("train") in done.stderr


def test_the_library_predicts_and_asks_what_if_without_them() -> None:
    code = """
import json
import numpy as np
import ferturb
model = ferturb.load_pretrained("clean")
predictor = ferturb.Predictor(model)
face = (np.arange(48 * 48).reshape(48, 48) % 251).astype(np.uint8)
(photo,) = predictor.predict([face.repeat(4, 0).repeat(4, 1)], cropped=True)
changed = predictor.what_if(photo.faces[0].face, ["mouth", "eyes"])
print(json.dumps([photo.faces[0].probabilities, changed]))
"""
    done = without_torch(code=code)
    assert done.returncode == 0, done.stderr
    probabilities, changed = json.loads(done.stdout)
    assert list(changed) == ["", "mouth", "eyes"]
    assert changed[""] == pytest.approx(probabilities, abs=1e-5)
    assert all(abs(sum(row.values()) - 1) < 1e-5 for row in changed.values())


def test_a_run_folder_asks_for_torch_in_one_line(tmp_path: Path) -> None:
    done = without_torch("predict", "photo.jpg", "--model", str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert install("train") in done.stderr
