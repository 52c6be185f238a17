"""A process in which torch and its kin can't be imported."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "torchvision", "timm", "jaxtyping", "scipy", "sklearn", "matplotlib", "onnx")

BLOCK = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocked())
"""
"""What such a process runs first."""
VERB = """
from ferturb.cli.main import main
main(sys.argv[1:])
"""


def without_torch(*arguments: str, code: str = VERB) -> subprocess.CompletedProcess[str]:
    """The command line, or another program, without torch."""
    command = [sys.executable, "-c", BLOCK + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
