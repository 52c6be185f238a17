"""The page of some models: what a verb found of them, with `--out`.

It is the same for a run and for anything that `ferturb.wrap` opens (`ferturb ablate`, `explain`,
`faithfulness`, `evaluate`, `benchmark`). Its tables and pictures lie beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ferturb.base.storage import write_text
from ferturb.evaluation.significance import RESAMPLES
from ferturb.report.form.captions import PRIVATE
from ferturb.report.form.files import write_items
from ferturb.report.form.page import rendered
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table
from ferturb.report.section import Section


@dataclass(frozen=True)
class Page:
    """The page of some models."""

    title: str
    about: str
    """Which models, on which faces."""
    sections: tuple[Section, ...]
    answer: str = ""
    """What it comes to, in a sentence or two."""
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What to know before a number is quoted."""
    how: tuple[str, ...] = ()
    """How it was measured, a paragraph each."""

    @property
    def items(self) -> list[Table | Picture]:
        """Every table and picture of it."""
        return [item for section in self.sections for item in section.everything]


def write_page(page: Page, folder: Path) -> list[Path]:
    """Write a page as index.html, with its tables (CSV, LaTeX) and pictures beside it."""
    files = write_items(page.items, folder)
    path = folder / "index.html"
    write_text(path, render(page))
    return [path, *files]


def render(page: Page) -> str:
    """A page as HTML, everything embedded."""
    captions = [item.caption.lower() for item in page.items if isinstance(item, Picture)]
    return rendered(
        "models.html.j2",
        page.sections,
        page=page,
        private=PRIVATE if any(PRIVATE.lower() in caption for caption in captions) else "",
        resamples=RESAMPLES,
        figures="",
        tables="",
    )
