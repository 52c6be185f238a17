"""How saliency is measured, and how it is tested whether it is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferturb.base.config.fields import in_range, require_types, seed_in_range

SALIENCY = "smoothgrad"
"""The saliency method where none is asked for: of those that are fast, the one that named the right
facial features most often where they are known."""


@dataclass(frozen=True)
class SaliencyOptions:
    """Which saliency, of which faces."""

    method: str = SALIENCY
    """`gradient`, `guided-backprop`, `integrated-gradients`, `smoothgrad`, `grad-cam`,
    `grad-cam-fine`, `occlusion` or `rise`."""
    split: Literal["train", "validation", "test"] = "test"
    """Which of the faces."""
    faces: int = 30
    """How many of each emotion, drawn at random."""
    seed: int = 0
    """Of everything drawn."""

    def __post_init__(self) -> None:
        require_types(self)
        in_range("faces of each emotion", self.faces, 1, None)
        seed_in_range(self.seed)


@dataclass(frozen=True)
class FaithfulnessOptions:
    """Which saliency methods are tested, on which faces."""

    methods: tuple[str, ...] = ()
    """Saliency methods, as in `ferturb explain` (default: all)."""
    split: Literal["train", "validation", "test"] = "test"
    """Which of the faces."""
    faces: int = 8
    """How many of each emotion, drawn at random."""
    fill: str = "mean"
    """What stands where pixels are left out: `mean`, `blur`, `black`, `noise`, `inpaint`."""
    seed: int = 0
    """Of everything drawn."""

    def __post_init__(self) -> None:
        require_types(self)
        in_range("faces of each emotion", self.faces, 1, None)
        seed_in_range(self.seed)
