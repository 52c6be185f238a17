from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ferturb.evaluation.benchmark.measure import Answers
from ferturb.evaluation.benchmark.protocol import CONDITIONS
from ferturb.evaluation.benchmark.scores import Entry, entry_of
from ferturb.report.benchmark.section import (
    accuracy_table,
    benchmark_page,
    emotions_table,
    headline,
    listed_table,
    measures_table,
    notes_on,
    summary_table,
)
from ferturb.report.form.models_page import render
from made_up_answers import made_up_answers


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    answers: Answers = made_up_answers()
    listed = ({"list": "occlusion", "faces": "listed", "n": 9, "accuracy": [0.5, 0.4, 0.6]},)
    first = entry_of(answers, listed)
    return [first, replace(first, name="another & co", listed=())]


def test_tables_hold_every_condition_and_every_model(entries: list[Entry]) -> None:
    accuracy = accuracy_table(entries)
    assert len(accuracy.rows) == len(CONDITIONS)
    assert [c.heading for c in accuracy.columns] == ["Faces", "made-up", "another & co"]
    assert accuracy.rows[0][1] == entries[0].whole.accuracy
    assert len(measures_table(entries).rows) == len(emotions_table(entries).rows) == 2 * 39
    mouth = measures_table(entries).rows[[c.key for c in CONDITIONS].index("mouth 3")]
    assert mouth[:2] == ("made-up", "mouth, 20 %")
    assert mouth[-1] == entries[0].conditions["mouth 3"].excess


def test_the_summary_fits_a_column_of_print(entries: list[Entry]) -> None:
    table = summary_table(entries)
    latex = table.to_latex()
    assert r"\begin{tabular}{@{}lrrr@{}}" in latex
    assert r"another \& co" in latex
    assert table.to_csv().splitlines()[0].startswith("model,n,whole,whole_low,whole_high,macro")


def test_the_headline_names_the_hardest_condition(entries: list[Entry]) -> None:
    scores = entries[0].conditions
    hard = [c for c in CONDITIONS if c.family in ("left out", "worn", "corrupted")]
    least = min(scores[c.key].accuracy.estimate for c in hard)
    assert f"in {100 * least:.1f} %" in headline(entries[0])


def test_the_page_shows_models_beside_each_other_and_needs_nothing(entries: list[Entry]) -> None:
    text = render(benchmark_page(entries))
    assert "<title>FER-Behind 1: made-up, another &amp; co</title>" in text
    for part in (
        "Really hidden, really turned",
        "Mean relative accuracy",
        "benchmark_accuracy.csv",
    ):
        assert part in text
    assert text.count("<picture>") == 2
    assert "http" not in re.sub('http-equiv|base64,[^"]+', "", text)
    assert "not all asked about the same faces" not in text
    other = replace(entries[1], n=7)
    assert "not all asked about the same faces" in notes_on([entries[0], other])[-1]
    assert not listed_table(entries[1:]).rows
