"""How a model does when something of the face is hidden: the same test faces, hidden in many ways.

Each way of hiding is a change of the `DatasetConfig` (worn things, a facial feature left out), or
what others have reported: the lower half of the picture grey. The seeds are none that the method
`robust` trains with; nor is the fill "inpaint".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from ferturb.base.arrays import Booleans, Doubles
from ferturb.base.config import DatasetConfig
from ferturb.data.faces import SPLITS, Faces
from ferturb.evaluation.significance import Interval, bootstrap, paired_bootstrap
from ferturb.features.altered import alter, landmarks_of

FEATURES = ("eyes", "brows", "nose", "mouth", "upper_face", "lower_face")
"""The facial features that are left out in turn, and whose mean is taken."""

WAYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "MaskFer": {"face_masks": "mixed"},
    **{kind: {"face_masks": kind} for kind in ("glasses", "hand", "random")},
    **{f"without {feature}": {"left_out": feature} for feature in FEATURES},
    **{
        f"without {feature}, inpainted": {"left_out": feature, "left_out_fill": "inpaint"}
        for feature in FEATURES
    },
}
"""What is changed of the `DatasetConfig`, by a name for tables."""

GREY_ROWS = "rows 25 to 47 grey"
EVERY_WAY = (*WAYS, GREY_ROWS)
MEANS: dict[str, tuple[str, ...]] = {
    "mean of features left out": tuple(f"without {f}" for f in FEATURES),
    "mean of features left out, inpainted": tuple(f"without {f}, inpainted" for f in FEATURES),
}
"""Means over ways of hiding, by a name for tables."""

Right = dict[str, Bool[Booleans, " n"]]
"""Which faces are right, by the way of hiding."""
Judge = Callable[[UInt8[Tensor, "n h w"]], Right]
"""Which of a split's faces a model gets right, by the name of a measure."""


def grey_rows(
    images: UInt8[Tensor, "n h w"], first: int = 25, grey: int = 127
) -> UInt8[Tensor, "n h w"]:
    """The same faces with all rows from `first` on in one grey."""
    hidden = images.clone()
    hidden[:, first:] = grey
    return hidden


def hidden_faces(
    faces: Faces, split: str = "test", ways: Collection[str] = EVERY_WAY
) -> Iterator[tuple[str, UInt8[Tensor, "n h w"]]]:
    """The faces of a split, hidden in some ways (`EVERY_WAY` unless said otherwise)."""
    part = faces.split(split)
    chosen = torch.nonzero(faces.splits == SPLITS.index(split)).flatten()
    landmarks = landmarks_of(faces).select(chosen)
    for name, change in WAYS.items():
        if name not in ways:
            continue
        shown = part
        if change:
            shown = alter(part, replace(DatasetConfig(), **change), landmarks)
        yield name, shown.images
    if GREY_ROWS in ways:
        yield GREY_ROWS, grey_rows(part.images)


def right_when_hidden(
    judges: Mapping[str, Judge],
    faces: Faces,
    split: str = "test",
    ways: Collection[str] = EVERY_WAY,
) -> dict[str, dict[str, Right]]:
    """By model and measure: which faces of the split are right, hidden in each way."""
    right: dict[str, dict[str, Right]] = {}
    for way, images in hidden_faces(faces, split, ways):
        for model, judge in judges.items():
            for measure, found in judge(images).items():
                right.setdefault(model, {}).setdefault(measure, {})[way] = found
    return right


@dataclass(frozen=True)
class HiddenScore:
    """A model's accuracy on faces that are hidden in one way, or the mean over several."""

    way: str
    n: int
    accuracy: Interval
    change: Interval | None
    """Against another model on the same faces, paired."""


def hidden_scores(right: Right, other: Right | None = None) -> list[HiddenScore]:
    """Accuracies with their intervals, and changes against `other`; faces are resampled.

    A mean over ways resamples each face with all its pictures.
    """
    rows = []
    for way, names in {**{name: (name,) for name in right}, **MEANS}.items():
        if not set(names) <= set(right):
            continue
        own = _share(right, names)
        change = None if other is None else paired_bootstrap(_share(other, names), own)
        rows.append(HiddenScore(way, len(own), bootstrap(own), change))
    return rows


def _share(right: Right, names: tuple[str, ...]) -> Float[Doubles, "n 1"]:
    """How many of these pictures of each face are right, 0 … 1."""
    share: NDArray[np.float64] = np.stack([right[name] for name in names]).mean(0)
    return share[:, None]
