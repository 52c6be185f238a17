"""`BenchmarkOptions`: on which faces the benchmark is run, and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ferturb.base.config.fields import in_range, require_types


@dataclass(frozen=True)
class BenchmarkOptions:
    """On which faces the benchmark is run, and how fast; its protocol has no options."""

    split: Literal["validation", "test"] = "test"
    """`validation` to choose on, `test` to report."""
    workers: int = 1
    """Threads that get faces ready while the model answers."""
    fresh: bool = False
    """Ask about every face again, whatever an earlier run has kept."""

    def __post_init__(self) -> None:
        require_types(self)
        in_range("workers", self.workers, 1, 64)
