"""Work shared out among threads, for work that leaves Python while it lasts.

onnxruntime does: several threads may run one session at a time. On faces of 48×48 pixels a session
of one thread is as fast as one of two, whose threads wait for each other, so N cores give nearly N
times one only where each takes parts of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def shared_out(function: Callable[[T], R], parts: Sequence[T], threads: int) -> list[R]:
    """`function` of every part, in order; the first error in that order is raised.

    The threads live no longer than the call, so that a process may be forked at any other time.

    >>> shared_out(abs, [-1, 2, -3], threads=2)
    [1, 2, 3]
    """
    at_once = min(threads, len(parts))
    if at_once < 2:
        return [function(part) for part in parts]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(function, parts))
