from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("torch", "torchvision", "numpy", "timm", "matplotlib", "pandas", "sklearn", "PIL")

CODE = """
import json, sys, time
start = time.process_time()
import ferturb{more}
seconds = time.process_time() - start
print(json.dumps([seconds, sorted(sys.modules)]))
"""


def fresh(more: str = "") -> tuple[float, set[str]]:
    """Processor seconds of the import in a new interpreter, and the modules it loaded."""
    out = subprocess.run(
        [sys.executable, "-c", CODE.format(more=more)], capture_output=True, text=True, check=True
    )
    seconds, modules = json.loads(out.stdout)
    return seconds, set(modules)


def test_import_ferturb_is_quick_and_loads_nothing_heavy() -> None:
    seconds, modules = fresh()
    assert "ferturb" in modules
    assert modules.isdisjoint(HEAVY)
    assert seconds < 0.2


def test_names_and_configs_need_nothing_heavy_either() -> None:
    seconds, modules = fresh(
        ".base.config, ferturb.base.emotions, ferturb.base.errors, ferturb.base.storage"
    )
    assert modules.isdisjoint(HEAVY)
    assert seconds < 0.4
