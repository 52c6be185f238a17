from __future__ import annotations

import torch

from ferturb.features.masks.keyed_random import draw_noise, draw_uniform, index_keys, mix, name_keys


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def test_the_hash_is_splitmix64() -> None:
    """The first outputs of splitmix64 from state 0 (the reference program's)."""
    gamma = 0x9E3779B97F4A7C15
    states = [signed(k * gamma % 2**64) for k in (1, 2, 3)]
    expected = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    assert mix(torch.tensor(states)).tolist() == [signed(value) for value in expected]


def test_draws_depend_on_the_key_alone() -> None:
    keys = index_keys(50, seed=4)
    ranges = {"a": (0.0, 1.0), "b": (-3.0, 5.0)}
    whole = draw_uniform(keys, ranges)
    part = draw_uniform(keys[[40, 7]], ranges)
    for name in ranges:
        assert torch.equal(whole[name][[40, 7]], part[name])
    assert torch.equal(draw_noise(keys, 6, 5)[[40, 7]], draw_noise(keys[[40, 7]], 6, 5))


def test_draws_are_uniform_and_unrelated() -> None:
    keys = index_keys(20_000, seed=0)
    ranges = {"a": (0.0, 1.0), "b": (-3.0, 5.0)}
    draws = draw_uniform(keys, ranges)
    other = draw_uniform(keys, ranges, purpose=1)
    a, b, c = (x.flatten().double() for x in (draws["a"], draws["b"], other["a"]))
    assert 0 <= a.min() < a.max() < 1
    assert -3 <= b.min() < b.max() < 5
    assert abs(a.mean() - 0.5) < 0.01
    assert abs(a.std() - 12**-0.5) < 0.01
    assert abs(b.mean() - 1.0) < 0.08
    related = torch.corrcoef(torch.stack([a, b, c, a.roll(1)]))
    assert (related - torch.eye(4)).abs().max() < 0.03


def test_noise_is_standard() -> None:
    noise = draw_noise(index_keys(40, seed=9), 48, 48).double()
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    beside = (noise[:, :, 1:] * noise[:, :, :-1]).mean()
    assert abs(beside) < 0.01
    assert not torch.equal(noise[0], noise[1])


def test_keys_come_from_names_and_seed() -> None:
    names = ("train/happy/1.jpg", "train/happy/2.jpg")
    keys = name_keys(names, seed=1)
    assert name_keys(names[::-1], seed=1).tolist() == keys.tolist()[::-1]
    assert len({*keys.tolist(), *name_keys(names, seed=2).tolist()}) == 4
    assert name_keys((), seed=0).shape == (0,)
