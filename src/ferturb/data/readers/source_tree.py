"""A tree of files to read faces from: a folder, a zip archive, or one single file.

All three look the same to the readers: a sorted list of members with forward slashes. Nothing
of an archive is ever written to disk, so a member's name can do no harm.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ferturb.base.errors import FerturbError, first_line

MAX_MEMBERS = 2_000_000
"""A tree with more files than this is taken for a mistake (or an attack) and refused."""
MAX_BYTES = 64 * 2**30
"""Largest total size of an archive's members, unpacked."""
MAX_TABLE_BYTES = 4 * 2**30
"""Largest single table (CSV, parquet), unpacked."""


@dataclass(frozen=True)
class SourceTree(contextlib.AbstractContextManager["SourceTree"]):
    """The files of a source: ``members`` maps a name to its size in bytes, sorted by name.

    ``folders`` are the names of all folders, empty ones too. ``open`` gives a binary stream of
    one member; several threads may open members at the same time.
    """

    path: Path
    members: dict[str, int]
    folders: frozenset[str]
    open: Callable[[str], io.BufferedIOBase] = field(repr=False)
    close: Callable[[], None] = field(repr=False, default=lambda: None)

    def read(self, name: str, limit: int = MAX_TABLE_BYTES) -> bytes:
        """All bytes of one member; one larger than `limit` bytes raises `FerturbError`."""
        with self.open(name) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise FerturbError(f"{name} is larger than {limit:,} bytes; too large to read")
        return data

    def with_suffix(self, *suffixes: str) -> tuple[str, ...]:
        """The members whose names end in one of these suffixes, any case, sorted."""
        return tuple(name for name in self.members if name.lower().endswith(suffixes))

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def parsing(where: str, form: str) -> Iterator[None]:
    """Turn whatever a library or a damaged archive raises at a file into `FerturbError`."""
    try:
        yield
    except FerturbError:
        raise
    except Exception as error:
        raise FerturbError(
            f"{where} can't be read as {form} ({first_line(error)[:160]}); "
            "copy or download it again"
        ) from error


def open_tree(path: Path) -> SourceTree:
    """The tree at `path`: a folder, a zip archive (told by its content), or one file.

    A missing path, a damaged or oversized archive and a file that can't be read raise
    `FerturbError`.
    """
    try:
        if path.is_dir():
            files, folders = walk_files(path)
            members = {name: files[name].st_size for name in sorted(files)}
            return SourceTree(path, members, frozenset(folders), lambda n: (path / n).open("rb"))
        if not path.exists():
            raise FerturbError(
                f"{path} does not exist; give the path of a zip, folder, CSV or parquet file, "
                "or 'synthetic'"
            )
        with path.open("rb") as stream:
            start = stream.read(4)
        if start[:2] == b"PK" or path.suffix.lower() == ".zip":
            return _zip_tree(path)
        size = path.stat().st_size
        return SourceTree(path, {path.name: size}, frozenset(), lambda _: path.open("rb"))
    except OSError as error:
        raise FerturbError(f"can't read {path}: {error.strerror or error}") from error


def walk_files(folder: Path) -> tuple[dict[str, os.stat_result], set[str]]:
    """(file name → stat, folder names) below `folder`, hidden ones left out, links followed."""
    files: dict[str, os.stat_result] = {}
    folders: set[str] = set()
    seen: set[str] = set()
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        real = os.path.realpath(folder / inside)
        if real in seen:
            continue
        seen.add(real)
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                name = f"{inside}/{entry.name}" if inside else entry.name
                if _is_hidden(name):
                    continue
                if entry.is_dir():
                    folders.add(name)
                    waiting.append(name)
                elif entry.is_file():
                    files[name] = entry.stat()
        if len(files) > MAX_MEMBERS:
            raise FerturbError(
                f"{folder} holds more than {MAX_MEMBERS:,} files; give the folder of one dataset"
            )
    return files, folders


def _zip_tree(path: Path) -> SourceTree:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise FerturbError(
            f"{path} is not a complete zip archive ({error}); copy or download it again"
        ) from error
    infos = {info.filename.replace("\\", "/"): info for info in archive.infolist()}
    infos = {name: info for name, info in infos.items() if not _is_hidden(name)}
    total = sum(info.file_size for info in infos.values())
    if len(infos) > MAX_MEMBERS or total > MAX_BYTES:
        archive.close()
        raise FerturbError(
            f"{path} unpacks to {len(infos):,} files and {total:,} bytes; "
            f"at most {MAX_MEMBERS:,} files and {MAX_BYTES:,} bytes are read"
        )
    members = {name: infos[name].file_size for name in sorted(infos) if not name.endswith("/")}
    folders = {name.rstrip("/") for name in infos if name.endswith("/")}
    for name in members:
        parts = name.split("/")[:-1]
        folders.update("/".join(parts[: i + 1]) for i in range(len(parts)))
    return SourceTree(
        path,
        members,
        frozenset(folders),
        lambda name: cast("io.BufferedIOBase", archive.open(infos[name])),
        archive.close,
    )


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
