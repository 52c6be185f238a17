from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from ferturb.base.config import ModelConfig
from ferturb.evaluation.saliency.randomisation import (
    randomised,
    rank_correlation,
    structural_similarity,
)
from ferturb.models.classifier import Classifier


def maps(seed: int, n: int = 3) -> torch.Tensor:
    return torch.rand(n, 20, 24, generator=torch.Generator().manual_seed(seed))


def test_rank_correlation_is_that_of_the_ranks() -> None:
    a, b = maps(0), maps(1) + maps(0)
    a[2, :10] = 0  # ties
    ranks = [[rankdata(m.flatten()) for m in maps] for maps in (a, b)]
    expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(*ranks, strict=True)]
    assert rank_correlation(a, b) == pytest.approx(expected, rel=1e-12)
    assert rank_correlation(a, 1 - a) == pytest.approx(-1)
    assert np.isnan(rank_correlation(torch.ones(1, 4, 4), maps(0, 1)[:, :4, :4]))


def test_ssim_by_hand_on_one_window() -> None:
    a, b = maps(3, 1)[:, :7, :7], maps(4, 1)[:, :7, :7]
    x, y = ((m - m.min()) / (m.max() - m.min()) for m in (a[0].double(), b[0].double()))
    both = (x * y).mean() - x.mean() * y.mean()
    top = (2 * x.mean() * y.mean() + 1e-4) * (2 * both + 9e-4)
    bottom = (x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (
        x.var(unbiased=False) + y.var(unbiased=False) + 9e-4
    )
    assert structural_similarity(a, b)[0] == pytest.approx(float(top / bottom))


def test_ssim_is_one_for_the_same_map_whatever_its_scale() -> None:
    assert structural_similarity(maps(0), 5 * maps(0) + 2) == pytest.approx(1)
    assert (structural_similarity(maps(0), maps(1)) < 0.3).all()


def test_the_last_layers_are_shuffled_and_the_model_is_left_alone(tiny: str) -> None:
    torch.manual_seed(0)
    model = Classifier(ModelConfig(tiny)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    faces = torch.rand(4, 1, 32, 32)
    everything = randomised(model, faces)
    last = randomised(model, faces, share=1e-9)
    for name, value in model.named_parameters():
        fresh = everything.get_parameter(name)
        assert torch.equal(fresh.flatten().sort().values, value.flatten().sort().values)
        assert value.numel() < 8 or not torch.equal(fresh, value)
        assert torch.equal(last.get_parameter(name), value) == (not name.startswith("head."))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not everything.training
    assert torch.equal(randomised(model, faces)(faces), everything(faces))
    # Normalised anew: activations of the random network keep an ordinary size.
    assert everything(faces).isfinite().all()


def test_nothing_randomised_is_the_same_model(tiny: str) -> None:
    model, faces = Classifier(ModelConfig(tiny)).eval(), torch.rand(4, 1, 32, 32)
    assert torch.equal(randomised(model, faces, share=0)(faces), model(faces))
