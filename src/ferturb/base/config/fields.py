"""What all configs share: bounds, names to choose from, and the way back from JSON."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from ferturb.base.errors import FerturbError

T = TypeVar("T")


MOST = 1_000_000_000
"""What a number without a bound of its own may be at most; infinity never is meant."""
_LARGEST_SEED = 2**32 - 1


def in_range(name: str, value: float, low: float, high: float | None) -> None:
    """Raise `FerturbError` unless the value is within the bounds; `high` None stands for `MOST`."""
    top = MOST if high is None else high
    if not low <= value <= top:  # so that NaN is outside
        bounds = f"at least {low}" if high is None and value < low else f"from {low} to {top}"
        raise FerturbError(f"{name} must be {bounds}, got {value!r:.40}")


def seed_in_range(value: int, name: str = "seed") -> None:
    """Raise `FerturbError` for what can't be a seed."""
    in_range(name, value, 0, _LARGEST_SEED)


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


_LARGEST = 2**63
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


MISSING: dict[str, dict[str, Any]] = {"ModelConfig": {"attention_at": "stages"}}
"""What a field meant before stored configs had it, where that isn't today's default."""


def build(cls: type[T], data: Mapping[str, Any]) -> T:
    """A config dataclass from JSON; missing keys take the default, other keys are an error.

    Keys of run folders written before a field was renamed are read as `RENAMED` says.
    """
    if not isinstance(data, Mapping):
        raise FerturbError(f"{cls.__name__} can't be {data!r:.80}; expected a JSON object")
    hints = _hints(cls)  # type: ignore[arg-type]
    names = set(hints)
    data = {key if key in names else RENAMED.get(key, key): data[key] for key in data}
    data = MISSING.get(cls.__name__, {}) | data
    extra = set(data) - names
    if extra:
        raise FerturbError(
            f"{cls.__name__} has no field {sorted(extra)[0]!r}; expected some of "
            f"{', '.join(sorted(names))}; was it written by another version of ferturb?"
        )
    values = {key: _value(cls, key, hints[key], value) for key, value in data.items()}
    return cls(**values)


def require_types(config: Any) -> None:
    """Raise `FerturbError` unless every field of a config holds what its type says."""
    for name, hint in _hints(config.__class__).items():
        value, nested = getattr(config, name), isinstance(hint, type) and is_dataclass(hint)
        if not (isinstance(value, hint) if nested else fits(hint, value)):
            kind = hint.__name__ if isinstance(hint, type) else hint
            if isinstance(value, int) and not isinstance(value, bool):
                in_range(f"{type(config).__name__}.{name}", value, -MOST, MOST)
            raise FerturbError(
                f"{type(config).__name__}.{name} can't be {value!r:.80}; expected {kind}"
            )


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


def _value(cls: type, name: str, hint: Any, value: Any) -> Any:
    if is_dataclass(hint) and isinstance(value, Mapping):
        return build(hint, value)  # type: ignore[arg-type]
    if not fits(hint, value):
        raise FerturbError(f"{cls.__name__}.{name} can't be {value!r:.80}; expected {hint}")
    return _tuples(value)


def require_form(form: type, data: Any, what: str) -> None:
    """Raise `FerturbError` unless JSON data has the form of a TypedDict; more keys may be there."""
    if not isinstance(data, dict):
        raise FerturbError(f"{what} can't be {data!r:.80}; expected a JSON object")
    for key in sorted(form.__required_keys__ - set(data)):  # type: ignore[attr-defined]
        raise FerturbError(f"{what} lacks {key!r}")
    for key, hint in get_type_hints(form).items():
        if key in data and is_typeddict(hint):
            require_form(hint, data[key], f"{what}: {key}")
        elif key in data and not fits(hint, data[key]):
            raise FerturbError(f"{what}: {key} can't be {data[key]!r:.80}; expected {hint}")


def fits(hint: Any, value: Any) -> bool:
    """Whether a JSON value, with all that is in it, is of a type; numbers have at most 63 bits."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in inner
    if origin in (UnionType, Union):
        return any(fits(part, value) for part in inner)
    if hint in (int, float):
        numbers = int if hint is int else (int, float)
        whole = isinstance(value, int) and not -_LARGEST <= value <= _LARGEST
        return isinstance(value, numbers) and not isinstance(value, bool) and not whole
    if origin is list or (origin is tuple and inner[1:] == (...,)):
        return isinstance(value, list | tuple) and all(fits(inner[0], v) for v in value)
    if origin is tuple:
        fit = isinstance(value, list | tuple) and len(value) == len(inner)
        return fit and all(fits(part, v) for part, v in zip(inner, value, strict=True))
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and all(
            fits(inner[0], k) and fits(inner[1], v) for k, v in value.items()
        )
    if hint is Any:
        return True
    return isinstance(value, NoneType if hint is None else hint)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
