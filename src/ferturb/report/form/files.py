"""Tables and pictures as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ferturb.base.storage import write_bytes
from ferturb.base.text import encodable
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table


def write_items(items: Sequence[Table | Picture], folder: Path) -> list[Path]:
    """Write tables as CSV and LaTeX and pictures as PNG into a folder; the files, in order."""
    contents: dict[Path, bytes] = {}
    for item in items:
        if isinstance(item, Table):
            contents[folder / f"{item.key}.csv"] = encodable(item.to_csv()).encode()
            contents[folder / f"{item.key}.tex"] = encodable(item.to_latex()).encode()
        else:
            contents[folder / f"{item.key}.png"] = item.png
    for path, content in contents.items():
        write_bytes(path, content)
    return list(contents)
