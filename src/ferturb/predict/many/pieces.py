"""What is looked at, cut into pieces that are done one by one: files, or rows of parquet files.

The list of files lies on the disk, one a line, and of a parquet file only its footer is read, so
that the plan for ten million faces needs no memory for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ferturb.base.config.fields import build
from ferturb.base.errors import FerturbError
from ferturb.base.image_formats import SUFFIXES
from ferturb.base.reading import reading
from ferturb.base.storage import atomic_path, read_object, write_json
from ferturb.predict.files import walked
from ferturb.predict.many.tables import image_column
from ferturb.predict.video import SUFFIXES as VIDEOS

PLAN, FILES = "_plan.json", "_files.jsonl"
"""Named so that readers of parquet folders pass them over."""
TABLE = ".parquet"
_HINTS = {
    "video": ": --out takes photos and parquet files",
    "file": ": no image or table by its suffix",
}


@dataclass(frozen=True)
class Piece:
    """Photos that are looked at together, and whose rows make one file."""

    number: int
    """From 0."""
    photos: int
    start: int
    """The byte of the list of files where it begins, or the row of its row group."""
    table: str | None = None
    """The parquet file; None for files of the list."""
    group: int = 0
    """Its row group."""

    def part(self, folder: Path) -> Path:
        """Where its rows are written."""
        return folder / f"part-{self.number:06d}.parquet"


@dataclass(frozen=True)
class Plan:
    """What was asked for, the pieces, and what is none."""

    asked: dict[str, Any]
    """Inputs and options, as the command gave them: another command's folder is refused."""
    pieces: tuple[Piece, ...]
    notes: tuple[str, ...] = ()
    """What was passed over in folders, a line each."""

    def write(self, folder: Path) -> None:
        """Keep it in the folder."""
        pieces = [list(asdict(piece).values()) for piece in self.pieces]
        write_json(folder / PLAN, {"asked": self.asked, "pieces": pieces, "notes": self.notes})

    @staticmethod
    def read(folder: Path) -> Plan:
        """The plan of a folder."""
        with reading(folder / PLAN, "the plan of a prediction", "remove its folder"):
            data = read_object(folder / PLAN)
            names = Piece.__dataclass_fields__
            pieces = (build(Piece, dict(zip(names, p, strict=True))) for p in data["pieces"])
            return Plan(dict(data["asked"]), tuple(pieces), tuple(data.get("notes", ())))


def planned(paths: Iterable[Path], folder: Path, asked: dict[str, Any], size: int) -> Plan:
    """The plan for these files and folders, in pieces of `size` photos at most.

    Files come in the order of the paths, those of a folder by name; a video raises `FerturbError`.
    """
    pieces: list[Piece] = []
    notes: list[str] = []
    with atomic_path(folder / FILES) as temporary, temporary.open("wb") as listed:
        start = count = 0

        def close() -> None:
            nonlocal start, count
            if count:
                pieces.append(Piece(len(pieces), count, start))
            start, count = listed.tell(), 0

        for path in walked(paths, {*SUFFIXES, TABLE}, notes, _HINTS):
            if path.suffix.lower() in VIDEOS:
                raise FerturbError(f"{path} is a video; --out takes photos and parquet files")
            if path.suffix.lower() == TABLE:
                close()
                pieces += _of_table(path, len(pieces), size)
            else:
                listed.write(json.dumps(str(path)).encode() + b"\n")
                count += 1
                if count == size:
                    close()
        close()
    plan = Plan(asked, tuple(pieces), tuple(notes))
    plan.write(folder)
    return plan


def files_of(piece: Piece, folder: Path) -> list[Path]:
    """The files of a piece of the list."""
    with (folder / FILES).open("rb") as listed:
        listed.seek(piece.start)
        return [Path(json.loads(line)) for line in islice(listed, piece.photos)]


def rows_of(piece: Piece, column: str | None) -> Iterator[tuple[str, Any]]:
    """Name and cell of each row of a piece of a parquet file; the name is ``FILE#ROW``."""
    import pyarrow.parquet as pq

    assert piece.table is not None
    path = Path(piece.table)  # opened here: pyarrow takes no name that is not UTF-8
    with reading(path, "a parquet file", "restore it"), path.open("rb") as stream:
        file = pq.ParquetFile(stream)
        metadata = file.metadata
        before = sum(metadata.row_group(i).num_rows for i in range(piece.group))
        chosen = image_column(file.schema_arrow.names, column, piece.table)
        row, last = 0, piece.start + piece.photos
        for batch in file.iter_batches(64, row_groups=[piece.group], columns=[chosen]):
            if row + len(batch) > piece.start:
                for i, cell in enumerate(batch.column(0), row):
                    if piece.start <= i < last:
                        yield f"{piece.table}#{before + i}", cell.as_py()
            row += len(batch)
            if row >= last:
                return


def _of_table(path: Path, first: int, size: int) -> list[Piece]:
    import pyarrow.parquet as pq

    with reading(path, "a parquet file", "restore it, or leave it out"), path.open("rb") as stream:
        metadata = pq.ParquetFile(stream).metadata
    groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    cut = [
        (min(size, rows - start), start, str(path), group)
        for group, rows in enumerate(groups)
        for start in range(0, rows, size)
    ]
    return [Piece(number, *one) for number, one in enumerate(cut, first)]
