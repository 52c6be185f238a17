"""Which network maps a face to seven logits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ferturb.base.config.fields import in_range, require_types, unknown
from ferturb.base.errors import FerturbError

HEADS = ("label", "votes")
"""What a network can say of a face: FER2013's label, and what ten people would call it."""

SIDES = (16, 1024)
"""The least and the most pixels a side of the faces that a model from elsewhere may take."""


SHAPED = ("vgg-like",)
"""The networks whose shape can be chosen."""


@dataclass(frozen=True)
class VggShape:
    """What the network `vgg-like` is built of: blocks of convolutions, a max pool behind each."""

    blocks: int = 3
    """1 … 4."""
    convolutions: int = 2
    """In each block, 1 … 4."""
    width: int = 32
    """Channels of the first block, 4 … 96."""
    growth: float = 2.0
    """How many times as many channels each block has as the one before, 1 … 3."""
    first_kernel: int = 3
    """Side of the first block's kernels in pixels, 1 … 9."""
    kernel: int = 3
    """Of the other blocks' kernels."""
    dropout: float = 0.0
    """Probability of dropping a value behind each block, 0 … 1."""

    def __post_init__(self) -> None:
        require_types(self)
        in_range("blocks", self.blocks, 1, 4)
        in_range("convolutions", self.convolutions, 1, 4)
        in_range("width", self.width, 4, 96)
        in_range("first_kernel", self.first_kernel, 1, 9)
        in_range("kernel", self.kernel, 1, 9)
        in_range("growth", self.growth, 1.0, 3.0)
        in_range("dropout", self.dropout, 0.0, 1.0)

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of each block.

        >>> VggShape(blocks=4, width=24, growth=1.5).widths
        (24, 36, 54, 81)
        """
        return tuple(round(self.width * self.growth**block) for block in range(self.blocks))


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
    is the attention map. `stages`: behind every stage, padded with zeros; their mean is the map
    (what networks have that were stored without this field).
    `input`: on the face alone, padded with zeros (the released program). None without attention."""
    uncentred: bool = False
    """Divide grey levels by 255 twice, as the released program does, so that black is 0 and white
    1/255; else they are centred and scaled by FER2013's mean and spread."""
    local_maps: int = 0
    """How many maps of local attention stand behind the last feature maps (TransFER; method `mad`
    needs at least 2)."""
    heads: tuple[str, ...] = ("label",)
    """What it learns, with one linear layer each: `label` (the faces' labels), `votes` (FER+'s
    votes), or both. The first is the one that answers."""
    shape: VggShape = field(default_factory=VggShape)
    """Of the network `vgg-like`; others have their own."""

    def __post_init__(self) -> None:
        require_types(self)
        at = (self.attention_at or "between") if self.attention else None
        object.__setattr__(self, "attention_at", at)
        in_range("dropout", self.dropout, 0.0, 1.0)
        in_range("local_maps", self.local_maps, 0, 64)
        for head in self.heads:
            if head not in HEADS:
                raise FerturbError(unknown("head", head, HEADS))
        if not self.heads or len(set(self.heads)) != len(self.heads):
            raise FerturbError(
                f"a network needs one or both of the heads {', '.join(HEADS)}, each once, "
                f"got {', '.join(self.heads) or 'none'}"
            )

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
