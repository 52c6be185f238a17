"""`Opened`: a foreign model, and what its own files say of its classes and its input."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ferturb.models.wrapped import Function


@dataclass(frozen=True)
class Opened:
    """What was found in a file or a folder; None stands for what it doesn't say."""

    model: nn.Module | Function
    name: str
    classes: tuple[str, ...] | None = None
    """Names of the outputs, in order."""
    side: int | None = None
    channels: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
