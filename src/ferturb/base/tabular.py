"""Results as tables: one way for all of them to become a pandas DataFrame.

A column is called after its field. An estimate with an interval takes three, x, x_low and x_high
(x_std too, where there are several seeds), as in the CSV files of a report; a mapping takes one a
key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, TypeVar

from ferturb.base.errors import FerturbError

R = TypeVar("R")
INTERVAL = {"": "estimate", "_low": "low", "_high": "high", "_std": "std"}
"""How the columns of an estimate end, and what of it they hold."""


class Tabular:
    """A result that is a table as well."""

    def records(self) -> Iterable[Mapping[str, Any]]:
        """Its rows; of a dataclass one with all its fields, unless it says otherwise."""
        return [{f.name: getattr(self, f.name) for f in fields(self)}]  # type: ignore[arg-type]

    def to_pandas(self) -> Any:
        """It as a pandas DataFrame; `FerturbError` without pandas."""
        return frame(self.records())


class Rows(list[R], Tabular):
    """A list of results of one kind, which together are a table."""

    def records(self) -> Iterable[Mapping[str, Any]]:
        """The rows of all of them, in order."""
        return [row for one in self for row in _records(one)]


def frame(records: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> Any:
    """Rows as a pandas DataFrame, of these columns (default: all that a row has).

    Intervals and mappings are spread over columns. `FerturbError` without pandas.
    """
    try:
        import pandas
    except ImportError as error:
        raise FerturbError("a DataFrame needs pandas; pip install pandas") from error
    return pandas.DataFrame([spread(row) for row in records], columns=list(columns) or None)


def spread(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of plain cells.

    >>> spread({"n": 3, "emotions": {"happy": 0.5}})
    {'n': 3, 'happy': 0.5}
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= spread(value)
        elif is_dataclass(value) and hasattr(value, "estimate"):
            parts = {name + end: getattr(value, key, None) for end, key in INTERVAL.items()}
            found |= {key: part for key, part in parts.items() if part is not None}
        else:
            found[name] = str(value) if isinstance(value, PurePath) else value
    return found


def _records(one: Any) -> Iterable[Mapping[str, Any]]:
    return one.records() if isinstance(one, Tabular) else [one]
