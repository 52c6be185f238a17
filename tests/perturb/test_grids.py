from __future__ import annotations

import cmath
import math

import pytest
import torch

from ferturb.base.config import METHOD_PRESETS, AugmentConfig, MethodConfig
from ferturb.perturb.grids import CELLS, GridMask, HideAndSeek, grid_squares, hidden_cells
from ferturb.training.inputs import Batch


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int, seed: int = 0) -> Batch:
    images = torch.randint(1, 256, (n, 48, 48), generator=rng(1)).to(torch.uint8)
    return Batch(torch.arange(n), images, AugmentConfig(flip=0.0), rng(seed))


def test_a_cell_is_hidden_as_a_whole_or_not_at_all() -> None:
    hidden = hidden_cells(40, 48, 48, rng(), cells=(4,))
    cells = hidden.view(40, 4, 12, 4, 12).transpose(2, 3).flatten(3)
    assert torch.equal(cells.all(3), cells.any(3))


def test_half_of_the_cells_are_hidden_in_four_faces_of_five() -> None:
    hidden = hidden_cells(5000, 48, 48, rng()).float().mean((1, 2))
    assert float(hidden.mean()) == pytest.approx(0.4, abs=0.01)
    assert float((hidden == 0).float().mean()) == pytest.approx(0.2, abs=0.02)


def test_squares_cover_the_square_of_their_share() -> None:
    """0.4 · 0.4 of each unit, whatever its size, place and angle."""
    covered = grid_squares(5000, 48, 48, rng()).float().mean()
    assert float(covered) == pytest.approx(0.16, abs=0.005)


def test_squares_are_those_of_a_turned_grid() -> None:
    """Each pixel's place as a complex number, turned back and looked up in its unit."""
    angles, hidden = torch.rand(4, 6, 1, 1, generator=rng(7)), grid_squares(6, 48, 48, rng(7))
    for face in range(6):
        size, turn, right, down = angles[:, face].flatten().tolist()
        unit = 48 * (96 / 224 + (1 - 96 / 224) * size)
        back = cmath.exp(-1j * math.pi / 4 * (2 * turn - 1))
        for row, column in [(0, 0), (3, 40), (17, 22), (30, 9), (46, 47), (47, 1)]:
            place = complex(column + 0.5, row + 0.5) * back + unit * complex(right, down)
            inside = place.real % unit < 0.4 * unit and place.imag % unit < 0.4 * unit
            assert bool(hidden[face, row, column]) is inside
    assert 0.05 < float(hidden.float().mean()) < 0.3


def test_the_cells_are_those_of_the_authors_grids() -> None:
    """Of 16, 32, 44 and 56 pixels on faces of 224, or none."""
    assert (0, *(round(224 / side) for side in (16, 32, 44, 56))) == CELLS


def test_grid_mask_begins_with_whole_faces_and_ends_at_its_peak() -> None:
    method = GridMask(METHOD_PRESETS["grid-mask"])
    shown = batch(400)
    whole = shown.images[:, None].float() / 255
    method.start_epoch(1, rng(), progress=0.0)
    assert torch.equal(method(batch(400), rng()), whole)
    method.start_epoch(9, rng(), progress=1.0)
    changed = (method(batch(400), rng()) != whole).flatten(1).any(1).float().mean()
    assert float(changed) == pytest.approx(0.8, abs=0.06)


def test_what_is_hidden_is_filled_and_the_rest_is_the_face() -> None:
    method = HideAndSeek(MethodConfig("hide-and-seek", fill="black"))
    shown = batch(64)
    whole = shown.images[:, None].float() / 255
    inputs = method(batch(64), rng())
    hidden = inputs == 0
    assert torch.equal(inputs[~hidden], whole[~hidden])
    assert float(hidden.float().mean()) == pytest.approx(0.4, abs=0.06)


def test_the_same_draws_give_the_same_inputs() -> None:
    method = HideAndSeek(METHOD_PRESETS["hide-and-seek"])
    assert torch.equal(method(batch(8, 3), rng()), method(batch(8, 3), rng()))
    assert not torch.equal(method(batch(8, 3), rng()), method(batch(8, 4), rng()))
