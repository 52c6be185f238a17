"""What all configs share: bounds, names to choose from, and the way back from JSON."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ferturb.base.errors import FerturbError

T = TypeVar("T")


def in_range(name: str, value: float, low: float, high: float | None) -> None:
    """Raise `FerturbError` unless the value is within the bounds; `high` None is no bound."""
    if value < low or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"from {low} to {high}"
        raise FerturbError(f"{name} must be {bounds}, got {value}")


def choose(kind: str, name: str, known: Mapping[str, T]) -> T:
    """`known[name]`, or an error that names the nearest names.

    >>> choose("recipe", "fats", {"fast": 1, "paper": 2})
    Traceback (most recent call last):
    ferturb.base.errors.FerturbError: unknown recipe 'fats': did you mean 'fast'? known: fast, paper
    """
    if isinstance(name, str) and name in known:
        return known[name]
    raise FerturbError(unknown(kind, name, known))


def unknown(kind: str, name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """The one-line error for a name that is not among the known ones."""
    near = difflib.get_close_matches(str(name)[:100], list(known), n=3, cutoff=0.5)
    hint = f": did you mean {' or '.join(repr(n) for n in near)}?" if near else ";"
    return f"unknown {kind} {name!r:.100}{hint} known: {', '.join(known)}"


RENAMED = {
    "start": "initial_weights",
    "shows": "view_kind",
    "leaves": "left_out_cluster",
    "share": "view_probability",
    "altered": "hidden_probability",
    "sizes": "progressive_sizes",
    "mixed": "mixing_probability",
}
"""What fields of configs were called before -> now."""


def build(cls: type[T], data: Mapping[str, Any]) -> T:
    """A config dataclass from JSON; missing keys take the default, other keys are an error.

    Keys of run folders written before a field was renamed are read as `RENAMED` says.
    """
    hints = get_type_hints(cls)
    names = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    data = {key if key in names else RENAMED.get(key, key): data[key] for key in data}
    extra = set(data) - names
    if extra:
        raise FerturbError(
            f"{cls.__name__} has no field {sorted(extra)[0]!r}; expected some of "
            f"{', '.join(sorted(names))}; was it written by another version of ferturb?"
        )
    values = {key: _value(cls, key, hints[key], value) for key, value in data.items()}
    return cls(**values)


def _value(cls: type, name: str, hint: Any, value: Any) -> Any:
    if is_dataclass(hint) and isinstance(value, Mapping):
        return build(hint, value)  # type: ignore[arg-type]
    if not _fits(hint, value):
        raise FerturbError(f"{cls.__name__}.{name} can't be {value!r}; expected {hint}")
    return _tuples(value)


def _fits(hint: Any, value: Any) -> bool:
    """Whether a JSON value is one of a field's type; sequences are looked at whole only."""
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin is UnionType:
        return any(_fits(part, value) for part in get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if origin is tuple:
        return isinstance(value, list | tuple)
    return isinstance(hint, type) and isinstance(value, hint)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
