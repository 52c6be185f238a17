"""Checks at the door of public functions: what was expected, what came."""

from __future__ import annotations

import math
import operator
import os
from pathlib import Path
from typing import Any, TypeVar

from ferturb.base.errors import FerturbError

T = TypeVar("T")


def require_whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """The value as an int, if it is a whole number within the bounds; else `FerturbError`."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        bounds = f"from {low} on" if high is None else f"from {low} to {high}"
        raise FerturbError(f"{name} must be a whole number {bounds}, got {value!r:.40}")
    return number


def require_number(name: str, value: Any, low: float, high: float) -> float:
    """The value as a float, if it is a number within the bounds (NaN is not); else
    `FerturbError`."""
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high:
        raise FerturbError(f"{name} must be a number from {low:g} to {high:g}, got {value!r:.40}")
    return number


def require_kind(name: str, value: Any, kind: type[T]) -> T:
    """The value, if it is one of this class; else `FerturbError`."""
    if isinstance(value, kind):
        return value
    raise FerturbError(f"{name} must be of class {kind.__name__}, got {type(value).__name__}")


def require_path(name: str, value: Any) -> Path:
    """A text or a path as a path; else `FerturbError`."""
    if isinstance(value, str | os.PathLike):
        try:
            return Path(value)
        except TypeError:  # a path of bytes
            pass
    raise FerturbError(f"{name} must be a path (a text or a Path), got {type(value).__name__}")
