"""Files of ours that may be missing, foreign or damaged: one line says so, with what to do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from ferturb.base.errors import FerturbError, first_line

T = TypeVar("T")
R = TypeVar("R")


def from_home(path: str | Path) -> Path:
    """The path, with ``~`` and ``~USER`` at its start as their folders; nobody's stays."""
    try:
        return Path(os.path.expanduser(path))  # noqa: PTH111  (the one of Path raises for nobody)
    except ValueError:  # no name of anything
        return Path(path)


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; a name that can't be one's is none's."""
    try:
        return path.exists()
    except OSError:
        return False


def each_opened(
    given: Iterable[T], opened: Callable[[T], R], refused: list[str] | None = None
) -> list[R]:
    """What `opened` makes of each; one that it can't open raises `FerturbError`.

    With `refused` what is said of such a one goes there, as long as there are others.
    """
    found = []
    for one in given:
        try:
            found.append(opened(one))
        except FerturbError as error:
            if refused is None:
                raise
            refused.append(str(error))
    if refused and not found:
        raise FerturbError(refused[0])
    return found


@contextlib.contextmanager
def reading(path: Path, form: str, advice: str) -> Iterator[None]:
    """Turn whatever a missing, foreign or damaged file raises into `FerturbError`.

    Its line says that the file is not `form`, and the `advice`.
    """
    try:
        if not is_there(path):
            raise FerturbError(f"{path} does not exist")
        if not path.is_file():
            raise ValueError("it is a folder, a device or a pipe")
        yield
    except FerturbError as error:
        text = str(error)
        raise FerturbError(text if str(path) in text else f"{path}: {text}") from error
    except Exception as error:  # a library may raise anything at a damaged file
        reason = first_line(error)[:160]
        raise FerturbError(f"{path} is not {form} ({reason}); {advice}") from error
