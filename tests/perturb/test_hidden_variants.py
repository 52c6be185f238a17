from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ferturb.base.config import AugmentConfig
from ferturb.base.errors import FerturbError
from ferturb.perturb.hidden_variants import HiddenVariants
from ferturb.training.inputs import Batch


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def marked(n: int = 40, variants: int = 3) -> tuple[Tensor, Tensor]:
    """Face i is grey i all over, its variant c grey 50 + 50 c + i."""
    images = torch.arange(n, dtype=torch.uint8)[:, None, None].expand(n, 4, 4).contiguous()
    return images, torch.stack([images + 50 + 50 * c for c in range(variants)])


def shown(probability: float, index: Tensor, seed: int) -> Tensor:
    """The grey that is shown of each face."""
    images, variants = marked()
    batch = Batch(index, images[index], AugmentConfig(flip=0.0), rng(9))
    inputs = HiddenVariants(images, variants, probability)(batch, rng(seed))
    return (inputs[:, 0, 0, 0] * 255).round().long()


def test_probability_0_shows_the_faces_themselves() -> None:
    index = torch.tensor([3, 1, 39])
    assert torch.equal(shown(0.0, index, 0), index)


def test_each_face_is_shown_as_itself_or_one_of_its_own_variants() -> None:
    index = torch.arange(40).repeat(100)
    seen = shown(0.6, index, 1)
    kind = (seen - index) // 50
    assert torch.equal(seen - index, 50 * kind)
    counts = kind.bincount(minlength=4) / len(index)
    expected = torch.tensor([0.4, 0.2, 0.2, 0.2])
    assert float((counts - expected).abs().max()) < 0.03  # 4 standard deviations


def test_what_is_shown_follows_the_epochs_generator_alone() -> None:
    index = torch.arange(40)
    assert torch.equal(shown(0.5, index, 2), shown(0.5, index, 2))
    assert not torch.equal(shown(0.5, index, 2), shown(0.5, index, 3))


@pytest.mark.usefixtures("no_shape_checks")
def test_variants_of_other_faces_are_refused() -> None:
    images, variants = marked()
    with pytest.raises(FerturbError, match="variants of all training faces"):
        HiddenVariants(images, variants[:, :20], 0.5)
