"""Which network maps a face to seven logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelConfig:
    """Which network maps a face to seven logits."""

    name: str = "compact"
    """`compact`, `vgg16`, `resnet18`, `densenet121`, `dpn26`, `resmasking`, …, or any timm name."""
    attention: bool = False
    """Add CBAM spatial attention."""
    dropout: float = 0.0
    """Probability of dropping a feature before the last linear layer, 0 … 1."""
    attention_at: Literal["stages", "input"] = "stages"
    """Where spatial attention sits: between the stages, or on the input alone."""
