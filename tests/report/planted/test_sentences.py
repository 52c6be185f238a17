"""What was planted and what is found, in words."""

from __future__ import annotations

from collections import Counter

import pytest

from ferturb.report.planted.sentences import planted_found


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((9, 8, 1), "By accuracy, 9 of 17 planted features are found and 1 other is."),
        ((0, 17, 0), "By accuracy, 0 of 17 planted features are found and no other is."),
        ((17, 0, 4), "By accuracy, 17 of 17 planted features are found and 4 others are."),
    ],
)
def test_what_was_planted_and_what_was_found(counts: tuple[int, int, int], text: str) -> None:
    found = Counter(dict(zip(("hit", "miss", "false alarm"), counts, strict=True)))
    assert planted_found([("accuracy", found)]).endswith(f"needs. {text}")
    both = planted_found([("accuracy", found), ("probability", found)])
    assert both.endswith(f"; by probability{text.removeprefix('By accuracy')}")
    assert planted_found([]) == ""
