"""`Stored`: what the dataclasses share that hold what an analysis found out about a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ferturb.base.errors import FerturbError
from ferturb.base.reading import reading
from ferturb.runs.contents import ANALYSE_AGAIN
from ferturb.runs.run import Run

S = TypeVar("S", bound="Stored")


class Stored:
    """Base of a dataclass whose fields are arrays, dataclasses of arrays, names, and a `record`.

    One kind of analysis is one such class. It is kept with a run under its `KIND`, or under names
    that begin with it and a hyphen.
    """

    KIND: ClassVar[str]
    FORMAT: ClassVar[str]
    """What another version of ferturb kept in another format is passed over."""
    record: Mapping[str, Any]
    """How it was measured: data, split, seed, …"""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by the name of their field; of a field of arrays FIELD_NAME."""
        return dict(_arrays(self))

    def store(self, run: Run, name: str) -> None:
        """Keep it with a run; the same name again replaces the earlier one."""
        run.store_analysis(name, self.arrays(), {"format": self.FORMAT, **self.record})

    @classmethod
    def load(cls: type[S], run: Run, name: str = "") -> S | None:
        """What is kept under a name (default: the kind's); None without one of this format."""
        name = name or cls.KIND
        found = run.analysis(name)
        if found is None or found[1].get("format") != cls.FORMAT:
            return None
        with reading(run.analysis_path(name), f"an analysis ({cls.KIND})", ANALYSE_AGAIN):
            arrays, record = found
            return cls(**_fields(cls, arrays, record) | {"record": record})

    @classmethod
    def kept(cls: type[S], run: Run, notes: list[str] | None = None) -> dict[str, S]:
        """Everything of this kind that is kept with a run, by name.

        What can't be read is passed over and said in `notes`; without them it is an error.
        """
        names = [name for name in run.analyses() if f"{name}-".startswith(f"{cls.KIND}-")]
        found: dict[str, S] = {}
        for name in names:
            try:
                one = cls.load(run, name)
            except FerturbError as error:
                if notes is None:
                    raise
                notes.append(str(error))
            else:
                found |= {} if one is None else {name: one}
        return found


def _arrays(of: Any, prefix: str = "") -> list[tuple[str, NDArray[np.generic]]]:
    found: list[tuple[str, NDArray[np.generic]]] = []
    for field in fields(of):
        value = getattr(of, field.name)
        if isinstance(value, np.ndarray):
            found.append((prefix + field.name, value))
        elif is_dataclass(value):
            found += _arrays(value, f"{prefix}{field.name}_")
    return found


def _fields(
    cls: type,
    arrays: Mapping[str, NDArray[np.generic]],
    record: Mapping[str, Any],
    prefix: str = "",
) -> dict[str, Any]:
    """The fields of a class: arrays as `_arrays` named them, names from the record."""
    hints: dict[str, Any] = get_type_hints(cls)
    found: dict[str, Any] = {}
    for field in fields(cls):
        key, hint = prefix + field.name, hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            found[field.name] = hint(**_fields(hint, arrays, record, f"{key}_"))
        elif key in arrays:
            if isinstance(hint, type) and not isinstance(
                arrays[key], hint
            ):  # the number of axes, and what is in them
                raise ValueError(f"{key} is not {hint.__name__}")
            found[field.name] = arrays[key]
        elif field.name != "record":
            value = record[field.name]
            found[field.name] = tuple(value) if isinstance(value, list) else value
    return found
