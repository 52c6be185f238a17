from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from ferturb.base.config import FAST, AugmentConfig
from ferturb.base.errors import FerturbError
from ferturb.training.mixing import Mixing, draw_mixing

FACES = torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(0))
PARTNER = torch.tensor([3, 0, 5, 1, 4, 2])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_mixup_is_the_weighted_mean() -> None:
    mixed = Mixing(PARTNER, 0.7, None).faces(FACES)
    torch.testing.assert_close(mixed, 0.7 * FACES + 0.3 * FACES[PARTNER])


def test_cutmix_shows_the_other_face_inside_the_rectangle_alone() -> None:
    mixed = Mixing(PARTNER, 0.75, (0.25, 0.75, 0.5, 1.0)).faces(FACES)
    inside = torch.zeros(12, 12, dtype=torch.bool)
    inside[3:9, 6:12] = True
    assert torch.equal(mixed[..., inside], FACES[PARTNER][..., inside])
    assert torch.equal(mixed[..., ~inside], FACES[..., ~inside])
    assert not torch.equal(mixed, FACES)


def test_the_loss_is_that_of_the_mixed_labels() -> None:
    logits = torch.randn(6, 7, generator=rng())
    labels = torch.tensor([0, 1, 2, 3, 4, 5])
    found = Mixing(PARTNER, 0.6, None).cross_entropy(logits, labels, 0.1)
    soft = 0.6 * F.one_hot(labels, 7) + 0.4 * F.one_hot(labels[PARTNER], 7)
    soft = 0.9 * soft + 0.1 / 7
    torch.testing.assert_close(found, -(soft * logits.log_softmax(1)).sum(1).mean())


def test_a_view_is_mixed_with_its_like() -> None:
    views = FACES.repeat_interleave(2, 0) + torch.tensor([0.0, 10.0]).repeat(6)[:, None, None, None]
    mixed = Mixing(PARTNER, 0.5, None).faces(views)
    torch.testing.assert_close(mixed[1::2], mixed[::2] + 10)
    torch.testing.assert_close(mixed[::2], Mixing(PARTNER, 0.5, None).faces(FACES))


def test_shares_are_drawn_from_the_beta_distribution() -> None:
    drawn = [draw_mixing(AugmentConfig(mixup=0.2), 2, 48, rng(seed)) for seed in range(400)]
    shares = [mixing.share for mixing in drawn if mixing is not None]
    assert len(shares) == 400
    assert stats.kstest(shares, stats.beta(0.2, 0.2).cdf).pvalue > 1e-3


def test_rectangles_lie_anywhere() -> None:
    drawn = [draw_mixing(AugmentConfig(cutmix=1.0), 2, 48, rng(seed)) for seed in range(400)]
    boxes = torch.tensor([mixing.box for mixing in drawn if mixing is not None and mixing.box])
    for first, last in ((0, 1), (2, 3)):
        small = boxes[(boxes[:, last] - boxes[:, first]) < 0.4]
        middle = small[:, first : last + 1].mean(1)
        assert len(small) > 50
        assert float(middle.min()) < 0.1
        assert float(middle.max()) > 0.9


def test_the_share_is_the_area_that_is_left() -> None:
    config = AugmentConfig(cutmix=1.0)
    shares = []
    for seed in range(200):
        mixing = draw_mixing(config, 6, 48, rng(seed))
        assert mixing is not None
        assert mixing.box is not None
        black = Mixing(torch.tensor([1, 0]), mixing.share, mixing.box)
        shown = black.faces(torch.stack([torch.ones(1, 48, 48), torch.zeros(1, 48, 48)]))[0]
        assert float(shown.mean()) == pytest.approx(mixing.share, abs=1e-6)
        assert sorted(mixing.partner.tolist()) == list(range(6))
        shares.append(mixing.share)
    assert min(shares) < 0.2
    assert max(shares) > 0.95


def test_how_often_and_how_batches_are_mixed() -> None:
    assert draw_mixing(AugmentConfig(), 6, 48, rng()) is None
    both = AugmentConfig(mixup=0.4, cutmix=1.0, mixing_probability=0.5)
    drawn = [draw_mixing(both, 6, 48, rng(seed)) for seed in range(400)]
    mixed = [m for m in drawn if m is not None]
    assert 150 < len(mixed) < 250
    boxed = sum(m.box is not None for m in mixed)
    assert 0.35 < boxed / len(mixed) < 0.65
    again = [draw_mixing(both, 6, 48, rng(seed)) for seed in range(3)]
    assert [None if m is None else m.share for m in again] == [
        None if m is None else m.share for m in drawn[:3]
    ]


def test_a_recipe_that_mixes_is_another_recipe_and_bounds_are_checked() -> None:
    assert replace(FAST.augment, mixup=0.2) != FAST.augment
    with pytest.raises(FerturbError, match="mixing_probability"):
        AugmentConfig(mixing_probability=1.5)
    with pytest.raises(FerturbError, match="mixup"):
        AugmentConfig(mixup=-0.1)
