"""A table as plain data, and its three forms: CSV for programs, LaTeX for papers, HTML for eyes.

CSV holds the numbers unrounded, with an interval spread over the columns `x`, `x_low`, `x_high`
and `x_std`; LaTeX and HTML show them rounded.
"""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ferturb.base.tabular import INTERVAL, Tabular, spread
from ferturb.base.text import numbered
from ferturb.evaluation.significance import Interval
from ferturb.report.form.latex import LatexTable, latex

Cell = str | int | float | Interval | None

_LINE = 28
"""Letters that a cell of words holds before it is broken."""
_BESIDE, _STACKED = r"{0} {{\scriptsize {1}}}", r"\shortstack[r]{{{0}\\{{\tiny {1}}}}}"
"""How LaTeX sets an interval: beside its number, or below it."""
_STACK = 1.75
"""Lines that a row takes whose intervals stand below their numbers."""


@dataclass(frozen=True)
class Column:
    """How one column is named and shown."""

    key: str
    """Its name in the CSV, unique in the table."""
    heading: str
    """Its name in print."""
    group: str = ""
    """A heading above this and the neighbouring columns of the same group."""
    digits: int = 1
    """Digits after the point, in print."""
    scale: float = 1.0
    """Printed number = scale × stored number (100 for shares shown as percent)."""
    signed: bool = False
    """Print + before positive numbers."""
    p_value: bool = False
    """Print with as many digits as a p-value needs."""
    in_print: bool = True
    """False leaves it to the CSV."""


@dataclass(frozen=True)
class Table(Tabular):
    """A titled table: one tuple of cells per row, in the order of the columns."""

    key: str
    """File name without its ending."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise AssertionError(f"{self.key}: {len(row)} cells, {len(self.columns)} columns")

    def to_csv(self) -> str:
        """Comma-separated values with a header line; empty where there is no number."""
        rows = [spread(row) for row in self.records()]
        named = [(column.key, end) for column in self.columns for end in INTERVAL]
        names = [k + end for k, end in named if not end or any(k + end in row for row in rows)]
        out = io.StringIO()
        writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _plain(cell) for name, cell in row.items()} for row in rows)
        return out.getvalue()

    def records(self) -> list[dict[str, Cell]]:
        """Its rows, by the columns' keys."""
        keys = [column.key for column in self.columns]
        return [dict(zip(keys, row, strict=True)) for row in self.rows]

    @property
    def printed(self) -> Table:
        """The table without the columns that are left to the CSV."""
        kept = [i for i, column in enumerate(self.columns) if column.in_print]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows)

    def to_latex(self) -> str:
        r"""A `table` in booktabs style, never wider than a column, or a `longtable` where it is
        longer than a page; what they need stands in `ferturb.report.form.latex`."""
        return self.printed._latex()

    def to_html(self) -> str:
        """A `<table>`; a first-column cell equal to the one above it is left blank."""
        return self.printed._html()

    def _latex(self) -> str:
        small = _STACKED if self._wide else _BESIDE
        heads = self._latex_groups() if any(column.group for column in self.columns) else []
        heads.append(self._latex_row([latex(column.heading) for column in self.columns]))
        return LatexTable(
            self.key,
            latex(self.title),
            latex(self.note),
            heads,
            [self._latex_row(self._cells(row, latex, small)) for row in self.rows],
            self._widths(),
            [self._is_number(i) for i in range(len(self.columns))],
            len(self.rows) * (_STACK if self._wide else 1),
        ).text()

    def _cells(self, row: tuple[Cell, ...], escape: Callable[[str], str], small: str) -> list[str]:
        return [_shown(c, cell, escape, small) for c, cell in zip(self.columns, row, strict=True)]

    @staticmethod
    def _latex_row(cells: Sequence[str]) -> str:
        return " & ".join(cells) + r" \\"

    def _widths(self) -> list[int]:
        """Letters of the widest line of each column."""
        small = "{0}\n{1}" if self._wide else "{0} {1}"
        rows = [[c.heading for c in self.columns], *(self._cells(r, str, small) for r in self.rows)]
        columns = zip(*rows, strict=True)
        return [max(len(line) for cell in cells for line in cell.split("\n")) for cells in columns]

    @property
    def _wide(self) -> bool:
        """Whether intervals stand below their numbers."""
        return len(self.columns) >= 9

    def _html(self) -> str:
        wide = ' class="wide"' if self._wide else ""
        parts = [f"<table{wide}>", "<thead>"]
        if any(column.group for column in self.columns):
            heads = "".join(
                f'<th scope="colgroup" colspan="{width}">{html.escape(group)}</th>'
                for group, width in self._groups()
            )
            parts.append(f'<tr class="groups">{heads}</tr>')
        heads = "".join(
            f'<th scope="col"{self._class(i)}>{html.escape(c.heading)}</th>'
            for i, c in enumerate(self.columns)
        )
        parts += [f"<tr>{heads}</tr>", "</thead>", "<tbody>"]
        above: Cell = None
        for row in self.rows:
            first, *cells = map(_html_cell, self.columns, row)
            style, first = ("", "") if row[0] == above else (' class="start"', first)
            rest = "".join(f"<td{self._class(i)}>{cell}</td>" for i, cell in enumerate(cells, 1))
            parts.append(f'<tr{style}><th scope="row">{first}</th>{rest}</tr>')
            above = row[0]
        return "\n".join([*parts, "</tbody>", "</table>"])

    def _groups(self) -> list[tuple[str, int]]:
        return [(g, len(list(c))) for g, c in groupby(column.group for column in self.columns)]

    def _is_number(self, i: int) -> bool:
        cells = [row[i] for row in self.rows if row[i] is not None]
        return sum(not isinstance(cell, str) for cell in cells) > len(cells) / 2

    def _class(self, i: int) -> str:
        if self._is_number(i):
            return ' class="number"'
        words = [cell for row in self.rows if isinstance(cell := row[i], str)]
        return ' class="words"' if max(map(len, words), default=0) > _LINE else ""

    def _latex_groups(self) -> list[str]:
        heads, rules, start = [], [], 1
        for group, width in self._groups():
            heads.append(rf"\multicolumn{{{width}}}{{c}}{{{latex(group)}}}")
            if group:
                rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
            start += width
        return [" & ".join(heads) + r" \\", " ".join(rules)]


def plain_columns(*keys: str) -> list[Column]:
    """Columns that are headed by their keys.

    >>> plain_columns("best_epoch")[0].heading
    'Best epoch'
    """
    return [Column(key, key.replace("_", " ").capitalize()) for key in keys]


def number(value: float, column: Column, signed: bool | None = None) -> str:
    """A number as it is printed, with a true minus; nan is a dash.

    >>> number(-0.0321, Column("x", "x", scale=100))
    '−3.2'
    """
    if math.isnan(value):
        return "–"
    if column.p_value:
        return p_text(value)
    sign = "+" if (column.signed if signed is None else signed) else ""
    text = f"{value * column.scale:{sign},.{column.digits}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")  # no sign before a rounded zero
    return text.replace("-", "−")


def signed_points(value: float) -> str:
    """A difference of shares in points, with a true minus; no sign before a rounded zero.

    >>> signed_points(-0.1234), signed_points(0.0002)
    ('−12.3', '0.0')
    """
    return number(value, Column("points", "points", scale=100, signed=True))


def span(values: Sequence[float]) -> str:
    """The smallest and the largest number, or the one they both round to.

    >>> span([1.21, 0.5]), span([-0.31, -0.29])
    ('0.5 to 1.2', '−0.3')
    """
    low, high = (f"{value:.1f}".replace("-0.0", "0.0") for value in (min(values), max(values)))
    return (low if low == high else f"{low} to {high}").replace("-", "−")


def slug(name: str) -> str:
    """A name as part of a key or a file name.

    >>> slug("resnet18, perturb (clusters=2)")
    'resnet18__perturb__clusters_2_'
    """
    return "".join(c if c.isalnum() else "_" for c in name)


def slugs(names: Sequence[str]) -> list[str]:
    """The same of several names, each another: those that would be one are numbered.

    >>> slugs(["a-b", "a_b", "c"])
    ['a_b_1', 'a_b_2', 'c']
    """
    return numbered([slug(name) for name in names], "{}_{}")


def p_text(value: float) -> str:
    """A p-value in print.

    >>> p_text(0.0421), p_text(0.00042), p_text(0.00002)
    ('0.042', '0.0004', '<0.0001')
    """
    if value < 0.0001:
        return "<0.0001"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.4f}"


def _html_cell(column: Column, cell: Cell) -> str:
    return _shown(column, cell, html.escape, '{0} <span class="interval">{1}</span>')


def _shown(column: Column, cell: Cell, escape: Callable[[str], str], small: str) -> str:
    """One cell in print: escaped text, a number, or an estimate with its interval set small."""
    if cell is None:
        return escape("–")
    if isinstance(cell, str):
        return escape(cell)
    if not isinstance(cell, Interval):
        return escape(f"{cell:,}" if isinstance(cell, int) else number(cell, column))
    text = number(cell.estimate, column)
    if cell.std is not None:
        text += f" ± {number(cell.std, column, signed=False)}"
    if math.isnan(cell.low):
        return escape(text)
    interval = f"[{number(cell.low, column)}, {number(cell.high, column)}]"
    return small.format(escape(text), escape(interval))


def _plain(cell: Cell) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)
