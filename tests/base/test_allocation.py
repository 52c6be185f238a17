"""Freed memory that is kept: the system clears its pages once, not at every use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ferturb.base.allocation import keep_freed_memory

CODE = """
import resource, sys
from ferturb.base.allocation import keep_freed_memory
told = keep_freed_memory() if sys.argv[1] == "kept" else None
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    b"x" * (1 << 26)
print(told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """How often the system was asked for a page."""
    command = [sys.executable, "-c", CODE, how]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    told, count = ran.stdout.split()
    assert told == {"kept": "True", "given back": "None"}[how]
    return int(count)


@pytest.mark.skipif(not keep_freed_memory(), reason="a C library that can't be told")
def test_pages_are_cleared_once() -> None:
    assert 5 * faults("kept") < faults("given back")


def test_elsewhere_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert keep_freed_memory() is False
