"""Pieces done by processes of this machine, one a core, each with a predictor of its own."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from ferturb.base.errors import FerturbError
from ferturb.predict.many.job import Counts, Work
from ferturb.predict.many.pieces import Piece
from ferturb.predict.predictor import Predictor

_OPEN: dict[str, tuple[Work, Predictor]] = {}
"""In a process of the pool: what it works on."""


def in_processes(work: Work, pieces: Iterable[Piece], workers: int) -> Iterator[Counts]:
    """The counts of each piece as it is done; one worker is this process itself."""
    if workers == 1:
        predictor = work.make()
        yield from (work.do(piece, predictor) for piece in pieces)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start, (work,))
    try:
        waiting = iter(pieces)
        running: set[Future[Counts]] = set()
        while True:
            running |= {pool.submit(_do, p) for p in islice(waiting, 2 * workers - len(running))}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise FerturbError(
            "a process ended before its piece was done (was it killed, or out of memory?); "
            "give the same command again to go on, with fewer --workers if memory was short"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(work: Work) -> None:
    """Open the predictor, and end as soon as the process that started this one is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    _OPEN["work"] = work, work.make()


def _do(piece: Piece) -> Counts:
    work, predictor = _OPEN["work"]
    return work.do(piece, predictor)
