"""Memory that is freed stays with the process that will soon want it again.

The C library of most Linux systems (glibc) gives large arrays back to the system as soon as they
are freed, and the system clears every page that it hands out again. A training step on a CPU
allocates and frees gigabytes: a fifth of its time went there. Numbers don't change; a process keeps
the most memory that it ever needed, up to 2 GiB more than it uses now.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM, _MMAP = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of malloc.h."""
_KEPT = 2**31 - 1
"""Bytes that may lie free at the heap's end."""
_OWN = 2**30
"""Bytes from which on an array gets a mapping of its own, which goes when it does."""


def keep_freed_memory() -> bool:
    """Let this process keep what it frees. False where the C library can't be told."""
    if not sys.platform.startswith("linux"):
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(_MMAP, _OWN) and tell(_TRIM, _KEPT))
