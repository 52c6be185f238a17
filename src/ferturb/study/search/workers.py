"""More processes on the same search: each takes trials of its own from the storage they share."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ferturb.study import process


@contextlib.contextmanager
def helped_by(
    folder: Path, count: int, threads: int, options: Sequence[str] = ()
) -> Iterator[None]:
    """Within, so many more processes of this machine take part in a folder's search, with these
    options of `ferturb search`.

    On leaving they are waited for, or stopped where it is an error; what they print is in
    FOLDER/worker-N.log. They end when this process does.
    """
    helpers = [_started(folder, number, threads, options) for number in range(1, count + 1)]
    try:
        yield
        for helper in helpers:
            helper.wait()
    finally:
        for helper in helpers:
            helper.terminate()
            helper.wait()


def _started(
    folder: Path, number: int, threads: int, options: Sequence[str]
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ferturb", "search", "--join", str(folder), "--quiet"]
    command += ["--workers", "1", *options]
    with (folder / f"worker-{number}.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), process._BOUND: "1"},
            start_new_session=True,
        )
