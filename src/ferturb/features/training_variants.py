"""Copies of training faces with something hidden, for networks that must cope with that.

Six copies wear something (three draws of face masks, glasses, a hand, another occluder); twelve
lack a facial feature, each feature under two fills. Their seeds are none that tests use by
default, so a network never meets the very masks it is tested with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.data.readers.images import Progress
from ferturb.features.altered import load_dataset

_WORN = (
    *({"face_masks": "mixed", "alteration_seed": seed} for seed in (101, 102, 103)),
    *({"face_masks": kind, "alteration_seed": 101} for kind in ("glasses", "hand", "random")),
)
_FILLS = {
    "eyes": ("mean", "black"),
    "brows": ("mean", "noise"),
    "nose": ("mean", "blur"),
    "mouth": ("mean", "black"),
    "upper_face": ("mean", "noise"),
    "lower_face": ("mean", "black"),
}
_LEFT_OUT = tuple(
    {"left_out": feature, "left_out_fill": fill, "alteration_seed": 101}
    for feature, fills in _FILLS.items()
    for fill in fills
)
COPIES: tuple[dict[str, Any], ...] = (*_WORN, *_LEFT_OUT)
"""What is changed of the `DatasetConfig` for each copy."""


def altered_copies(
    dataset: DatasetConfig, progress: Progress | None = None
) -> UInt8[Tensor, "c n h w"]:
    """Every copy of the training split, c = len(COPIES), from the cache where there is one.

    `FerturbError` for a dataset that is altered already.
    """
    if dataset.altered:
        raise FerturbError(
            "method robust hides parts of whole faces itself; give it the dataset without "
            "face_masks and left_out"
        )
    copies: Tensor | None = None
    for i, change in enumerate(COPIES):
        images = load_dataset(replace(dataset, **change), progress=progress).split("train").images
        if copies is None:
            copies = torch.empty(len(COPIES), *images.shape, dtype=torch.uint8)
        copies[i] = images
    assert copies is not None
    return copies
