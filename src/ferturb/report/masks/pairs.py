"""Networks trained twice, on whole faces and with face masks, and tested on both.

Four cells for each network: "masked training" and "masked testing" are different questions, and
one number for both answers neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferturb.base.config import DatasetConfig
from ferturb.evaluation.other_data import altered_name
from ferturb.features.masks.wear import FACE_MASKS
from ferturb.report.model_results import Arm, tested_on
from ferturb.report.results import alteration, collect
from ferturb.runs.run import Run


@dataclass(frozen=True, eq=False)
class MaskPair:
    """A network trained twice, on whole faces and with face masks, each tested on both.

    The arms' names say on which faces they were trained, then on which they were tested. What was
    not measured is None.
    """

    model: str
    method: str
    whole_whole: Arm
    whole_masks: Arm | None
    masks_whole: Arm | None
    masks_masks: Arm

    @property
    def name(self) -> str:
        """In print."""
        return self.model if self.method == "baseline" else f"{self.model}, {self.method}"


@dataclass(frozen=True)
class Words:
    """What the two kinds of faces are called."""

    whole: str
    masks: str
    with_paper: bool
    """Whether the paper's Table 1 is about these."""
    suffix: str
    """Behind the keys of the items, where a study has several kinds of face masks."""


def mask_kinds(runs: Sequence[Run]) -> tuple[DatasetConfig, ...]:
    """The face masks that runs were trained with, in their order (and nothing else altered)."""
    found = dict.fromkeys(alteration(run) for run in runs if run.done)
    return tuple(c for c in found if c.face_masks is not None and c.left_out is None)


def mask_pairs(runs: Sequence[Run], masks: DatasetConfig) -> tuple[MaskPair, ...]:
    """Every network, and ensemble of the same networks, that was trained both ways."""
    done = [run for run in runs if run.done and alteration(run) in (DatasetConfig(), masks)]
    results = collect(done)
    worn = [run for run in done if alteration(run) == masks]
    masked = collect(worn, results.augmentation)
    pairs = []
    for whole in results.arms:
        for other in masked.arms:
            same = (whole.model, whole.method, whole.members)
            if same != (other.model, other.method, other.members) or whole.method == "attention":
                continue
            if alteration(whole.runs[0]) == masks or not _same_faces(whole, other):
                continue
            pairs.append(
                MaskPair(
                    whole.model,
                    whole.method,
                    whole,
                    tested_on(whole, altered_name(masks), results.augmentation),
                    tested_on(other, altered_name(DatasetConfig()), results.augmentation),
                    other,
                )
            )
    return tuple(pairs)


@dataclass(frozen=True, eq=False)
class MaskGroup:
    """All networks that were trained with one kind of face masks and without."""

    words: Words
    pairs: tuple[MaskPair, ...]


def mask_groups(runs: Sequence[Run], fer2013: bool) -> tuple[MaskGroup, ...]:
    """One group for each kind of face masks that can be compared with whole faces."""
    groups: list[MaskGroup] = []
    for masks in mask_kinds(runs):
        pairs = mask_pairs(runs, masks)
        if pairs:
            groups.append(MaskGroup(words_for(masks, fer2013, first=not groups), pairs))
    return tuple(groups)


def words_for(masks: DatasetConfig, fer2013: bool, first: bool = True) -> Words:
    """How these faces are called in print."""
    kind = masks.face_masks or ""
    real = kind in (*FACE_MASKS, "mixed")
    name = "MaskFer" if fer2013 else "face masks"
    if kind != "mixed":
        name = f"{name} ({kind})" if real else kind
    whole = "FER2013" if fer2013 else "whole faces"
    return Words(whole, name, fer2013 and real, "" if first else f"_{kind}")


def contrasts(pair: MaskPair, words: Words) -> list[tuple[str, Arm, Arm]]:
    """(what is compared, from, to) for all pairs of cells that say something, where measured."""
    w, m = words.whole, words.masks
    every = (
        (f"trained on {w}: test {w} → {m}", pair.whole_whole, pair.whole_masks),
        (f"trained on {m}: test {w} → {m}", pair.masks_whole, pair.masks_masks),
        (f"tested on {m}: training {w} → {m}", pair.whole_masks, pair.masks_masks),
        (f"tested on {w}: training {w} → {m}", pair.whole_whole, pair.masks_whole),
        (f"both {w} → both {m} (Table 1)", pair.whole_whole, pair.masks_masks),
    )
    return [(title, a, b) for title, a, b in every if a is not None and b is not None]


def mask_sentences(pairs: Sequence[MaskPair], words: Words) -> list[str]:
    """One line a network: its accuracy on both kinds of faces, trained on either."""
    w, m = words.whole, words.masks
    return [
        f"{pair.name}, trained on {w}: {_both(pair.whole_whole, pair.whole_masks, words)}. "
        f"Trained on {m}: {_both(pair.masks_whole, pair.masks_masks, words)}."
        for pair in pairs
    ]


def _both(on_whole: Arm | None, on_masks: Arm | None, words: Words) -> str:
    known = ((on_whole, words.whole), (on_masks, words.masks))
    return ", ".join(
        f"{100 * arm.scores.accuracy.estimate:.1f} % on {name}"
        for arm, name in known
        if arm is not None
    )


def mask_headline(group: MaskGroup) -> str:
    """One sentence that says what face masks cost, and how much of it training with them saves."""
    w, m = group.words.whole, group.words.masks
    singles = [pair for pair in group.pairs if not pair.whole_whole.is_ensemble]
    known = [pair for pair in singles if pair.whole_masks is not None]
    trained = _span([_loss(pair.whole_whole, pair.masks_masks) for pair in singles])
    sentence = f"Trained and tested on {m}, accuracy is {trained} points below {w}"
    if known:
        untrained = _span([_loss(pair.whole_whole, pair.whole_masks) for pair in known])
        sentence += f"; a network trained on {w} alone loses {untrained} points when it meets {m}"
    return f"{sentence} (test split)."


def _loss(first: Arm, second: Arm | None) -> float:
    """How many points of accuracy the second has less."""
    assert second is not None
    return 100 * (first.scores.accuracy.estimate - second.scores.accuracy.estimate)


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return (low if low == high else f"{low} to {high}").replace("-", "−")


def _same_faces(first: Arm, second: Arm) -> bool:
    return bool(np.array_equal(first.labels, second.labels))
