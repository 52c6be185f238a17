"""Whether other machines see a study's folder, and its locks."""

from __future__ import annotations

import contextlib
import socket
import uuid
from pathlib import Path

from ferturb.base.locks import held
from ferturb.base.storage import require_folder, write_text

TOKEN = ".shared"


def mark(folder: Path) -> str:
    """Put a token into a folder by which others know that they see the same one."""
    require_folder(folder)
    path, token = folder / TOKEN, uuid.uuid4().hex
    with contextlib.suppress(OSError):
        token = path.read_text() or token
    write_text(path, token)
    return token


def not_shared(folder: Path, token: str, locks: bool = False) -> str:
    """What this machine doesn't see of a marked folder, "" if nothing; with `locks` it is held
    (`ferturb.base.locks.alone`), and that is to be seen too."""
    here = f"on {socket.gethostname()}"
    try:
        seen = (folder / TOKEN).read_text()
    except OSError:
        seen = ""
    if seen != token:
        return (
            f"{folder} is not the study's folder {here}; give --out a folder that all machines "
            "share, under the same path"
        )
    if locks and not held(folder):
        return (
            f"a lock in {folder} is not seen {here}, so that two machines could train one run; "
            "mount the folder with locks (NFS 4, or Lustre with -o flock)"
        )
    return ""
