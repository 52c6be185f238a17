"""Writing files so that a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferturb.base.errors import FerturbError
from ferturb.base.leftovers import temporary_path
from ferturb.base.reading import from_home, reading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = Path(__file__).parents[1]
"""Where the package's programs lie."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
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

    On any error the temporary file is removed and `path` stays as it was. A full disk, a folder
    that can't be written, and a device or a pipe in the file's place raise `FerturbError`. A link
    is followed.
    """
    with writing(path):
        require_file(path)
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(path.parent)
        try:
            temporary.touch(mode=0o600, exist_ok=False)
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            with temporary.open("r+b") as file:  # Windows flushes no file that is open to be read
                temporary.chmod(0o666 & ~umask)  # here: safetensors puts a file of its own in place
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A new temporary folder beside `folder`; on leaving it is renamed onto `folder`.

    `folder` must not exist or be empty. On any error the temporary folder is removed; one that
    can't be written raises `FerturbError`.
    """
    with writing(folder):
        require_new(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(folder.parent)
        try:
            temporary.mkdir()
            yield temporary
            temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def require_file(path: Path) -> None:
    """Raise `FerturbError` unless a file can be written there: a file is there, or nothing."""
    with writing(path):
        place = Path(os.path.realpath(path))
        if _taken(place) and not place.is_file():
            raise FerturbError(
                f"can't write {path}: a folder, a device or a pipe is there; give a name for a file"
            )
    require_folder(path.parent)


def require_new(folder: Path) -> None:
    """Raise `FerturbError` unless a folder can be made there: nothing, or an empty one, is there.

    Asked before long work, so that its outcome has a place.
    """
    require_folder(folder)
    if folder.exists() and any(folder.iterdir()):
        raise FerturbError(
            f"{folder} already exists and is not an empty folder; give one that does not"
        )


def require_folder(folder: Path) -> None:
    """Raise `FerturbError` unless files can be written into a folder, there or still to be made."""
    with writing(folder):
        places = (folder, *folder.absolute().parents)
        there = next(place for place in places if _taken(place))
        if not there.is_dir():
            raise FerturbError(
                f"can't write {folder}: {there} is not a folder; give a folder or a new name"
            )
        probe = temporary_path(there)
        probe.touch()
        probe.unlink()


def _taken(path: Path) -> bool:
    """Whether a name is one of something, be it of a link that leads nowhere."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically (UTF-8)."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


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
    """Write JSON atomically, indented, with a newline at the end, and `finite`."""
    data = finite(data)
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        text = json.dumps(data, indent=2, allow_nan=False)  # a file name that is not text
    write_text(path, text + "\n")


def finite(value: object, text: Callable[[str], str] = str) -> object:
    """What JSON holds of a value: null for what is not a finite number, texts as `text` has them.

    >>> finite({"loss": float("nan"), "of": (1, float("inf"), "a")})
    {'loss': None, 'of': [1, None, 'a']}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inside, text) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inside, text) for inside in value]
    return text(value) if isinstance(value, str) else value


def read_json(path: Path) -> Any:
    """Read JSON, that with NaN of an earlier ferturb too; a missing or damaged file raises
    `FerturbError`."""
    with reading(path, "JSON", "restore or remove it"):
        return json.loads(path.read_text(encoding="utf-8"))


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; anything else raises `FerturbError`."""
    data = read_json(path)
    if not isinstance(data, dict):
        kind = type(data).__name__
        raise FerturbError(f"{path} holds {kind}, not a JSON object; restore or remove it")
    return data


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays into one npz file, atomically; each has a checksum in it."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path, advice: str) -> dict[str, NDArray[np.generic]]:
    """All arrays of an npz file; a missing, foreign or damaged one raises `FerturbError`."""
    import numpy as np

    with reading(path, "an npz file of arrays", advice):
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array")
        with found as file:
            arrays = {key: file[key] for key in file.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("it holds something that is not an array")
        return arrays


def cache_folder() -> Path:
    """``$FERTURB_CACHE``, or the platform's folder for a user's caches."""
    own = os.environ.get("FERTURB_CACHE")
    if own:
        return from_home(own)
    home = from_home("~")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "ferturb"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "ferturb"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "ferturb"


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
