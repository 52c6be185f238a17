"""Which faces make up each step of an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from ferturb.base.seeds import generator_of


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Full batches in n faces; at least one."""
    return max(1, n // batch_size)


def batches(n: int, batch_size: int, seed: int, epoch: int) -> Iterator[Int64[Tensor, " b"]]:
    """Indices of each step's faces: a new permutation every epoch, a last short batch dropped."""
    order = torch.randperm(n, generator=generator_of(seed, epoch, "order"))
    for step in range(steps_per_epoch(n, batch_size)):
        yield order[step * batch_size : (step + 1) * batch_size]
