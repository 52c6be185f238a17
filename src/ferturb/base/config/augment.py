"""Random changes of training faces."""

from __future__ import annotations

from dataclasses import dataclass

from ferturb.base.config.fields import in_range


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of a training face, drawn per face and step. Zero is off."""

    flip: float = 0.5
    """Probability of a left-right flip."""
    rotate: float = 0.0
    """Largest rotation, degrees."""
    scale: float = 0.0
    """Largest relative zoom, e.g. 0.1 for 0.9 … 1.1."""
    shift: float = 0.0
    """Largest shift, as a share of the width."""
    shear: float = 0.0
    """Largest shear, as a share of the width."""
    brightness: float = 0.0
    """Largest change added to the pixels, as a share of white."""
    contrast: float = 0.0
    """Largest relative change of contrast about the face's mean."""
    erase: float = 0.0
    """Probability of erasing one random rectangle (Zhong et al.)."""
    crop: int | None = None
    """Side in pixels of a random crop; None keeps the whole face."""
    mixup: float = 0.0
    """α of mixup (two faces averaged, Zhang et al.); 0 is off."""
    cutmix: float = 0.0
    """α of CutMix (a rectangle of another face, Yun et al.); 0 is off."""
    mixing_probability: float = 1.0
    """Share of the batches that are mixed, if either is on."""

    def __post_init__(self) -> None:
        in_range("mixup", self.mixup, 0.0, None)
        in_range("cutmix", self.cutmix, 0.0, None)
        in_range("mixing_probability", self.mixing_probability, 0.0, 1.0)
