"""Networks trained twice, on whole faces and with face masks, and tested on both.

"Masked training" and "masked testing" are different questions; one number answers neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferturb.base.config import DatasetConfig
from ferturb.evaluation.other_data import altered_name
from ferturb.features.masks.wear import FACE_MASKS
from ferturb.report.groups import Group
from ferturb.report.model_results import ModelResult, tested_on


@dataclass(frozen=True, eq=False)
class MaskPair:
    """A network trained twice, on whole faces and with face masks, each tested on both.

    The fields' names say on which faces it was trained, then on which it was tested. What was not
    measured is None.
    """

    model: str
    method: str
    whole_whole: ModelResult
    whole_masks: ModelResult | None
    masks_whole: ModelResult | None
    masks_masks: ModelResult
    both_whole: ModelResult | None = None
    """Trained by method `half-masked`, half of the faces with face masks."""
    both_masks: ModelResult | None = None

    @property
    def name(self) -> str:
        """In print."""
        return self.model if self.method == "baseline" else f"{self.model}, {self.method}"


@dataclass(frozen=True)
class Phrases:
    """What the two kinds of faces are called."""

    whole: str
    masks: str
    with_paper: bool
    """Whether the paper's Table 1 is about these."""
    suffix: str
    """Behind the keys of the items, where a study has several kinds of face masks."""


@dataclass(frozen=True, eq=False)
class MaskGroup:
    """All networks that were trained with one kind of face masks and without."""

    phrases: Phrases
    pairs: tuple[MaskPair, ...]


def mask_groups(groups: Sequence[Group], fer2013: bool) -> tuple[MaskGroup, ...]:
    """One group for each kind of face masks that can be compared with whole faces."""
    found: list[MaskGroup] = []
    for whole in [group for group in groups if group.alteration == DatasetConfig()]:
        for masks in groups:
            worn = masks.alteration
            pairs = _pairs(whole, masks) if worn.face_masks and worn.left_out is None else ()
            if pairs:
                found.append(MaskGroup(phrases_for(worn, fer2013, first=not found), pairs))
    return tuple(found)


def phrases_for(masks: DatasetConfig, fer2013: bool, first: bool = True) -> Phrases:
    """How these faces are called in print."""
    kind = masks.face_masks or ""
    real = kind in (*FACE_MASKS, "mixed")
    name = "MaskFer" if fer2013 else "face masks"
    if kind != "mixed":
        name = f"{name} ({kind})" if real else kind
    whole = "FER2013" if fer2013 else "whole faces"
    return Phrases(whole, name, fer2013 and real, "" if first else f"_{kind}")


def contrasts(pair: MaskPair, phrases: Phrases) -> list[tuple[str, ModelResult, ModelResult]]:
    """(what is compared, from, to) for all pairs of cells that say something, where measured."""
    w, m = phrases.whole, phrases.masks
    every = (
        (f"trained on {w}: test {w} → {m}", pair.whole_whole, pair.whole_masks),
        (f"trained on {m}: test {w} → {m}", pair.masks_whole, pair.masks_masks),
        (f"tested on {m}: training {w} → {m}", pair.whole_masks, pair.masks_masks),
        (f"tested on {w}: training {w} → {m}", pair.whole_whole, pair.masks_whole),
        (f"both {w} → both {m}", pair.whole_whole, pair.masks_masks),
    )
    return [(title, a, b) for title, a, b in every if a is not None and b is not None]


def _pairs(whole: Group, masks: Group) -> tuple[MaskPair, ...]:
    """Every network, and ensemble of the same networks, that was trained both ways."""
    return tuple(
        MaskPair(
            first.model,
            first.method,
            first,
            tested_on(first, altered_name(masks.alteration), whole.augmentation),
            tested_on(second, altered_name(whole.alteration), whole.augmentation),
            second,
            *_on_both(first, whole, altered_name(masks.alteration)),
        )
        for first in whole.models
        for second in masks.models
        if (first.model, first.method, first.members)
        == (second.model, second.method, second.members)
        and first.method != "attention"
        and np.array_equal(first.labels, second.labels)
    )


def _on_both(
    like: ModelResult, whole: Group, name: str
) -> tuple[ModelResult | None, ModelResult | None]:
    """The same network by method `half-masked`, on whole faces and on those measured under `name`;
    None without one."""
    for other in whole.models:
        same = (other.model, len(other.members)) == (like.model, len(like.members))
        if same and other.method == "half-masked" and like.method == "baseline":
            return other, tested_on(other, name, whole.augmentation)
    return None, None
