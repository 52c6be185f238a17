from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ferturb.evaluation.saliency.rise import rise, rise_masks
from ferturb.models.classifier import MEAN


class OnePixel(nn.Module):
    """The emotion is 3 if one pixel is bright, else 0."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.place = row, column

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, 0, self.place[0], self.place[1]]
        return 4 * bright[:, None] * torch.eye(7)[3] + 2 * torch.eye(7)[0]


@pytest.mark.parametrize("place", [(10, 30), (40, 24)])
def test_it_finds_the_one_pixel_that_counts(place: tuple[int, int]) -> None:
    x = torch.full((2, 1, 48, 48), 1.0)
    found = rise(OnePixel(*place), x, torch.tensor([3, 3]))
    for one in found:
        row, column = divmod(int(one.argmax()), 48)
        assert abs(row - place[0]) <= 4
        assert abs(column - place[1]) <= 4
    # What speaks against an emotion has no saliency for it.
    against = rise(OnePixel(*place), x, torch.tensor([0, 0]))
    assert bool((against[:, place[0], place[1]] == 0).all())


def test_it_is_the_difference_of_means_over_masks() -> None:
    model, x = OnePixel(5, 5), torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    masks = rise_masks(16, (24, 24), seed=9)
    shown, hidden = torch.zeros(24, 24), torch.zeros(24, 24)
    weight, rest = torch.zeros(24, 24), torch.zeros(24, 24)
    for mask in masks:
        p = model(x * mask + MEAN * (1 - mask)).softmax(1)[0, 3]
        shown, weight = shown + p * mask, weight + mask
        hidden, rest = hidden + p * (1 - mask), rest + 1 - mask
    expected = (shown / weight.clamp_min(1e-6) - hidden / rest.clamp_min(1e-6)).clamp_min(0)
    found = rise(model, x, torch.tensor([3]), seed=9, masks=16)[0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_masks_show_half_and_follow_from_the_seed() -> None:
    masks = rise_masks(600, (48, 40), seed=1)
    assert masks.shape == (600, 48, 40)
    assert float(masks.min()) == 0
    assert float(masks.max()) == 1
    assert (masks.mean(0) - 0.5).abs().max() < 0.1  # every pixel alike
    assert torch.equal(masks, rise_masks(600, (48, 40), seed=1))
    assert not torch.equal(masks, rise_masks(600, (48, 40), seed=2))
