"""`Section`: one heading of the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table


@dataclass(frozen=True)
class Section:
    """One heading of the page, with its tables and pictures in order."""

    key: str
    title: str
    items: tuple[Table | Picture, ...]


def section_of(key: str, title: str, items: Iterable[Table | Picture]) -> Section | None:
    """A section, or None without anything to show."""
    found = tuple(items)
    return Section(key, title, found) if found else None
