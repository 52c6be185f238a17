"""Pieces done by actors of a Ray cluster through Ray Data, each with a predictor of its own.

The cluster is that of RAY_ADDRESS, or one that is started on this machine. The output folder and
the photos have to lie where every node sees them under the same name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from ferturb.base.config.fields import build
from ferturb.base.errors import FerturbError
from ferturb.base.ray_cluster import connected
from ferturb.predict.many.job import Counts, Work
from ferturb.predict.many.pieces import Piece


class _Actor:
    """One predictor, opened once, that does piece after piece."""

    def __init__(self, work: Work) -> None:
        self.work, self.predictor = work, work.make()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        photos, failed = self.work.do(build(Piece, row), self.predictor)
        return {"photos": photos, "failed": failed}


def on_ray(work: Work, pieces: Iterable[Piece], workers: int) -> Iterator[Counts]:
    """The counts of each piece as it is done by one of so many actors."""
    import ray

    actor: Any = _Actor  # a class is what Ray Data keeps open
    rows = [asdict(piece) for piece in pieces]
    if not rows:
        return
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    try:
        with connected(workers + 1):
            ray.data.DataContext.get_current().enable_progress_bars = False  # we have our own
            pieces_on_ray = ray.data.from_items(rows, override_num_blocks=len(rows))
            done = pieces_on_ray.map(
                actor,
                fn_constructor_args=(work,),
                compute=ray.data.ActorPoolStrategy(size=workers),
                num_cpus=1,
            )
            for row in done.iter_rows():
                yield row["photos"], row["failed"]
    except ray.exceptions.RayError as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise FerturbError(
            f"Ray ended the prediction: {said}; give the same command again to go on"
        ) from error
