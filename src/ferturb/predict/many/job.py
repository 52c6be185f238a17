"""A prediction in pieces: planned once, done by any number of processes, resumed where it ended.

OUT/_plan.json          what was asked for, and the pieces
OUT/_files.jsonl        the files, one a line
OUT/part-000000.parquet one row a face, one file a piece, there once it is whole
OUT/_done.json          how many photos, and how many could not be read, once all is done
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferturb.base.errors import FerturbError
from ferturb.base.leftovers import remove_leftovers
from ferturb.base.locks import alone
from ferturb.base.reading import is_there
from ferturb.base.storage import require_folder, write_json
from ferturb.predict.many.pieces import PLAN, Piece, Plan, files_of, planned, rows_of
from ferturb.predict.many.tables import write_part
from ferturb.predict.predictor import Predictor
from ferturb.predict.reading import Reading

PIECE = 1000
DONE = "_done.json"


Counts = tuple[int, int]
"""Photos, and how many of them could not be read."""


@dataclass(frozen=True)
class Work:
    """What every process is told: how pieces become parts. It is pickled to get there."""

    folder: Path
    make: Callable[[], Predictor]
    """Opens the predictor, once a process; of one thread, since every core has a process."""
    reading: Reading
    column: str | None = None
    """The column of photos in parquet files; None looks for one of the usual names."""

    def do(self, piece: Piece, predictor: Predictor) -> Counts:
        """Predict a piece and write its part."""
        if piece.table is None:
            photos = predictor.predict_files(files_of(piece, self.folder), self.reading)
        else:
            rows = rows_of(piece, self.column)
            photos = predictor.predict_stored(rows, self.reading.cropped)
        return write_part(piece.part(self.folder), photos)


Executor = Callable[[Work, Iterable[Piece], int], Iterator[Counts]]
"""Does pieces somewhere, with so many workers; the counts of each as it is done, in any order."""


@dataclass(frozen=True)
class Total:
    """What a prediction has looked at."""

    photos: int
    failed: int
    """Photos that could not be read: rows with an `error`."""
    parts: int


def predict_many(
    paths: Iterable[Path],
    work: Work,
    executor: Executor,
    workers: int,
    asked: dict[str, Any],
    size: int = PIECE,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_notes: Callable[[Sequence[str]], None] = lambda notes: None,
) -> Total:
    """Predict what is not done yet, in pieces of `size` photos; `on_progress` takes photos, and
    `on_notes` what was passed over in folders, a line each.

    `asked` names inputs and options; a folder that holds another prediction raises `FerturbError`.
    The files are those that were there when the prediction began.
    """
    folder = work.folder
    require_folder(folder)
    with alone(folder, "predicting into"):
        remove_leftovers(folder)
        if is_there(folder / PLAN):
            plan = Plan.read(folder)
            if plan.asked != asked:
                raise FerturbError(
                    f"{folder} already holds another prediction; give its own options again to go "
                    "on, or another folder"
                )
        else:
            plan = planned(paths, folder, asked, size)
        on_notes(plan.notes)
        if not plan.pieces:
            raise FerturbError("there are no photos and no parquet files there")
        return _done(plan, work, executor, workers, on_progress)


def _done(
    plan: Plan,
    work: Work,
    executor: Executor,
    workers: int,
    on_progress: Callable[[int, int], None],
) -> Total:
    waiting = [p for p in plan.pieces if not p.part(work.folder).exists()]
    total = sum(piece.photos for piece in plan.pieces)
    done = total - sum(piece.photos for piece in waiting)
    on_progress(done, total)
    for photos, _ in executor(work, waiting, workers):
        done += photos
        on_progress(min(done, total), total)
    failed = sum(_failed(piece.part(work.folder)) for piece in plan.pieces)
    found = Total(total, failed, len(plan.pieces))
    write_json(work.folder / DONE, vars(found))
    return found


def _failed(part: Path) -> int:
    """How many photos of a part could not be read, by its column's statistics alone."""
    import pyarrow.parquet as pq

    with part.open("rb") as stream:
        metadata = pq.ParquetFile(stream).metadata
    place = metadata.schema.names.index("error")
    groups = (metadata.row_group(i).column(place) for i in range(metadata.num_row_groups))
    return sum(g.num_values - g.statistics.null_count for g in groups if g.statistics is not None)
