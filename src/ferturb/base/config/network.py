"""Which network maps a face to seven logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferturb.base.config.fields import in_range


@dataclass(frozen=True)
class ModelConfig:
    """Which network maps a face to seven logits."""

    name: str = "compact"
    """`compact`, `vgg16`, `resnet18`, `densenet121`, `dpn26`, `resmasking`, …, or any timm name."""
    attention: bool = False
    """Add CBAM spatial attention."""
    dropout: float = 0.0
    """Probability of dropping a feature before the last linear layer, 0 … 1."""
    attention_at: Literal["between", "stages", "input"] | None = None
    """Where spatial attention sits. `between` (the default): between the stages, each gate padded
    with what lies at its map's edge; the last gate, averaged over the face and its mirror image,
    is the attention map. `stages`: behind every
    stage, padded with zeros; their mean is the map (networks trained before December 2026).
    `input`: on the face alone, padded with zeros (the released program). None without attention."""
    uncentred: bool = False
    """Divide grey levels by 255 twice, as the released program does, so that black is 0 and white
    1/255; else they are centred and scaled by FER2013's mean and spread."""
    local_maps: int = 0
    """How many maps of local attention stand behind the last feature maps (TransFER; method `mad`
    needs at least 2)."""

    def __post_init__(self) -> None:
        at = (self.attention_at or "between") if self.attention else None
        object.__setattr__(self, "attention_at", at)
        in_range("local_maps", self.local_maps, 0, None)
