from __future__ import annotations

import torch
from altering_modules import RememberedRandom

from ferturb.features.masks.keyed_random import KeyedRandom, index_keys


def test_what_is_remembered_is_what_was_drawn_first() -> None:
    keys = index_keys(3, seed=2)
    drawn, kept = KeyedRandom(keys), RememberedRandom(keys)
    ranges = {"a": (0.0, 1.0), "b": (2.0, 3.0)}
    first, noise = kept.uniform(ranges, 1), kept.noise(4, 5, 1)
    for name, expected in drawn.uniform(ranges, 1).items():
        assert torch.equal(first[name], expected)
        assert kept.uniform(ranges, 1)[name] is first[name]  # a constant when it is traced
        assert not torch.equal(kept.uniform(ranges, 2)[name], expected)
    assert torch.equal(noise, drawn.noise(4, 5, 1))
    assert kept.noise(4, 5, 1) is noise
    assert not torch.equal(kept.noise(4, 5, 0), noise)
