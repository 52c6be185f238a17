"""Variants of training faces with something hidden, for networks that must cope with that.

Six variants wear something (three draws of face masks, glasses, a hand, another occluder); twelve
lack a facial feature, each feature under two fills. Their seeds are none that tests use by
default, so a network never meets the very masks it is tested with.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.features.altered import alter_cached

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
VARIANTS: tuple[dict[str, Any], ...] = (*_WORN, *_LEFT_OUT)
"""What is changed of the `DatasetConfig` for each variant."""


def require_whole(faces: Faces, why: str) -> None:
    """Raise `FerturbError` for faces that are altered already."""
    if {"face_masks", "left_out"} & faces.info.keys():
        raise FerturbError(f"{why}; give the dataset without face_masks and left_out")


def training_variants(faces: Faces) -> UInt8[Tensor, "v n *c h w"]:
    """Every variant of the n training faces, v = len(VARIANTS), from the cache where there is one.

    All splits are altered together, so that a face's variants are those of the altered data sets.
    `FerturbError` for faces that are altered already.
    """
    require_whole(faces, "method robust hides parts of whole faces itself")
    images = faces.split("train").images
    variants = torch.empty(len(VARIANTS), *images.shape, dtype=torch.uint8)
    for i, change in enumerate(VARIANTS):
        variants[i] = alter_cached(faces, DatasetConfig(**change)).split("train").images
    return variants
