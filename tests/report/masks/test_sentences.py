"""What face masks cost, in words."""

from __future__ import annotations

import pytest

from ferturb.report.masks import sentences
from ferturb.report.masks.pairs import Phrases
from made_up_results import mask_study

MASKS = Phrases("FER2013", "MaskFer", True, "")


@pytest.mark.parametrize(
    ("trained", "untrained", "text"),
    [
        ([12.04], [], "accuracy is 12.0 points below FER2013 (test split)."),
        (
            [12.0, 8.5],
            [30.0, 31.5],
            "accuracy is 8.5 to 12.0 points below FER2013; a network trained on FER2013 alone "
            "loses 30.0 to 31.5 points when it meets MaskFer (test split).",
        ),
        ([-1.5, -0.5], [], "accuracy is 0.5 to 1.5 points above FER2013 (test split)."),
        (
            [-1.5, 2.0],
            [-0.5],
            "accuracy is from 2.0 points below to 1.5 above FER2013; a network trained on FER2013 "
            "alone is 0.5 points above that when it meets MaskFer (test split).",
        ),
    ],
)
def test_what_masks_cost(trained: list[float], untrained: list[float], text: str) -> None:
    found = sentences.masks_cost(MASKS, trained, untrained)
    assert found == f"Trained and tested on MaskFer, {text}"


def test_a_line_for_each_network_with_masks() -> None:
    (group,) = mask_study(("compact",)).masks
    (pair,) = group.pairs
    cells = (pair.whole_whole, pair.whole_masks, pair.masks_whole, pair.masks_masks)
    a, b, c, d = (f"{100 * m.scores.accuracy.estimate:.1f} %" for m in cells if m is not None)
    assert sentences.mask_sentences(group.pairs, group.phrases) == [
        f"compact, trained on FER2013: {a} on FER2013, {b} on MaskFer. "
        f"Trained on MaskFer: {c} on FER2013, {d} on MaskFer."
    ]
    (group,) = mask_study(("compact",), measured=False).masks
    assert sentences.mask_sentences(group.pairs, group.phrases) == [
        f"compact, trained on FER2013: {a} on FER2013. Trained on MaskFer: {d} on MaskFer."
    ]
