from __future__ import annotations

import torch
from torch import Tensor

from ferturb.features.masks.keyed_random import Draws, draw_uniform, index_keys
from ferturb.features.masks.textures import (
    CLOTH,
    N95,
    SURGICAL,
    Cloth,
    cup,
    double,
    halve,
    relief,
    stitched,
    surgical,
)

N, SIDE = 40, 97


def flat() -> Cloth:
    """A mask spread out flat: u and across from left to right, v from top to bottom."""
    across = torch.linspace(-1, 1, SIDE).expand(N, SIDE, SIDE)
    v = torch.linspace(0, 1, SIDE)[:, None].expand(N, SIDE, SIDE)
    return Cloth(torch.full((N, SIDE, SIDE), -20.0), across, across, v, torch.full((N, 1, 1), 0.01))


def drawn(ranges: dict[str, tuple[float, float]], **fixed: float) -> Draws:
    draws = draw_uniform(index_keys(N, 3), ranges)
    return draws | {k: torch.full((N, 1, 1), v) for k, v in fixed.items()}


def valleys(profile: Tensor) -> Tensor:
    """Where a line of each face is darker by 0.05 than five places above and below."""
    middle = profile[:, 5:-5]
    around = torch.minimum(profile[:, :-10], profile[:, 10:])
    lowest = torch.nn.functional.max_pool1d(-middle, 5, 1, 2) == -middle
    return (middle < around - 0.05) & lowest


def test_a_surgical_mask_has_three_pleats_where_the_draws_have_them() -> None:
    draws = drawn(dict(SURGICAL), wire=0.0)
    shade = surgical(flat(), draws)
    found = valleys(shade[:, :, SIDE // 2])
    assert (found.sum(1) == 3).all()
    heights = (found.nonzero()[:, 1].view(N, 3) + 5) / (SIDE - 1)
    expected = (draws["pleat"] + draws["spacing"] * torch.arange(3.0)).squeeze(1)
    assert (heights - expected - 0.012).abs().max() < 0.025


def test_cloth_has_a_seam_down_the_middle_and_a_pattern_at_random() -> None:
    plain = stitched(flat(), drawn(dict(CLOTH), pattern=0.2, seam=1.0))
    row = plain[:, SIDE // 2]
    assert (row.argmin(1) == SIDE // 2).all()
    far = torch.cat([row[:, 5:35], row[:, -35:-5]], 1)
    assert torch.allclose(far, far[:, :1].expand_as(far))
    fixed = {"seam": 0.0, "turn": 0.0}
    bars = stitched(flat(), drawn(dict(CLOTH), pattern=0.5, **fixed))[:, 10:-10, 25:-25]
    rows = stitched(flat(), drawn(dict(CLOTH), pattern=0.65, **fixed))[:, 10:-10, 25:-25]
    checks = stitched(flat(), drawn(dict(CLOTH), pattern=0.8, **fixed))[:, 10:-10, 25:-25]
    dots = stitched(flat(), drawn(dict(CLOTH), pattern=0.95, **fixed))[:, 10:-10, 25:-25]
    assert bars.std(1).max() < 1e-5 < 0.05 < bars.std(2).min()
    assert rows.std(2).max() < 1e-5 < 0.05 < rows.std(1).min()
    for pattern in (checks, dots):
        assert pattern.std(1).amax(1).min() > 0.02
        assert pattern.std(2).amax(1).min() > 0.02
    assert not torch.allclose(checks, dots, atol=0.05)


def test_a_cup_is_darker_towards_its_rim() -> None:
    shade = cup(flat(), drawn(dict(N95), fold=0.0, valve=-1.0))
    middle = shade[:, SIDE // 2]
    assert (middle[:, SIDE // 2 :].diff(dim=1) <= 1e-6).all()
    assert (middle[:, SIDE // 2] > middle[:, -8] * 1.15).all()
    valve = cup(flat(), drawn(dict(N95), fold=0.0, valve=0.4))
    changed = (valve - shade).abs().amax(0) > 0.02
    assert changed[53, 68]
    assert not changed[:, :40].any()


def test_relief_is_symmetrical_and_falls_away() -> None:
    light = relief(flat())
    assert torch.allclose(light, light.flip(2), atol=1e-6)
    assert (light[:, 60, SIDE // 2] > light[:, 60, 0] + 0.15).all()
    assert (light[:, -1] < light[:, 60]).all()


def test_halving_undoes_doubling() -> None:
    plane = torch.rand(3, 6, 9, generator=torch.Generator().manual_seed(0))
    x, y = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing="ij")
    linear = (2 * x + 3 * y)[None]
    twice = double(linear)
    assert twice.shape == (1, 12, 18)
    assert torch.allclose(halve(twice)[:, 1:-1, 1:-1], linear[:, 1:-1, 1:-1])
    steps = twice[0, 2:-2, 2:-2]
    assert torch.allclose(steps.diff(dim=0), torch.tensor(1.0))
    assert torch.allclose(steps.diff(dim=1), torch.tensor(1.5))
    blocks = plane.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.allclose(halve(blocks), plane)
