"""Standard output and standard error, whatever they are connected to."""

from __future__ import annotations

import contextlib
import os
import sys


def prepare() -> None:
    """Make both take any text: what their encoding lacks is written as an escape.

    A stream that was closed before the start becomes one that goes nowhere.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        with contextlib.suppress(AttributeError, ValueError):  # in a notebook, say
            getattr(sys, name).reconfigure(errors="backslashreplace")


def abandon() -> None:
    """Send what is left for standard output nowhere, so that Python's exit does not fail at it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def reason(error: OSError) -> str:
    """What the system said, of which file; without one it is standard output."""
    said = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return f"can't write the results: {said}" if error.errno is not None else said
    return f"can't use {str(error.filename)[:200]}: {said}"
