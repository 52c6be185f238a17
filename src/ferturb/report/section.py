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
    folded: tuple[Table | Picture, ...] = ()
    """What stands behind a line of its own below the others, to be opened."""

    @property
    def everything(self) -> tuple[Table | Picture, ...]:
        """All tables and pictures, folded or not."""
        return self.items + self.folded


def section_of(
    key: str,
    title: str,
    items: Iterable[Table | Picture],
    folded: Iterable[Table | Picture] = (),
) -> Section | None:
    """A section, or None without anything to show."""
    found = Section(key, title, tuple(items), tuple(folded))
    return found if found.everything else None
