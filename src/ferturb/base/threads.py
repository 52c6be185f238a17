"""Threads that wait for each other sleep, and how many cores there are to compute on.

OpenMP's threads spin while they wait, unless a variable of the environment says otherwise before
the first library that uses it is loaded. Where more threads than cores want to compute, those that
spin take the time of those that work. So the variable is set when `ferturb` is imported, and the
processes that it starts inherit it.
"""

from __future__ import annotations

import os

POLICY = "OMP_WAIT_POLICY"


def wait_asleep() -> None:
    """Let waiting threads sleep, unless the environment says otherwise."""
    os.environ.setdefault(POLICY, "PASSIVE")


def usable_cores() -> int:
    """The cores that this process may compute on, at least one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
