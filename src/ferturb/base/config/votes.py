"""What a network's votes head learns from the votes of FER+'s ten people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferturb.base.config.fields import in_range, require_types


@dataclass(frozen=True)
class VotesConfig:
    """From ten people's votes to the distribution of emotions that is learnt."""

    single_votes: Literal["drop", "keep"] = "drop"
    """Votes of a single person are dropped as outliers (as FER+'s authors do), or kept."""
    others: Literal["ignore", "weigh", "spread"] = "ignore"
    """Votes for contempt, unknown and no face: the shares are those among the seven emotions; or
    that, and a face counts by the share of its votes that are for the seven; or such a vote is
    spread over all seven."""
    share: float = 0.5
    """Weight of the votes head's loss where a label head is trained beside it, 0 … 1."""

    def __post_init__(self) -> None:
        require_types(self)
        in_range("share", self.share, 0.0, 1.0)
