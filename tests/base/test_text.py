from __future__ import annotations

import pytest

from ferturb.base.text import encodable, numbered, printable

TEXTS = {
    "plain é 漢 👨\u200d👩 …": "plain é 漢 👨\u200d👩 …",
    "a\r\nb\t": "a\\r\\nb\\t",
    "\x1b]0;x\x07": "\\x1b]0;x\\x07",
    "caf\udce9\ud800": "caf\\xe9\\ud800",
    "gpj.\u202egnp": "gpj.\\u202egnp",
    "one\u2028two\x85": "one\\u2028two\\x85",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_line_stays_a_line_and_steers_nothing(text: str) -> None:
    assert printable(text) == TEXTS[text]
    assert len(printable(text).splitlines()) == 1


@pytest.mark.parametrize("text", TEXTS)
def test_a_file_takes_it_and_keeps_the_rest(text: str) -> None:
    found = encodable(text)
    assert found.encode("utf-8").decode("utf-8") == found
    if "\ud800" not in text:
        assert found == text


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("abc", ["a", "b", "c"]),
        ("aba", ["a (1)", "b", "a (2)"]),
        (["a", "a", "a (1)"], ["a (1) (1)", "a (2)", "a (1) (2)"]),
        ("", []),
    ],
)
def test_names_that_come_more_than_once_are_numbered(names: list[str], found: list[str]) -> None:
    assert numbered(names) == found
