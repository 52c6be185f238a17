"""Which faces make up each step of an epoch, and the seeds of everything random."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor


def seed_of(*parts: int | str) -> int:
    """A 63-bit seed from any mixture of numbers and words, the same everywhere.

    Every random decision of a run draws from `seed_of(run seed, epoch, purpose)`, so an epoch
    can be repeated without knowing what was drawn before it.
    """
    text = "/".join(str(p) for p in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_of(*parts: int | str) -> torch.Generator:
    """A CPU generator seeded with `seed_of`."""
    return torch.Generator().manual_seed(seed_of(*parts))


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Full batches in n faces; at least one."""
    return max(1, n // batch_size)


def batches(
    n: int, batch_size: int, seed: int, epoch: int, rank: int = 0, world: int = 1
) -> Iterator[Int64[Tensor, " b"]]:
    """Indices of each step's faces: a fresh permutation every epoch, the last short batch dropped.

    `batch_size` is the global batch; a process of a distributed run takes its share of it.
    """
    order = torch.randperm(n, generator=generator_of(seed, epoch, "order"))
    for step in range(steps_per_epoch(n, batch_size)):
        yield order[step * batch_size : (step + 1) * batch_size][rank::world]
