"""Erasing Attention Consistency against the published steps, written out."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.config import METHOD_PRESETS, AugmentConfig, MethodConfig, ModelConfig
from ferturb.models.classifier import MEAN, STD, Classifier
from ferturb.perturb.eac import ErasingConsistency
from ferturb.perturb.methods import epochs_within, passes
from ferturb.training.inputs import Batch


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int, value: int | None = None) -> Batch:
    images = torch.randint(1, 255, (n, 24, 24), generator=rng(1)).to(torch.uint8)
    images = images if value is None else torch.full_like(images, value)
    return Batch(torch.arange(n), images, AugmentConfig(flip=0.0), rng(2))


def published_loss(model: Classifier, faces: Tensor, labels: Tensor, weight: float) -> Tensor:
    """Two passes, maps of all classes, the second flipped by `grid_sample` as the authors do."""

    def one(x: Tensor) -> tuple[Tensor, Tensor]:
        features = model.backbone((x - MEAN) / STD)
        maps = (model.head.weight.detach()[None, :, :, None, None] * features[:, None]).sum(2)
        return maps, model.head(features.mean((2, 3)))

    maps, logits = one(faces)
    mirrored, _ = one(faces.flip(-1))
    h, w = maps.shape[2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(1, -1, w), indexing="ij")
    grid = torch.stack([x, y], -1).expand(len(faces), -1, -1, -1)
    back = F.grid_sample(mirrored, grid, padding_mode="border", align_corners=True)
    return F.cross_entropy(logits, labels) + weight * ((maps - back) ** 2).mean()


def test_loss_gradients_and_running_statistics_are_the_published(tiny: str) -> None:
    torch.manual_seed(0)
    model = Classifier(ModelConfig(tiny)).train()
    other = copy.deepcopy(model)
    labels = torch.arange(12) % 7
    method = ErasingConsistency(MethodConfig("eac", mirror_weight=3.0))
    method.attach(model)
    faces = method(batch(12), rng())
    logits = model(faces)
    extra = method.extra_loss(logits)
    assert extra is not None
    loss = F.cross_entropy(logits, labels) + extra
    expected = published_loss(other, faces, labels, 3.0)
    torch.testing.assert_close(loss, expected)
    loss.backward()  # type: ignore[no-untyped-call]
    expected.backward()  # type: ignore[no-untyped-call]
    for (name, ours), theirs in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)
    for ours, theirs in zip(model.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert float(extra.detach()) > 0


def test_a_symmetric_face_of_a_symmetric_network_has_no_gap(tiny: str) -> None:
    torch.manual_seed(0)
    model = Classifier(ModelConfig(tiny)).train()
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            if parameter.ndim == 4:
                parameter.copy_((parameter + parameter.flip(-1)) / 2)
    method = ErasingConsistency(MethodConfig("eac", hidden_probability=0.0))
    method.attach(model)
    half = torch.rand(4, 1, 25, 13, generator=rng())  # odd: strides fall on mirrored places
    logits = model(torch.cat([half, half[..., :-1].flip(-1)], -1))
    assert float(method.extra_loss(logits)) == pytest.approx(0, abs=1e-8)  # type: ignore[arg-type]


def test_half_of_the_faces_lose_a_rectangle_filled_with_their_mean() -> None:
    shown = batch(2000)
    whole = shown.images[:, None].float() / 255
    seen = ErasingConsistency(METHOD_PRESETS["eac"])(batch(2000), rng())
    changed = (seen != whole).flatten(1)
    assert float(changed.any(1).float().mean()) == pytest.approx(0.5, abs=0.03)
    areas = changed.float().mean(1)[changed.any(1)]
    assert 0.25 < float(areas.max()) < 0.3  # sides are whole pixels
    assert float(areas.mean()) == pytest.approx(0.135, abs=0.01)
    flat = ErasingConsistency(METHOD_PRESETS["eac"])(batch(50, 90), rng())
    torch.testing.assert_close(flat, torch.full_like(flat, 90 / 255))


def test_with_a_label_the_mirror_image_stands_beside_the_face(tiny: str) -> None:
    config = MethodConfig("eac", mirror="label")
    method, model = ErasingConsistency(config), Classifier(ModelConfig(tiny)).train()
    method.attach(model)
    seen = method(batch(8), rng()).view(8, 2, 1, 24, 24)
    assert torch.equal(seen[:, 0], ErasingConsistency(METHOD_PRESETS["eac"])(batch(8), rng()))
    assert torch.equal(seen[:, 1], seen[:, 0].flip(-1))
    logits = model(seen.flatten(0, 1))
    assert method.extra_loss(logits) is None


def test_nothing_happens_in_evaluation_and_two_passes_are_paid_for(tiny: str) -> None:
    model = Classifier(ModelConfig(tiny))
    plain, method = copy.deepcopy(model).eval(), ErasingConsistency(METHOD_PRESETS["eac"])
    method.attach(model)
    faces = torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        logits = model.eval()(faces)
        assert torch.equal(logits, plain(faces))
    assert method.extra_loss(logits) is None
    assert passes(METHOD_PRESETS["eac"]) == 2
    assert epochs_within(METHOD_PRESETS["eac"], 24) == 12
