"""A search -> one offline HTML page, with its table as CSV and LaTeX and its figures as PNG."""

from __future__ import annotations

from pathlib import Path

from ferturb.base.storage import write_text
from ferturb.report.earlier import remove_earlier
from ferturb.report.form.files import write_items
from ferturb.report.form.page import rendered
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table
from ferturb.report.search.results import SearchResults
from ferturb.report.search.section import headline, sections, sentences


def build_search_report(folder: Path, found: SearchResults) -> Path:
    """Write FOLDER/index.html, tables/ and figures/; the path of the page.

    A search of which no trial came to its end raises `FerturbError`.
    """
    shown = sections(found)
    items = [item for section in shown for item in section.everything]
    tables = write_items([item for item in items if isinstance(item, Table)], folder / "tables")
    figures = write_items([item for item in items if isinstance(item, Picture)], folder / "figures")
    remove_earlier(folder, [*tables, *figures])
    page = rendered(
        "search.html.j2",
        shown,
        title=f"{found.model} on {found.source}",
        headline=headline(found),
        sentences=sentences(found),
    )
    write_text(folder / "index.html", page)
    return folder / "index.html"
