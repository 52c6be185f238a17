"""Models that sum logits are asked for the softmax of the mean."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ferturb.base.config import MethodConfig, ModelConfig
from ferturb.evaluation.saliency.probability import how_many_summed, probabilities
from ferturb.models.classifier import Classifier
from ferturb.models.ensemble import Ensemble
from ferturb.perturb.view_classifier import ViewClassifier


@pytest.mark.parametrize("clusters", [1, 3])
def test_a_sum_is_no_surer_than_what_is_summed(tiny: str, clusters: int) -> None:
    network = Classifier(ModelConfig(tiny)).eval()
    faces = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(1))
    columns = (torch.arange(48) * clusters // 48).expand(48, 48)

    def views(of: nn.Module) -> ViewClassifier:
        return ViewClassifier(of, columns, MethodConfig("perturb", clusters=clusters))

    def found(model: nn.Module, mean: Tensor) -> int:
        torch.testing.assert_close(probabilities(model)(faces), mean.softmax(1))
        return how_many_summed(model)

    alone = network(faces)
    without = [network(faces * (columns != j)) for j in range(clusters)]
    mean = sum(without, alone) / (clusters + 1)
    assert not torch.allclose(mean, alone, atol=1e-3)
    assert found(network, alone) == 1
    assert found(Ensemble([network] * 3), alone) == 3
    assert found(views(network), mean) == clusters + 1
    assert found(views(Ensemble([network] * 2)), mean) == 2 * (clusters + 1)
