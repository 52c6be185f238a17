"""The seeds of everything random."""

from __future__ import annotations

import hashlib

import torch


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
