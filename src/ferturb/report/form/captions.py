"""What many captions say."""

from __future__ import annotations

from ferturb.report import published
from ferturb.report.results import Arm

INTERVALS = (
    "Brackets: 95 % bootstrap interval over test faces (and over training seeds where there are "
    "several). ± is the standard deviation over seeds."
)


def family_of(arm: Arm) -> str | None:
    """The paper's column for an arm, or None.

    Its ensemble is of five networks; only one of the same five stands beside it.
    """
    if not arm.is_ensemble:
        return published.family(arm.model)
    families = {published.family(member) for member in arm.members}
    return (
        published.ENSEMBLE if families == set(published.FAMILIES) - {published.ENSEMBLE} else None
    )


PRIVATE = "contains dataset images: do not publish"
"""Stands on every picture of faces that were not drawn, and in its caption."""
