"""Pages from templates: everything embedded, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib import resources
from itertools import product
from string import ascii_uppercase
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ferturb.report.form.small import small
from ferturb.report.form.tables import Table
from ferturb.report.section import Section

LONG_TABLE = 100
"""A table with more rows than this is given as files only."""


def rendered(template: str, sections: Sequence[Section], **known: Any) -> str:
    """A template of the package as HTML; beside what is `known` it has the sections, the labels of
    their tables and pictures, and what shows those."""
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(
            lambda name: resources.files("ferturb.report").joinpath(name).read_text("utf-8")
        ),
    )
    return environment.get_template(template).render(
        sections=sections,
        labels=item_labels(sections),
        long_table=LONG_TABLE,
        table_html=lambda table: Markup(table.to_html()),
        data_uri=lambda png: "data:image/png;base64," + base64.b64encode(small(png)).decode(),
        **known,
    )


def item_labels(sections: Sequence[Section]) -> dict[str, str]:
    """Key -> label in print: the paper's number, or the next free letter.

    >>> table = Table("emotions", "Accuracy per emotion", (), ())
    >>> item_labels([Section("a", "A", (Table("table2", "Accuracy", (), ()), table))])
    {'table2': 'Table 2', 'emotions': 'Table A'}
    """
    letters = [*ascii_uppercase, *map("".join, product(ascii_uppercase, repeat=2))]
    free = {"Table": iter(letters), "Figure": iter(letters)}
    labels = {}
    for item in (item for section in sections for item in section.everything):
        word = "Table" if isinstance(item, Table) else "Figure"
        numbered = item.key.startswith(word.lower())
        place = item.key.removeprefix(word.lower()) if numbered else next(free[word])
        labels[item.key] = f"{word} {place}"
    return labels
