"""What `reliability.py` does to files, and how it tells whether that was borne."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferturb.base.errors import FerturbError
from ferturb.cli.main import main as ferturb

FOLDER, PIPE, DEVICE = b"a folder", b"a pipe", b"a device"
"""In place of what a file holds: what else is put there."""


@dataclass(frozen=True)
class Setting:
    """Where faults are injected, and how many."""

    place: Path
    """An empty folder."""
    random: np.random.Generator
    many: int
    """Of each kind that is drawn at random."""


Fault = tuple[str, Callable[[], None]]
"""What happens, in words, and a function that does it and raises what must not come of it."""


class LostError(Exception):
    """Results that were there are gone, or others have come in their place without a word."""


def require_same(found: object, right: object, what: str) -> None:
    """Raise `LostError` unless two arrays or tensors are the same, bit for bit."""
    if not np.array_equal(np.asarray(found), np.asarray(right)):
        raise LostError(f"{what}: not what they were")


def goes(act: Callable[[], object]) -> bool:
    """Whether it goes well; False where ferturb says in one line what is wrong."""
    said = None
    try:
        act()
    except FerturbError as error:
        said = str(error)
    assert said != "", "refused without a word"
    assert "\n" not in (said or ""), f"not one line: {said!r}"
    return said is None


def command(*arguments: str) -> bool:
    """Whether a command goes well; False where it says what is wrong (exit code 2)."""
    said, code = io.StringIO(), 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            ferturb(list(arguments))
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    assert code in (0, 2), f"exit code {code}"
    assert not code or said.getvalue().strip(), "refused without a word"
    return not code


def damages(
    data: bytes, others: list[bytes], random: np.random.Generator, many: int
) -> Iterator[tuple[str, bytes]]:
    """What is done to a file that holds `data`, in words, and what it holds then."""
    yield "empty", b""
    yield "null", b"null"
    yield "a list", b"[]"
    yield "an object", b"{}"
    yield "nested without end", b"[" * 100_000
    yield "words", "ein Text ä, keine Daten\n".encode()
    yield "zeros", bytes(len(data))
    yield "twice", data + data
    yield "a folder in its place", FOLDER
    yield "a pipe in its place", PIPE
    yield "/dev/zero in its place", DEVICE
    yield from (("another file in its place", other) for other in others)
    for _ in range(many):
        at = int(random.integers(0, len(data) + 1))
        yield "cut", data[:at]
        yield "a bit flipped", flipped(data, random, 1)
        yield "bits flipped", flipped(data, random, int(random.integers(2, 40)))
        yield "noise put in", data[:at] + random.bytes(int(random.integers(1, 200))) + data[at:]


def flipped(data: bytes, random: np.random.Generator, count: int) -> bytes:
    """The same bytes with that many bits flipped."""
    changed = bytearray(data)
    for at in random.integers(0, len(data), count) if data else ():
        changed[at] ^= 1 << int(random.integers(8))
    return bytes(changed)


def put(path: Path, data: bytes) -> None:
    """Put these bytes, or what stands for something else, in a file's place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if data == FOLDER:
        path.mkdir()
    elif data == PIPE:
        os.mkfifo(path)
    elif data == DEVICE:
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(data)


@contextlib.contextmanager
def damaged(path: Path, data: bytes) -> Iterator[None]:
    """A file with this in its place; afterwards it is what it was."""
    good = path.read_bytes()
    put(path, data)
    try:
        yield
    finally:
        put(path, good)
