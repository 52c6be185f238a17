"""The columns of parquet files: those that are read, and those that are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ferturb.base.errors import FerturbError
from ferturb.base.storage import atomic_path
from ferturb.base.text import encodable
from ferturb.predict.results import PhotoPrediction
from ferturb.predict.tabular import COLUMNS, rows_of

IMAGES = ("image", "img", "photo", "picture", "face", "pixels")
"""Names of a column that holds photos, in the order in which they are looked for."""
_TEXTS = ("name", "emotion", "most_probable", "error", "model", "head", "version")
_WHOLE = ("frame", "face", "track")


def image_column(names: Sequence[str], given: str | None, table: str) -> str:
    """The column that holds the photos; `FerturbError` where there is none."""
    known = IMAGES if given is None else (given,)
    for name in known:
        if name in names:
            return name
    raise FerturbError(
        f"{table}: expected a column {' or '.join(known)}, found {', '.join(list(names)[:8])}; "
        "name the photos' column with --column"
    )


def write_part(path: Path, photos: Iterable[PhotoPrediction]) -> tuple[int, int]:
    """Write one row a face, and one for a photo without any, at once; how many photos, and how
    many of them could not be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    seen = failed = 0
    for photo in photos:
        rows += rows_of(photo)
        seen, failed = seen + 1, failed + (photo.error is not None)
    columns = {name: [_encodable(row.get(name)) for row in rows] for name in COLUMNS}
    table = pa.table(columns, schema=pa.schema([(name, _kind(pa, name)) for name in COLUMNS]))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
    return seen, failed


def _encodable(value: Any) -> Any:
    return encodable(value) if isinstance(value, str) else value  # a file's name need not be UTF-8


def _kind(pa: Any, name: str) -> Any:
    if name in _TEXTS:
        return pa.string()
    return pa.int32() if name in _WHOLE else pa.float64() if name == "seconds" else pa.float32()
