"""What was planted and what is found, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def planted_found(found: Sequence[tuple[str, Counter[str]]]) -> str:
    """What matrices find of what was planted, by their measure; empty without matrices.

    >>> planted_found([("probability", Counter({"hit": 9, "miss": 8, "false alarm": 1}))])[-66:]
    'By probability, 9 of 17 planted features are found and 1 other is.'
    """
    if not found:
        return ""
    parts = []
    for measure, counts in found:
        hits, alarms = counts["hit"], counts["false alarm"]
        others = f"{alarms} others are" if alarms > 1 else f"{alarms or 'no'} other is"
        parts.append(
            f"by {measure}, {hits} of {hits + counts['miss']} planted features are found and "
            f"{others}"
        )
    text = "; ".join(parts)
    return (
        "The faces are drawn, so that it is known which feature carries which emotion. Leaving "
        f"each feature out shows which of them a network needs. {text[:1].upper()}{text[1:]}."
    )
