"""Tables and pictures as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ferturb.base.storage import write_bytes, write_text
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table


def write_items(items: Sequence[Table | Picture], folder: Path) -> list[Path]:
    """Write tables as CSV and LaTeX and pictures as PNG into a folder; the files, in order."""
    files: list[Path] = []
    for item in items:
        path = folder / item.key
        if isinstance(item, Table):
            write_text(path.with_suffix(".csv"), item.to_csv())
            write_text(path.with_suffix(".tex"), item.to_latex())
            files += [path.with_suffix(".csv"), path.with_suffix(".tex")]
        else:
            write_bytes(path.with_suffix(".png"), item.png)
            files.append(path.with_suffix(".png"))
    return files
