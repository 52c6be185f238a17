from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
