from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ferturb.base import errors
from without_torch import without_torch

ROOT = Path(__file__).parents[1]

HEAVY = ("torch", "torchvision", "numpy", "timm", "matplotlib", "jaxtyping", "PIL")


@pytest.mark.parametrize(
    "modules",
    [
        "ferturb",
        "ferturb.cli.main",
        "ferturb.base.config, ferturb.base.emotions, ferturb.base.errors, ferturb.base.storage",
    ],
)
def test_what_every_command_imports_loads_nothing_heavy(modules: str) -> None:
    code = f"import {modules}, json, sys; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(out.stdout))
    assert "ferturb" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_every_public_name_is_there_or_says_what_to_install() -> None:
    code = """
import json, ferturb
said = {}
for name in ferturb.__all__:
    try:
        getattr(ferturb, name)
    except ferturb.FerturbError as error:
        assert isinstance(error, ImportError)
        said[name] = str(error)
print(json.dumps(said))
"""
    done = without_torch(code=code)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {"load_faces", "Faces", "Run", "Classifier"} <= set(said)
    assert not {"Predictor", "load_pretrained", "EMOTIONS", "RunConfig"} & set(said)
    assert all(re.fullmatch(r"this needs the package \w+; pip install '.+\[train\]'", text)
               for text in said.values())  # fmt: skip


def test_every_hint_names_an_extra_that_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    places = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    named = {
        extra
        for path in places
        for found in re.findall(
            r"'\.\[([a-z,]+)\]'|install\([\"']([a-z]+)", path.read_text(encoding="utf-8")
        )
        for extra in "".join(found).split(",")
    }
    named |= {"train", *errors._EXTRAS.values()}
    assert {"app", "video"} <= named <= set(project["optional-dependencies"])
