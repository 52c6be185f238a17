"""Random numbers that depend on a face alone, not on the batch it comes in.

Each face has a 64-bit key; every number is a hash of the key and of what it is for (a counter
based generator, the finaliser of splitmix64: Steele, Lea and Flood, "Fast Splittable
Pseudorandom Number Generators", OOPSLA 2014). So the numbers of many faces are drawn at once,
in any order and any batch, and are the same bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Draws: TypeAlias = Mapping[str, Float[Tensor, "n 1 1"]]
"""One number per face under each name, ready to meet (n, h, w) pixels."""

_GAMMA = 0x9E3779B97F4A7C15


def _signed(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def mix(x: Int64[Tensor, "*s"]) -> Int64[Tensor, "*s"]:
    """The finaliser of splitmix64 on the bits of each number; multiplication wraps around."""
    x = (x ^ _shift(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift right, filling with zeros."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def index_keys(n: int, seed: int) -> Int64[Tensor, " n"]:
    """Keys of faces 0 … n−1 under a seed."""
    return _seeded(torch.arange(n, dtype=torch.int64), seed)


def name_keys(names: Sequence[str], seed: int) -> Int64[Tensor, " n"]:
    """Keys of faces by their names under a seed: a face keeps its key in any selection."""
    digests = (
        hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        for name in names
    )
    values = [int.from_bytes(digest, "little", signed=True) for digest in digests]
    return _seeded(torch.tensor(values, dtype=torch.int64), seed)


def _seeded(values: Tensor, seed: int) -> Tensor:
    return mix(mix(values + _signed(_GAMMA)) + _signed(seed * _GAMMA))


def draw_uniform(
    keys: Int64[Tensor, " n"], ranges: Mapping[str, tuple[float, float]], purpose: int = 0
) -> dict[str, Float[Tensor, "n 1 1"]]:
    """For each name one number per face, uniform between the two bounds of its range.

    Different purposes draw independent numbers from the same keys.
    """
    columns = torch.arange(1, len(ranges) + 1, dtype=torch.int64, device=keys.device)
    salt = mix((columns + 1000 * purpose) * _signed(_GAMMA))
    shares = (_shift(mix(keys[:, None] ^ salt), 40)).float() / (1 << 24)
    return {
        name: (low + (high - low) * shares[:, i]).view(-1, 1, 1)
        for i, (name, (low, high)) in enumerate(ranges.items())
    }


def draw_noise(
    keys: Int64[Tensor, " n"], height: int, width: int, purpose: int = 0
) -> Float[Tensor, "n height width"]:
    """Noise of mean 0 and standard deviation 1 for each pixel, close to normal (within ±3.5).

    A pixel's number is the sum of the four 16-bit parts of its hash.
    """
    pixels = torch.arange(1, height * width + 1, dtype=torch.int64, device=keys.device)
    bits = mix(mix(keys + _signed((purpose + 1) * _GAMMA))[:, None] + pixels * _signed(_GAMMA))
    total = (bits & 0xFFFF) + (_shift(bits, 16) & 0xFFFF)
    total += (_shift(bits, 32) & 0xFFFF) + _shift(bits, 48)
    return ((total.float() / 65536 - 2.0) * 3**0.5).view(-1, height, width)


@dataclass(frozen=True)
class KeyedRandom:
    """The random numbers of some faces, one key each."""

    keys: Int64[Tensor, " n"]

    def uniform(self, ranges: Mapping[str, tuple[float, float]], purpose: int) -> Draws:
        """`draw_uniform` from these keys."""
        return draw_uniform(self.keys, ranges, purpose)

    def noise(self, height: int, width: int, purpose: int) -> Float[Tensor, "n height width"]:
        """`draw_noise` from these keys."""
        return draw_noise(self.keys, height, width, purpose)
