"""Which output of a model is which emotion: told by the names of its classes, never assumed.

Models of seven emotions come in many orders, and those of eight have contempt among them; two
orders differ by more than any two networks do. So every output needs a name, each name is one of
the seven emotions (whatever datasets call it, `ferturb.base.emotions`) or one that is known to be
something else and is left aside, and anything in doubt is an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ferturb.base.emotions import EMOTIONS, emotion_label
from ferturb.base.errors import FerturbError

ASIDE = ("contempt", "contemptuous", "unknown", "nf", "none", "other", "others", "uncertain", "-")
"""What classes are called that are none of the seven; "-" leaves aside an output of any name."""
_ADVICE = (
    f"give a name for each output, in their order: {', '.join(EMOTIONS)}, or - for what is none"
)


@dataclass(frozen=True)
class Classes:
    """The classes of a model, and where the seven emotions are among them."""

    names: tuple[str, ...]
    """As the model has them, in the order of its outputs."""
    places: tuple[int | None, ...]
    """The output of each of `EMOTIONS`; None for an emotion that the model doesn't know."""

    @property
    def aside(self) -> tuple[str, ...]:
        """The classes that are none of the seven; their outputs are not looked at."""
        return tuple(n for i, n in enumerate(self.names) if i not in self.places)

    @property
    def missing(self) -> tuple[str, ...]:
        """The emotions that the model doesn't know; it never names them."""
        return tuple(e for e, p in zip(EMOTIONS, self.places, strict=True) if p is None)

    def notes(self) -> tuple[str, ...]:
        """A line for each thing that a reader of its numbers should know."""
        said = []
        if self.aside:
            said.append(f"left aside of its classes: {', '.join(self.aside)}")
        if self.missing:
            said.append(f"it doesn't know and never names: {', '.join(self.missing)}")
        return tuple(said)


def classes_of(names: Sequence[str]) -> Classes:
    """Where the emotions are among the classes of these names, which are in the outputs' order.

    >>> classes_of(["neutral", "Happiness", "sadness", "contempt"]).places
    (None, None, None, 1, 2, None, 0)

    Raises `FerturbError` for a name that is no emotion and not one of `ASIDE`, for numbers, for
    two classes of one emotion, and for fewer than two emotions.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise FerturbError(
            f"the classes of a model are a list of names, got {names!r:.60}; {_ADVICE}"
        )
    found: dict[int, int] = {}
    for place, name in enumerate(names):
        label = emotion_label(name)
        if label is None:
            _require_aside(name, place)
        elif label in found:
            raise FerturbError(
                f"{names[found[label]]!r} and {name!r} are both {EMOTIONS[label]}, and each "
                "emotion needs one output; leave one aside by naming it -"
            )
        else:
            found[label] = place
    if len(found) < 2:
        raise FerturbError(
            f"of {len(names)} classes only {len(found)} are emotions ({', '.join(names)[:60]}), "
            f"and at least 2 are needed; {_ADVICE}"
        )
    return Classes(tuple(names), tuple(found.get(label) for label in range(len(EMOTIONS))))


def _require_aside(name: str, place: int) -> None:
    word = name.strip().lower()
    if re.fullmatch(r"(label|class)?[ _-]?\d+", word):
        raise FerturbError(f"class {name!r} is a number, which says no emotion; {_ADVICE}")
    if word not in ASIDE:
        raise FerturbError(
            f"class {name!r} (output {place}) is not an emotion known here; {_ADVICE}"
        )
