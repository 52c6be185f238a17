"""Entries as JSON: what is submitted, kept in results/benchmark/ and read back for a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.reading import reading
from ferturb.base.storage import read_object, write_json
from ferturb.evaluation.benchmark.protocol import CONDITIONS, NAME, TITLE, VERSION
from ferturb.evaluation.benchmark.scores import ConditionScore, Entry
from ferturb.evaluation.significance import Interval

FORMAT = "ferturb-benchmark-entry-1"
_DIGITS = 5


def entry_to_dict(entry: Entry) -> dict[str, Any]:
    """An entry as JSON has it: intervals are [estimate, low, high], or null without a number."""
    return {
        "format": FORMAT,
        "protocol": {"name": NAME, "version": VERSION},
        "name": entry.name,
        "model": entry.model,
        "data": entry.data,
        "n": entry.n,
        "summary": {
            "accuracy": _numbers(entry.whole.accuracy),
            "relative_accuracy": _numbers(entry.relative_accuracy),
            "excess": _numbers(entry.excess),
        },
        "conditions": {key: _condition(score) for key, score in entry.conditions.items()},
        "listed": list(entry.listed),
        "made": entry.made,
    }


def write_entry(entry: Entry, path: Path) -> None:
    """Write an entry as JSON."""
    write_json(path, entry_to_dict(entry))


def read_entry(path: Path) -> Entry:
    """An entry that `write_entry` wrote.

    `FerturbError` for anything else, and for one of another version of the protocol, which can't
    stand beside those of this one.
    """
    found = read_object(path)
    if found.get("format") != FORMAT:
        raise FerturbError(
            f"{path} is no entry of {NAME} (expected format {FORMAT}, got "
            f"{found.get('format')!r:.60}); give a file that `ferturb benchmark --out` wrote"
        )
    with reading(path, "an entry of the benchmark", "run `ferturb benchmark` again"):
        protocol = found["protocol"]
        if (protocol["name"], protocol["version"]) != (NAME, VERSION):
            raise FerturbError(
                f"{path} is of {protocol['name']} {protocol['version']}, and this is {TITLE}; "
                "run the benchmark again"
            )
        conditions = {c.key: _score(c.key, found["conditions"][c.key]) for c in CONDITIONS}
        return Entry(
            str(found["name"]),
            int(found["n"]),
            _interval(found["summary"]["relative_accuracy"]),
            _interval(found["summary"]["excess"]),
            conditions,
            dict(found["data"]),
            dict(found["model"]),
            dict(found["made"]),
            tuple(map(dict, found["listed"])),
        )


def _condition(score: ConditionScore) -> dict[str, Any]:
    values: dict[str, Any] = {name: _numbers(getattr(score, name)) for name in _MEASURES}
    return values | {"emotions": {e: _numbers(v) for e, v in score.emotions.items()}}


def _score(key: str, found: Mapping[str, Any]) -> ConditionScore:
    emotions = {emotion: _interval(found["emotions"][emotion]) for emotion in EMOTIONS}
    return ConditionScore(
        key, **{name: _interval(found[name]) for name in _MEASURES}, emotions=emotions
    )


_MEASURES = tuple(f.name for f in fields(ConditionScore) if f.name not in ("key", "emotions"))


def _numbers(value: Interval) -> list[float] | None:
    if math.isnan(value.estimate):
        return None
    return [round(v, _DIGITS) for v in (value.estimate, value.low, value.high)]


def _interval(found: Any) -> Interval:
    if found is None:
        return Interval(math.nan, math.nan, math.nan)
    estimate, low, high = map(float, found)
    return Interval(estimate, low, high)
