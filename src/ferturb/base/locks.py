"""Holding a folder against other processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ferturb.base.errors import FerturbError
from ferturb.base.storage import writing

_PATIENCE_SECONDS = 1.0
"""Longer than `held` takes: it must hold a folder to see whether another one does."""


@contextlib.contextmanager
def alone(folder: Path, doing: str) -> Iterator[None]:
    """Hold a folder against other processes that ask the same; the lock ends with the process.

    A folder that is held raises `FerturbError`, which says what the other is `doing`.
    """
    from filelock import FileLock, Timeout

    path = folder / ".lock"
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=_PATIENCE_SECONDS)
        try:
            lock.acquire(poll_interval=0.02)
        except Timeout:
            raise FerturbError(
                f"another process is {doing} {folder}; wait for it or stop it first"
            ) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def held(folder: Path) -> bool:
    """Whether another process, or another part of this one, holds a folder by `alone` now."""
    from filelock import FileLock, Timeout

    path = folder / ".lock"
    if not path.exists():
        return False
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return True
    lock.release()
    return False
