"""The three forms of a table."""

from __future__ import annotations

import csv
import io
import re

import pytest

from ferturb.evaluation.significance import Interval
from ferturb.report.form.latex import PAGE, latex
from ferturb.report.form.tables import Column, Table, signed_points, span

TABLE = Table(
    "t",
    "50 % of A_B & co",
    (
        Column("model", "Model"),
        Column("accuracy", "Accuracy, %", "ours <&>", scale=100),
        Column("faces", "Faces", "ours <&>"),
        Column("change", "Δ", "paper", signed=True),
    ),
    (
        ("a_1 <b>", Interval(0.71894, 0.704, 0.733, 0.0123), 3589, -0.04),
        ("a_1 <b>", Interval(0.5, 0.4, float("nan")), 12, 1.25),
        ("c", None, 7, float("nan")),
    ),
    "A note: 95 %.",
)


def test_csv_holds_the_unrounded_numbers_and_their_intervals() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert rows[0] == {
        "model": "a_1 <b>",
        "accuracy": "0.71894",
        "accuracy_low": "0.704",
        "accuracy_high": "0.733",
        "accuracy_std": "0.0123",
        "faces": "3589",
        "change": "-0.04",
    }
    assert [rows[2][key] for key in ("accuracy", "accuracy_low", "change")] == ["", "", ""]


def test_latex_escapes_and_groups() -> None:
    text = TABLE.to_latex()
    assert r"\caption{50 \% of A\_B \& co}" in text
    assert r"a\_1 $<$b$>$ & 71.9 $\pm$ 1.2 {\scriptsize [70.4, 73.3]} & 3,589 & 0.0 \\" in text
    assert r"\multicolumn{2}{c}{ours $<$\&$>$} & \multicolumn{1}{c}{paper}" in text
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}" in text
    assert r"\begin{tabular}{@{}lrrr@{}}" in text
    for line in text.splitlines():
        assert not re.search(r"(?<!\\)[%#]", line)  # an unescaped % would eat the line's end
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    for row in [line for line in body.splitlines() if line.endswith(r"\\")]:
        assert len(re.findall(r"(?<!\\)&", row)) == len(TABLE.columns) - 1


def test_latex_is_scaled_down_to_the_column_and_stacks_intervals_of_wide_tables() -> None:
    wide = Table(
        "w",
        "Wide",
        (Column("model", "Model"), *(Column(f"c{i}", f"c{i}", scale=100) for i in range(8))),
        (("a", *(Interval(0.5, 0.25, 0.75),) * 8),),
        "A note.",
    )
    for table in (TABLE, wide):
        text = table.to_latex()
        assert (
            text.count(r"\resizebox{\ifdim\width>\columnwidth\columnwidth\else\width\fi}{!}{") == 1
        )
        assert text.count("{") == text.count("}")
    assert r"a & \shortstack[r]{50.0\\{\tiny [25.0, 75.0]}} & " in wide.to_latex()
    assert r"\shortstack" not in TABLE.to_latex()


def cells(rows: int, intervals: int) -> Table:
    """A table of so many rows, with so many columns of intervals."""
    columns = [Column(f"c{i}", f"c{i}", "points", scale=100) for i in range(intervals)]
    row = ("features_left_out by name", *(Interval(0.5, 0.25, 0.75),) * intervals)
    return Table("cells", "All & sundry", (Column("model", "Model"), *columns), (row,) * rows, "N.")


def test_latex_goes_over_pages_where_one_cannot_hold_it() -> None:
    assert r"\begin{table}" in cells(PAGE, 1).to_latex()
    text = cells(PAGE + 1, 1).to_latex()
    assert not re.search(r"\\(begin\{table\}|resizebox|begin\{landscape\})", text)
    first, again, rest = re.split(r"\\end(?:firsthead|head)\n", text)
    assert r"\caption{All \& sundry}\label{tab:cells}\\" in first
    assert r"\caption[]{All \& sundry, continued}\\" in again
    for part in (first, again):
        assert r"\multicolumn{1}{c}{points}" in part
        assert part.endswith("Model & c0 \\\\\n\\midrule\n")
    assert rest.count("features\\_left\\_out by name & 50.0") == PAGE + 1
    assert rest.index(r"\endlastfoot") < rest.index("features") < rest.index(r"\noindent N.\par")
    assert r"{@{}>{\raggedright\arraybackslash}b{8em}r@{}}" in text
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin") == text.count(r"\end{") + text.count(r"\endgroup")


def test_a_wide_table_over_pages_lies_on_its_side() -> None:
    wide = cells(PAGE // 2 + 4, 9)  # stacked intervals: rows of nearly two lines
    assert wide.to_latex().startswith("\\begin{landscape}\n")
    assert wide.to_latex().endswith("\\end{landscape}\n")
    assert r"\begin{table}" in cells(PAGE // 2, 9).to_latex()


def test_a_column_can_be_left_to_the_csv() -> None:
    columns = (Column("a", "A"), Column("b", "B", in_print=False), Column("c", "C"))
    table = Table("t", "T", columns, (("x", "hidden", 1), ("y", "hidden", 2)))
    assert table.to_csv().splitlines() == ["a,b,c", "x,hidden,1", "y,hidden,2"]
    for text in (table.to_html(), table.to_latex()):
        assert "hidden" not in text
        assert "B" not in text.replace("{table}", "").replace("\\begin", "")
    assert table.to_html().count("<td") == 2


def test_latex_text_is_ascii_for_every_character_the_report_uses() -> None:
    assert latex("± − × … – “x” λ α ≤ ≥ ≠ ~ ^ \\ {}#$_").isascii()


def test_html_escapes_and_leaves_a_repeated_first_cell_blank() -> None:
    text = TABLE.to_html()
    assert text.count("a_1 &lt;b&gt;") == 1
    assert "<b>" not in text
    assert 'colspan="2">ours &lt;&amp;&gt;</th>' in text
    assert '71.9 ± 1.2 <span class="interval">[70.4, 73.3]</span>' in text
    assert text.count("<td") == 3 * 3
    assert "+1.2" in text


def test_a_row_of_the_wrong_length_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="2 cells, 1 columns"):
        Table("t", "t", (Column("a", "a"),), ((1, 2),))


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.1234, "−12.3"), (0.0004, "0.0"), (-0.0004, "0.0"), (0.05, "+5.0"), (float("nan"), "–")],
)
def test_differences_in_points(value: float, text: str) -> None:
    assert signed_points(value) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.21, 0.5], "0.5 to 1.2"),
        ([-0.31, -0.29], "−0.3"),
        ([-0.04], "0.0"),
        ([-1, 2], "−1.0 to 2.0"),
    ],
)
def test_spans(values: list[float], text: str) -> None:
    assert span(values) == text
