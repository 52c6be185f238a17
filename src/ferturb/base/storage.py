"""Writing files so that a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferturb.base.errors import FerturbError, first_line

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = Path(__file__).parents[1]
"""Where the package's programs lie."""
_WRITTEN = frozenset({".json", ".csv", ".npz", ".safetensors"})
"""What is written into run folders; `atomic_path` puts a dot before and a suffix behind."""


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing there into `FerturbError`."""
    try:
        yield
    except OSError as error:
        raise FerturbError(
            f"can't write {path}: {error.strerror or error}; "
            "give a folder that can be written and has space"
        ) from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; on leaving it is flushed to disk and renamed onto `path`.

    On any error the temporary file is removed and `path` stays as it was. A full disk or a
    folder that can't be written raises `FerturbError`.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # here: safetensors puts a file of its own in place
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(folder: Path, doing: str) -> Iterator[None]:
    """Hold a folder against other processes that ask the same; the lock ends with the process.

    A folder that is held raises `FerturbError`, which says what the other is `doing`.
    """
    from filelock import FileLock, Timeout

    path = folder / ".lock"
    with _writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise FerturbError(
                f"another process is {doing} {folder}; wait for it or stop it first"
            ) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A new temporary folder beside `folder`; on leaving it is renamed onto `folder`.

    `folder` must not exist or be empty. On any error the temporary folder is removed; one that
    can't be written raises `FerturbError`.
    """
    temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}"
    with _writing(folder):
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise FerturbError(
                f"{folder} already exists and is not an empty folder; give one that does not"
            )
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a process killed in the middle of a write left in a folder."""
    for path in folder.glob(".*"):
        if path.is_file() and (path.with_name(path.stem[1:])).suffix in _WRITTEN:
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically (UTF-8)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_rows(
    path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()
) -> None:
    """Replace a CSV file; without `columns` it has all keys of the rows, as they come up."""
    text = io.StringIO()
    names = list(columns or dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a binary file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically, indented, with a newline at the end."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a missing or damaged file raises `FerturbError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FerturbError(f"can't read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise FerturbError(f"{path} is not JSON: {error}") from error


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and a JSON description into one safetensors file, atomically."""
    from safetensors.torch import save_file

    ready = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(ready, temporary, metadata={"ferturb": json.dumps(meta)})
        except Exception as error:  # safetensors turns a full disk into its own exception
            if isinstance(error, OSError):
                raise
            raise OSError(str(error)) from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote: (tensors, description).

    Anything but a safetensors file (a pickle, a truncated file) raises `FerturbError`; nothing
    is ever unpickled.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("ferturb", "{}"))
            return {key: file.get_tensor(key) for key in file.keys()}, meta  # noqa: SIM118
    except FileNotFoundError as error:
        raise FerturbError(f"{path} does not exist") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise FerturbError(
            f"{path} is not a safetensors file ({first_line(error)}); ferturb loads weights from "
            "safetensors only and never unpickles: convert the checkpoint first"
        ) from error


def sources_version(*names: str) -> str:
    """A hash of the programs of these packages and modules of ferturb, with all below them.

    What is kept in a cache is kept under it, and so never outlives a change of what made it.

    >>> sources_version("ferturb.base.errors") == sources_version("ferturb.base.errors")
    True
    """
    digest = hashlib.sha256()
    for name in names:
        place = PACKAGE.joinpath(*name.split(".")[1:])
        paths = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        for path in paths:
            digest.update(f"{path.relative_to(PACKAGE).as_posix()} ".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
