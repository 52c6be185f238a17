"""The protocol of FER-Behind, version 1: which faces a model is asked about.

What is fixed here is what its name stands for. Whoever changes a condition, an amount or a seed
raises `VERSION`: entries of different versions are never put into one table.
"""

from __future__ import annotations

from dataclasses import dataclass

NAME = "FER-Behind"
VERSION = 1
TITLE = f"{NAME} {VERSION}"
"""What is cited."""

SEED = 2411
"""Of every random number, beside the face's own key."""
SEVERITIES = (0.05, 0.10, 0.20)
"""How much is left out around a facial feature: shares of the face's pixels."""
FILL = "mean"
"""What stands where something is left out."""
ANSWERS_FROM = 0.5
"""The probability from which a model's answer counts as one; below it abstains."""

FEATURES = ("brows", "eyes", "nose", "mouth", "cheeks", "jaw", "forehead")
"""The facial features that are left out; they tile the face."""
WORN = {"mask": "mixed", "glasses": "glasses", "hand": "hand", "occluder": "random"}
"""What is put on, and what `ferturb.features.masks.wear` calls it."""
CORRUPTIONS = ("blur", "noise", "light", "low resolution", "rotation", "crop error")
"""What is done to the whole picture (`ferturb.evaluation.benchmark.corruptions`)."""

WHOLE = "whole"


@dataclass(frozen=True)
class Condition:
    """One way in which every face is shown."""

    key: str
    """Unique: "mouth 2", "mask", "blur", …"""
    family: str
    """"whole", "left out", "worn", "corrupted" or "random" (a control)."""
    what: str
    severity: int = 0
    """1 … 3, of what is left out; 0 where there is one amount alone."""
    control: str | None = None
    """The key of the condition in which as many pixels are left out at random."""


def _left_out() -> list[Condition]:
    levels = range(1, len(SEVERITIES) + 1)
    return [
        Condition(f"{what} {level}", "left out", what, level, f"random {level}")
        for what in FEATURES
        for level in levels
    ]


CONDITIONS: tuple[Condition, ...] = (
    Condition(WHOLE, WHOLE, WHOLE),
    *_left_out(),
    *(Condition(what, "worn", what, control=f"random as {what}") for what in WORN),
    *(Condition(what, "corrupted", what) for what in CORRUPTIONS),
    *(Condition(f"random {i}", "random", "random", i) for i in range(1, len(SEVERITIES) + 1)),
    *(Condition(f"random as {what}", "random", what) for what in WORN),
)
"""Everything that a model is asked, in order."""

BY_KEY = {condition.key: condition for condition in CONDITIONS}
HARD: tuple[Condition, ...] = tuple(
    c for c in CONDITIONS if c.family in ("left out", "worn", "corrupted")
)
"""The conditions that the mean relative accuracy is taken over."""
HIDING: tuple[Condition, ...] = tuple(c for c in CONDITIONS if c.control is not None)
"""The conditions that have a control: what the excess is taken over."""

SUMMARIES = {
    "relative_accuracy": (
        "Mean relative accuracy: the accuracy on the faces of a condition divided by the accuracy "
        f"on whole faces, averaged over the {len(HARD)} conditions that hide or corrupt something."
    ),
    "excess": (
        "Excess over the control: the accuracy where a facial feature is left out or something is "
        "worn minus the accuracy where as many pixels are left out at random in the same face, "
        f"averaged over these {len(HIDING)} conditions."
    ),
}
"""The two numbers that sum an entry up, each in a sentence."""
