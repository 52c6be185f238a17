from __future__ import annotations

import pytest
import torch

from ferturb.base.config import MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.perturb.hidden_variants import AlteredCopies
from ferturb.perturb.methods import METHODS


def marked(n: int = 40, copies: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Face i is grey i all over, its copy c grey 50 + 50 c + i."""
    images = torch.arange(n, dtype=torch.uint8)[:, None, None].expand(n, 4, 4).contiguous()
    return images, torch.stack([images + 50 + 50 * c for c in range(copies)])


def test_no_share_shows_the_faces_themselves() -> None:
    images, copies = marked()
    index = torch.tensor([3, 1, 39])
    shown = AlteredCopies(images, copies, 0.0).pictures_of(index, torch.Generator().manual_seed(0))
    assert torch.equal(shown, images[index])


def test_each_face_is_shown_as_itself_or_one_of_its_own_copies() -> None:
    images, copies = marked()
    views = AlteredCopies(images, copies, 0.6)
    index = torch.arange(40).repeat(100)
    shown = views.pictures_of(index, torch.Generator().manual_seed(1))[:, 0, 0].long()
    kind = (shown - index) // 50
    assert torch.equal(shown - index, 50 * kind)
    counts = kind.bincount(minlength=4) / len(index)
    expected = torch.tensor([0.4, 0.2, 0.2, 0.2])
    assert float((counts - expected).abs().max()) < 0.03  # 4 standard deviations


def test_the_same_generator_shows_the_same() -> None:
    images, copies = marked()
    views = AlteredCopies(images, copies, 0.5)
    index = torch.arange(40)
    first, second = (views.pictures_of(index, torch.Generator().manual_seed(2)) for _ in "ab")
    assert torch.equal(first, second)


@pytest.mark.usefixtures("no_shape_checks")
def test_copies_of_other_faces_are_refused() -> None:
    images, copies = marked()
    with pytest.raises(FerturbError, match="copies of all training faces"):
        AlteredCopies(images, copies[:, :20], 0.5)


def test_method_robust_is_made_of_copies_and_refuses_to_go_without() -> None:
    images, copies = marked()
    config = MethodConfig("robust", altered=0.25)
    views = METHODS["robust"](config, None, images, copies)
    assert isinstance(views, AlteredCopies)
    assert views.share == 0.25
    with pytest.raises(FerturbError, match="needs the altered copies"):
        METHODS["robust"](config, None, images)
