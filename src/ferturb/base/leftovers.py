"""Temporary files that say whose they are, so that what a killed process left can be told."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import uuid
from pathlib import Path

_swept: set[Path] = set()
"""The folders that this process has cleared of what dead ones left."""


def temporary_path(folder: Path) -> Path:
    """A new name in a folder that says which process it belongs to.

    What dead processes of this machine left there is removed before the first.
    """
    if folder not in _swept:
        _swept.add(folder)
        remove_leftovers(folder, only_dead=True)
    owner = f"{socket.gethostname()}-{os.getpid()}"
    return folder / f".ferturb-{owner}-{uuid.uuid4().hex[:8]}.tmp"


def remove_leftovers(folder: Path, only_dead: bool = False) -> None:
    """Remove the temporary files and folders of others' writes, all or those of dead processes."""
    for path in folder.glob(".ferturb-*-*-*.tmp"):
        host, process, _ = path.name.removeprefix(".ferturb-").rsplit("-", 2)
        if not only_dead or (host == socket.gethostname() and not _alive(process)):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _alive(process: str) -> bool:
    """Whether a process of this machine lives, as far as can be told."""
    if sys.platform == "win32" or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
