"""Which network maps a face to seven logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferturb.base.config.fields import unknown
from ferturb.base.errors import FerturbError

HEADS = ("label", "votes")
"""What a network can say of a face: FER2013's label, and what ten people would call it."""


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
    heads: tuple[str, ...] = ("label",)
    """What it learns, with one linear layer each: `label` (the faces' labels), `votes` (FER+'s
    votes), or both. The first is the one that answers."""

    def prefix(self, head: str | None) -> str:
        """What the names of a head's stored logits begin with; None is the first head.

        >>> [ModelConfig(heads=("label", "votes")).prefix(h) for h in (None, "label", "votes")]
        ['', '', 'votes_']
        """
        if head is not None and head not in self.heads:
            raise FerturbError(
                f"this {self.name} was trained with the head {' and '.join(self.heads)} alone, "
                f"not with {head!r}; train it with heads={head}, or ask the other"
            )
        return "" if head in (None, self.heads[0]) else f"{head}_"

    def __post_init__(self) -> None:
        for head in self.heads:
            if head not in HEADS:
                raise FerturbError(unknown("head", head, HEADS))
        if not self.heads or len(set(self.heads)) != len(self.heads):
            raise FerturbError(
                f"a network needs one or both of the heads {', '.join(HEADS)}, each once, "
                f"got {', '.join(self.heads) or 'none'}"
            )
