"""The protocol of the program that was released with the paper: five crops, maps of a batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ferturb.base.config import AS_RELEASED, RELEASED, AugmentConfig, MethodConfig, ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_bytes
from ferturb.data.faces import Faces
from ferturb.models.attention import SpatialGate
from ferturb.models.classifier import Classifier
from ferturb.perturb.cluster_maps import attention_at, with_batch_statistics
from ferturb.perturb.cluster_views import ClusterViews
from ferturb.perturb.clusters import cluster_maps, unit_range
from ferturb.perturb.methods import source_at_test_time, training_inputs
from ferturb.perturb.view_classifier import ViewClassifier, model_at_test_time
from ferturb.perturb.views import views_of
from ferturb.training.inputs import Batch

STILL = AugmentConfig(flip=0.0, crop=40, crops="five")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def gated(tiny: str) -> Classifier:
    torch.manual_seed(0)
    return Classifier(ModelConfig(tiny, attention=True, attention_at="input")).eval()


@pytest.fixture
def faces() -> Faces:
    images = torch.randint(0, 256, (32, 6, 6), generator=rng(3), dtype=torch.uint8)
    images = images.repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels = torch.arange(32) % 7
    names = tuple(str(i) for i in range(32))
    return Faces(images, labels, torch.zeros(32, dtype=torch.uint8), names, "patches")


def views(faces: Faces, gated: Classifier, method: MethodConfig = AS_RELEASED) -> ClusterViews:
    made = training_inputs(method, faces, gated)
    assert isinstance(made, ClusterViews)
    made.start_epoch(1, rng(1))
    return made


def first_batch(faces: Faces, config: AugmentConfig = STILL, seed: int = 2) -> Batch:
    return Batch(torch.arange(16), faces.images[:16], config, rng(seed))


def test_a_step_shows_all_views_of_five_crops_of_each_face(faces: Faces, gated: Classifier) -> None:
    inputs = views(faces, gated)
    shown = inputs(first_batch(faces), rng(4))
    assert shown.shape == (16 * 5 * 4, 1, 40, 40)
    of_face = shown.view(16, 5, 4, 40, 40)
    whole = faces.images[:16].float() / 255
    assert torch.equal(of_face[:, 0, 3], whole[:, :40, :40])
    assert torch.equal(of_face[:, 4, 3], whole[:, 4:44, 4:44])
    keep = torch.stack([inputs.cluster_map != j for j in range(3)])
    assert torch.equal(of_face[:, :, :3], of_face[:, :, 3:] * keep)


def test_the_first_steps_inputs_give_the_epochs_map(faces: Faces, gated: Classifier) -> None:
    inputs = views(faces, gated)
    inputs(first_batch(faces), rng(4))
    found = inputs.cluster_map
    crops = as_bytes(first_batch(faces).augmented()[:, 0]).float().unsqueeze(1) / 255
    with torch.no_grad():  # the gate, its norm going by these crops, summed over them
        x = (crops - 0.5077) / 0.2551
        z = gated.gates[0].conv(torch.cat([x, x], 1))
        z = (z - z.mean()) / (z.var(correction=0) + 1e-5).sqrt()
        total = torch.sigmoid(z).sum(0)
    assert float(total.min()) > 0.5  # so the program's threshold on the sum does nothing
    expected = cluster_maps(unit_range(total.numpy()), 3, 4, threshold=0.0, starts=1)
    pairs = {(int(a), int(b)) for a, b in zip(found.flatten(), expected.ravel(), strict=True)}
    assert len(pairs) == 3  # the same clusters; the names follow the training's reference
    inputs(first_batch(faces, replace(STILL, flip=1.0)), rng(5))
    assert torch.equal(inputs.cluster_map, found)  # later steps change nothing
    inputs.start_epoch(2, rng(6))
    inputs(first_batch(faces, RELEASED.augment), rng(7))
    assert not torch.equal(inputs.cluster_map, found)


def test_at_test_time_each_batch_has_a_map_of_its_own(faces: Faces, gated: Classifier) -> None:
    inputs = views(faces, gated)
    inputs(first_batch(faces), rng(4))
    model = inputs.at_test_time(gated).eval()
    assert isinstance(model, ViewClassifier)
    one, other = (faces.images[i : i + 16, None].float() / 255 for i in (0, 16))
    maps = inputs.source(one)
    assert maps.shape == (1, 48, 48)
    assert not torch.equal(maps, inputs.source(other))
    with torch.no_grad():
        summed = gated(views_of(one, maps, 3).flatten(0, 1)).view(16, 4, 7).sum(1)
        torch.testing.assert_close(model(one), summed)
    kept = inputs.epoch_record()["maps"].long()
    source = source_at_test_time(AS_RELEASED, kept, lambda: gated)
    with torch.no_grad():
        opened = model_at_test_time(AS_RELEASED, gated, kept, source)
        assert torch.equal(opened(one), model(one))


def test_gates_that_go_by_their_batch_leave_the_classifier_alone(gated: Classifier) -> None:
    before = {k: v.clone() for k, v in gated.state_dict().items()}
    other = with_batch_statistics(gated).eval()
    bright: Tensor = torch.rand(4, 1, 48, 48, generator=rng(1))
    with torch.no_grad():
        torch.testing.assert_close(
            other.attention_maps(bright),
            other.attention_maps(bright * 0.5 + 0.2539),
            atol=1e-3,
            rtol=0,
        )  # half the contrast about the mean grey, the same gate
        assert not torch.allclose(gated.attention_maps(bright), other.attention_maps(bright))
    assert all(torch.equal(v, before[k]) for k, v in gated.state_dict().items())
    assert isinstance(gated.gates[0], SpatialGate)


def test_the_gates_must_be_where_the_method_looks(faces: Faces, gated: Classifier) -> None:
    assert attention_at(AS_RELEASED) == "input"
    with pytest.raises(FerturbError, match="attention_at='between'"):
        training_inputs(replace(AS_RELEASED, attention_from="stages"), faces, gated)


def test_consistency_compares_the_views_of_one_crop(faces: Faces, gated: Classifier) -> None:
    method = replace(AS_RELEASED, views="pair", consistency=1.0)
    inputs = views(faces, gated, method)
    logits = torch.randn(2, 5, 2, 7, generator=rng(8))
    expected = (
        (
            logits[:, :, 1].softmax(-1)
            * (logits[:, :, 1].log_softmax(-1) - logits[:, :, 0].log_softmax(-1))
        )
        .sum(-1)
        .mean()
    )
    loss = inputs.extra_loss(logits.view(20, 7))
    torch.testing.assert_close(loss, expected)
