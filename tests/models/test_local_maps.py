"""Maps of local attention against the formula, and which of them are dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.models.local_maps import LocalMaps, drop_one


@torch.no_grad()
def test_the_features_are_multiplied_by_the_largest_map_computed_by_hand() -> None:
    torch.manual_seed(0)
    local, x = LocalMaps(32, 3).double().eval(), torch.randn(2, 32, 4, 5, dtype=torch.float64)
    for parameter in local.parameters():
        parameter.normal_()
    expected = torch.zeros(2, 4, 5, dtype=torch.float64)
    for first, norm, _, second, last, _ in local.maps:  # type: ignore[misc]
        y = torch.einsum("oc,bchw->bohw", first.weight[:, :, 0, 0], x)
        y = y + first.bias[None, :, None, None]
        y = y / (1 + norm.eps) ** 0.5 * norm.weight[:, None, None] + norm.bias[:, None, None]
        z = torch.einsum("c,bchw->bhw", second.weight[0, :, 0, 0], y.clamp(min=0)) + second.bias
        z = z / (1 + last.eps) ** 0.5 * last.weight + last.bias
        expected = torch.maximum(expected, 1 / (1 + torch.exp(-z)))
    torch.testing.assert_close(local(x), x * expected[:, None])


def test_one_map_is_dropped_in_the_given_share_of_faces_each_as_often() -> None:
    torch.manual_seed(0)
    dropped = (drop_one(torch.ones(8000, 4, 2, 2), 0.6) == 0).flatten(2)
    assert torch.equal(dropped.any(2), dropped.all(2))
    lost = dropped.all(2)
    assert set(lost.sum(1).tolist()) == {0, 1}
    assert float(lost.any(1).float().mean()) == pytest.approx(0.6, abs=0.02)
    assert lost.float().mean(0).tolist() == pytest.approx([0.15] * 4, abs=0.015)


def test_a_network_keeps_its_maps_on_disk(tmp_path: Path, tiny: str) -> None:
    torch.manual_seed(0)
    model = Classifier(ModelConfig(tiny, local_maps=2)).eval()
    assert model.parameter_count > Classifier(ModelConfig(tiny)).parameter_count
    model.save(tmp_path / "model.safetensors")
    loaded, faces = Classifier.load(tmp_path / "model.safetensors"), torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(faces), model(faces))
    assert loaded.config.local_maps == 2


def test_less_than_none_is_an_error() -> None:
    with pytest.raises(FerturbError, match="local_maps must be from 0 to 64"):
        ModelConfig(local_maps=-1)
