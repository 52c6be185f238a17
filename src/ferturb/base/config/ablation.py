"""`AblationOptions`: how facial features are left out of faces at test time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferturb.base.config.fields import in_range, require_types, seed_in_range


@dataclass(frozen=True)
class AblationOptions:
    """How facial features are left out of faces at test time."""

    split: Literal["validation", "test"] = "test"
    """`validation` to choose on, `test` to report."""
    fill: str = "mean"
    """What stands in a feature's place: `black`, `mean`, `blur`, `noise` or `inpaint`."""
    features: tuple[str, ...] = ()
    """In place of all facial features."""
    controls: int = 4
    """Random regions per face and feature; 0 saves most of the time."""
    augmentation: str = "none"
    """Test-time augmentation: `none`, `flip`, `zoom` or `ten-crop`."""
    seed: int = 0
    """Of the random regions and the noise."""
    precision: Literal["auto", "bfloat16", "float32"] = "float32"
    """`bfloat16` is up to twice as fast where the processor computes in it."""

    def __post_init__(self) -> None:
        require_types(self)
        in_range("controls", self.controls, 0, None)
        seed_in_range(self.seed)
