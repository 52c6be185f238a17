"""A tree of files to read faces from: a folder, a zip archive, or one single file.

All three look the same to the readers: a sorted list of members with forward slashes. Nothing
of an archive is ever written to disk, so a member's name can do no harm.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from ferturb.base.errors import FerturbError, first_line

MAX_MEMBERS = 2_000_000
"""A tree with more files than this is taken for a mistake (or an attack) and refused."""
MAX_BYTES = 64 * 2**30
"""Largest total size of an archive's members, unpacked."""
MAX_TABLE_BYTES = 4 * 2**30
"""Largest single table (CSV, parquet), unpacked."""
MAX_DEPTH = 64
"""A tree with folders nested deeper than this is refused."""

_NO_DATA = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\xfd7zX": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}


@dataclass(frozen=True)
class SourceTree(contextlib.AbstractContextManager["SourceTree"]):
    """The files of a source: ``members`` maps a name to its size in bytes, sorted by name.

    ``folders`` are the names of all folders, empty ones too; ``notes`` say what of the source is
    not among the members. ``open`` gives a binary stream of one member; several threads may open
    members at the same time.
    """

    path: Path
    members: dict[str, int]
    folders: frozenset[str]
    open: Callable[[str], io.BufferedIOBase] = field(repr=False)
    close: Callable[[], None] = field(repr=False, default=lambda: None)
    notes: tuple[str, ...] = ()

    @property
    def single(self) -> bool:
        """Whether the source is one file, or an archive of one."""
        return len(self.members) == 1 and not self.path.is_dir()

    def start(self, name: str, size: int = 32) -> bytes:
        """The first bytes of a member; b"" of one that can't be read."""
        try:
            with self.open(name) as stream:
                return stream.read(size)
        except Exception:  # a damaged archive may fail in any way
            return b""

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

    A missing path, what is neither file nor folder (a pipe, a device), a damaged, encrypted or
    oversized archive and a file that can't be read raise `FerturbError`.
    """
    try:
        if path.is_dir():
            files, folders, notes = walk_files(path)
            members = {name: files[name].st_size for name in sorted(files)}
            opened = partial(_open_in, path)
            return SourceTree(path, members, frozenset(folders), opened, notes=notes)
        if not path.exists():
            raise FerturbError(
                f"{path} does not exist; give the path of a zip, folder, CSV or parquet file, "
                "or 'synthetic'"
            )
        if not path.is_file():
            raise FerturbError(
                f"{path} is no file (a pipe or a device?); give the path of a zip, folder, CSV or "
                "parquet file"
            )
        with path.open("rb") as stream:
            start = stream.read(264)
        if start[:2] == b"PK" or path.suffix.lower() == ".zip":
            return _zip_tree(path)
        packed = [name for magic, name in _PACKED.items() if start.startswith(magic)]
        if packed or start[257:262] == b"ustar":
            form = (packed or ["tar"])[0]
            raise FerturbError(f"{path} is a {form} archive; unpack it and give what was in it")
        size = path.stat().st_size
        return SourceTree(path, {path.name: size}, frozenset(), lambda _: path.open("rb"))
    except OSError as error:
        raise FerturbError(f"can't read {path}: {error.strerror or error}") from error


def _open_in(folder: Path, name: str) -> io.BufferedIOBase:
    return (folder / name).open("rb")


def walk_files(folder: Path) -> tuple[dict[str, os.stat_result], set[str], tuple[str, ...]]:
    """(file name → stat, folder names, notes) below `folder`; hidden ones are left out, links
    followed.

    What can't be looked into, and what is neither file nor folder, is left out and noted. Folders
    nested deeper than `MAX_DEPTH` and more files than `MAX_MEMBERS` raise `FerturbError`.
    """
    files: dict[str, os.stat_result] = {}
    folders: set[str] = set()
    closed: list[str] = []
    strange: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [("", 0)]
    while waiting:
        inside, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise FerturbError(
                f"{folder} has folders nested more than {MAX_DEPTH} deep; "
                "give the folder of one dataset"
            )
        try:
            own = (folder / inside).stat()
            if (own.st_dev, own.st_ino) in seen:
                continue
            seen.add((own.st_dev, own.st_ino))
            with os.scandir(folder / inside) as entries:
                found = list(entries)
        except OSError:
            if not inside:
                raise
            closed.append(inside)
            continue
        for entry in found:
            name = f"{inside}/{entry.name}" if inside else entry.name
            if _is_hidden(entry.name):
                continue
            kind = _stat_of(entry)
            if kind is None or not (stat.S_ISDIR(kind.st_mode) or stat.S_ISREG(kind.st_mode)):
                strange.append(name)
            elif stat.S_ISDIR(kind.st_mode):
                folders.add(name)
                waiting.append((name, depth + 1))
            else:
                files[name] = kind
        if len(files) > MAX_MEMBERS:
            raise FerturbError(
                f"{folder} holds more than {MAX_MEMBERS:,} files; give the folder of one dataset"
            )
    notes = (
        named("{n} folder(s) that may not be read left out", sorted(closed)),
        named("{n} broken link(s), pipe(s) or device(s) left out", sorted(strange)),
    )
    return files, folders, tuple(note for note in notes if note)


def named(what: str, names: Sequence[str]) -> str:
    """A line that counts and names what is left out (the first five); "" for nothing.

    >>> named("{n} file(s) left out", ["a", "b"]), named("{n} file(s) left out", ["a"])
    ('2 files left out: a, b', '1 file left out: a')
    """
    if not names:
        return ""
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    text = what.format(n=f"{len(names):,}").replace("(s)", "s" if len(names) > 1 else "")
    return f"{text}: {shown}"


def _stat_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:  # a broken link, or a ring of links
        return None


def _zip_tree(path: Path) -> SourceTree:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise FerturbError(
            f"{path} is not a complete zip archive ({error}); copy or download it again"
        ) from error
    infos = {_plain(info.filename): info for info in archive.infolist()}
    infos = {name: info for name, info in infos.items() if name and not _is_hidden(name)}
    if any(info.flag_bits & 1 for info in infos.values()):
        archive.close()
        raise FerturbError(f"{path} is encrypted; unpack it with its password and give the folder")
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


def _plain(name: str) -> str:
    """A member's name without the parts that mean nothing (bsdtar begins every name with ./)."""
    parts = name.replace("\\", "/").split("/")
    return "/".join(p for i, p in enumerate(parts) if p != "." and (p or i == len(parts) - 1))


def _is_hidden(name: str) -> bool:
    return any(p.startswith(".") or p.lower() in _NO_DATA for p in name.split("/"))
