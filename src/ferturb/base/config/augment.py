"""Random changes of training faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferturb.base.config.fields import in_range, require_types
from ferturb.base.errors import FerturbError

_SHARES = (
    *("flip", "flip_vertical", "scale", "shift", "shear", "brightness", "contrast", "gain"),
    *("chance", "erase", "mixing_probability"),
)
"""Fields from 0 to 1."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of a training face, drawn per face and step. Zero is off."""

    flip: float = 0.5
    """Probability of a left-right flip."""
    flip_vertical: float = 0.0
    """Probability of a flip upside down."""
    rotate: float = 0.0
    """Largest rotation, degrees."""
    scale: float = 0.0
    """Largest relative zoom, e.g. 0.1 for 0.9 … 1.1."""
    shift: float = 0.0
    """Largest shift, as a share of the width."""
    shear: float = 0.0
    """Largest shear, as a share of the width."""
    cut: tuple[float, float] | None = None
    """Least and largest area of a random cut (aspect 3/4 … 4/3) that is stretched to the face's
    side, as shares of the face; what doesn't fit into the face leaves it whole. None is off."""
    outside: Literal["reflection", "black"] = "reflection"
    """What comes into a face that is turned, shifted, made smaller or sheared. With black the
    light is changed before that, so that it stays black."""
    brightness: float = 0.0
    """Largest change added to the pixels, as a share of white."""
    contrast: float = 0.0
    """Largest relative change of contrast about the face's mean."""
    gain: float = 0.0
    """Largest relative change of all pixels."""
    chance: float = 1.0
    """Probability that a face is rotated; that it is shifted; that its light is changed: each for
    itself."""
    erase: float = 0.0
    """Probability of erasing one random rectangle (Zhong et al.)."""
    erased: tuple[float, float] = (0.02, 0.2)
    """Least and largest share of the face that it covers."""
    erase_fill: Literal["noise", "black"] = "noise"
    """What stands in it."""
    crop: int | None = None
    """Side in pixels of a random crop; None keeps the whole face."""
    crops: Literal["random", "five"] = "random"
    """One crop from a random place, before everything else; or the four corners and the middle, all
    in the same step, each erased for itself, after everything else."""
    mixup: float = 0.0
    """α of mixup (two faces averaged, Zhang et al.); 0 is off."""
    cutmix: float = 0.0
    """α of CutMix (a rectangle of another face, Yun et al.); 0 is off."""
    mixing_probability: float = 1.0
    """Share of the batches that are mixed, if either is on."""

    def __post_init__(self) -> None:
        require_types(self)
        for name in _SHARES:
            in_range(name, getattr(self, name), 0.0, 1.0)
        in_range("rotate", self.rotate, 0.0, 180.0)
        in_range("mixup", self.mixup, 0.0, None)
        in_range("cutmix", self.cutmix, 0.0, None)
        in_range("the least share erased", self.erased[0], 0.0, self.erased[1])
        in_range("the largest share erased", self.erased[1], 0.0, 1.0)
        if self.cut is not None:
            in_range("the least area of a cut", self.cut[0], 0.01, self.cut[1])
            in_range("the largest area of a cut", self.cut[1], 0.01, None)
        if self.crop is not None:
            in_range("crop", self.crop, 1, None)
        if self.crops == "five" and self.crop is None:
            raise FerturbError("crops='five' needs the crops' side in pixels; give crop, e.g. 40")

    @property
    def inputs_per_face(self) -> int:
        """Network inputs that a face becomes."""
        return 5 if self.crops == "five" else 1
