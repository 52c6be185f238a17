"""One face before and after: as it is, without its mouth, eyes or brows, and behind a face mask.

`changes` asks the model, `sentence` says in words what came of it, `ferturb.predict.comparison`
draws it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ferturb.base.emotions import EMOTIONS
from ferturb.predict.abstention import answered
from ferturb.predict.predictor import Predictor

if TYPE_CHECKING:
    from jaxtyping import UInt8

SHOWN: dict[str, str] = {
    "mouth": "without the mouth",
    "eyes": "without the eyes",
    "brows": "without the brows",
    "surgical": "behind a face mask",
}
"""A facial feature that is left out, or a face mask that is worn -> how it is called."""
AS_IT_IS = "as it is"
_FACE = ("angry", "happy", "sad", "neutral")
"""Emotions that are said of a face; the others are nouns."""


@dataclass(frozen=True)
class Change:
    """One face as the model sees it, and its answer.

    - ``face``: uint8 (48, 48).
    - ``probabilities``: by emotion, calibrated; they add up to 1.
    - ``emotion``: the most probable, or None: the model doesn't know.
    """

    title: str
    face: UInt8[np.ndarray, "48 48"] = field(repr=False)
    probabilities: dict[str, float]
    emotion: str | None

    @property
    def guess(self) -> str:
        """The most probable emotion, sure or not."""
        return max(self.probabilities, key=lambda emotion: self.probabilities[emotion])


def changes(predictor: Predictor, face: UInt8[np.ndarray, "48 48"]) -> tuple[Change, ...]:
    """The face as it is and under each change of `SHOWN`, filled with its mean grey."""
    alterer, points = predictor.alterer, predictor.finder(face[None]).points[0]
    left_out = [name for name in SHOWN if name in alterer.features]
    worn = [name for name in SHOWN if name in alterer.kinds]
    without = alterer.left_out(face, points, [(name,) for name in left_out])
    behind = [alterer.worn(face, points, kind)[None] for kind in worn]
    faces = np.concatenate([face[None], without, *behind])
    rows, seen = predictor.model.predict_proba(faces), predictor.finder(faces).confidence.tolist()
    least = predictor.model.about.abstain_below
    return tuple(
        Change(
            title,
            shown,
            dict(zip(EMOTIONS, map(float, row), strict=True)),
            answered(row, confidence, least),
        )
        for title, shown, row, confidence in zip(
            (AS_IT_IS, *(SHOWN[name] for name in (*left_out, *worn))),
            faces,
            rows,
            seen,
            strict=True,
        )
    )


def telling(found: Sequence[Change]) -> Change:
    """The change that says most: one to another answer before one to none, and of those that with
    the largest fall of what was most probable before."""
    return max(found[1:], key=lambda change: _weight(found[0], change))


def most_telling(found: Mapping[str, Sequence[Change]]) -> tuple[str, Sequence[Change]]:
    """Of the faces that show a known emotion the one whose `telling` change says most, among those
    that the model recognises, if there are such."""
    return max(
        found.items(),
        key=lambda item: (item[1][0].emotion == item[0], _weight(item[1][0], telling(item[1]))),
    )


def _weight(before: Change, after: Change) -> tuple[int, float]:
    fall = before.probabilities[before.guess] - after.probabilities[before.guess]
    if after.emotion == before.emotion:
        return 0, fall
    return (1 if after.emotion is None else 2), fall


def sentence(found: Sequence[Change], drawn: str | None = None) -> str:
    """What the changes did, in one plain sentence; `drawn` is what the face shows, if known."""
    before, most = found[0], telling(found)
    seen, then = before.emotion, most.title[0].upper() + most.title[1:]
    if seen is None:
        guess = "guesses" if most.emotion is None else "answers"
        start = f"It doesn't know what this face shows and guesses {_share(before)}"
        return f"{start}; {most.title} it {guess} {_share(most)}."
    this = f"this {_noun(seen)}"
    if drawn not in (None, seen):
        this = f"this {_noun(str(drawn))}, taken for {_with_article(seen)}"
    if most.emotion is None:
        return f"{then} it no longer knows {this}: its best guess is {_share(most)}."
    if most.emotion != seen:
        return f"{then} it takes {this} for {_with_article(most.emotion)}."
    fall = f"from {100 * before.probabilities[seen]:.0f} to {100 * most.probabilities[seen]:.0f} %"
    return f"It answers the same of {this} whatever is hidden; {most.title} it falls {fall}."


def _noun(emotion: str) -> str:
    return f"{emotion} face" if emotion in _FACE else emotion


def _with_article(emotion: str) -> str:
    article = {"angry": "an "}.get(emotion, "a ") if emotion in _FACE else ""
    return f"{article}{_noun(emotion)}"


def _share(change: Change) -> str:
    return f"{change.guess} ({100 * change.probabilities[change.guess]:.0f} %)"
