"""More processes on the same search: each takes trials of its own from the storage they share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ferturb.study.process import start_process, stop_all


@contextlib.contextmanager
def helped_by(
    folder: Path, count: int, threads: int, options: Sequence[str] = ()
) -> Iterator[None]:
    """Within, so many more processes of this machine take part in a folder's search, with these
    options of `ferturb search`.

    On leaving they are waited for, or stopped where it is an error; what they print is in
    FOLDER/worker-N.log. They end when this process does.
    """
    words = ["ferturb", "search", "--join", str(folder), "--quiet", "--workers", "1", *options]
    logs = [folder / f"worker-{number}.log" for number in range(1, count + 1)]
    helpers = [start_process(words, log, threads) for log in logs]
    try:
        yield
        for helper in helpers:
            helper.process.wait()
    finally:
        stop_all(helpers)
