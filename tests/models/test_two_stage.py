"""Two networks and a mask detector: what it answers, and who learns from what."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ferturb.base.config import AugmentConfig, ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.evaluation.mask_detector import called_masked
from ferturb.models.backbones import BACKBONES
from ferturb.models.classifier import Classifier
from ferturb.models.two_stage import TwoStage, two_stage
from ferturb.perturb.two_stage import TwoStageInputs
from ferturb.training.inputs import Batch

DETECTOR = 9 * (8 + 8 * 16 + 16 * 32) + 2 * (8 + 16 + 32) + 32 * 3 * 3 + 1
WORN = torch.tensor([True, False, False, True, True, False])
FACES = torch.rand(6, 1, 48, 48, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def name(tiny: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(BACKBONES, "two-stage-tiny", partial(two_stage, BACKBONES[tiny]))
    return "two-stage-tiny"


def network(name: str) -> tuple[Classifier, TwoStage]:
    torch.manual_seed(0)
    net = Classifier(ModelConfig(name))
    for key, buffer in net.named_buffers():
        if key.endswith("running_mean"):
            buffer.uniform_(-0.2, 0.2)
        if key.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    stages = net.backbone.tail
    assert isinstance(stages, TwoStage)
    return net, stages


@pytest.mark.parametrize("one", ["compact", "compact-tiny", "vgg16-half", "resnet18"])
def test_parameters_are_those_of_two_networks_and_the_detector(one: str) -> None:
    with torch.device("meta"):
        single, both = (Classifier(ModelConfig(n)) for n in (one, f"two-stage-{one}"))
    assert both.parameter_count == 2 * single.parameter_count + DETECTOR


def by_hand(stages: TwoStage, faces: Tensor) -> Tensor:
    """The detector's scores."""
    x = F.avg_pool2d(faces, 2)  # bilinear to the half
    weights = [v for v in stages.detector.state_dict().values() if v.ndim]
    for i in range(0, 15, 5):
        kernel, scale, shift, mean, variance = weights[i : i + 5]
        x = F.conv2d(x, kernel, stride=2, padding=1)
        x = F.relu(F.batch_norm(x, mean, variance, scale, shift))
    return x.flatten(1) @ weights[15][0] + weights[16]


@torch.no_grad()
def test_the_answer_is_that_of_the_network_which_the_detector_chooses(name: str, tiny: str) -> None:
    net, stages = network(name)
    net.eval()
    x = net.scaled(FACES)
    scores = by_hand(stages, x)
    torch.testing.assert_close(stages.mask_scores(x), scores, rtol=1e-4, atol=1e-5)
    stages.detector[-1].bias -= scores.median()  # half of them
    chosen = stages.mask_scores(x) > 0
    assert 0 < int(chosen.sum()) < 6
    weight, f = net.head.weight, stages.features
    answers = []
    for i, part in enumerate(stages.networks):
        alone = Classifier(ModelConfig(tiny)).eval()
        alone.backbone.load_state_dict(part.state_dict())
        alone.head.weight.copy_(weight[:, i * f : (i + 1) * f])
        alone.head.bias.copy_(net.head.bias + i * weight[:, -1])
        answers.append(alone(FACES))
    expected = torch.where(chosen[:, None], answers[1], answers[0])
    torch.testing.assert_close(net(FACES), expected, rtol=1e-5, atol=1e-5)
    found = called_masked(net, (FACES[:, 0] * 255).round().byte())
    assert found is not None
    assert torch.equal(found, chosen)
    assert called_masked(alone, (FACES[:, 0] * 255).byte()) is None


def test_each_network_is_shown_its_own_faces_and_the_detector_learns_from_its_own_loss(
    name: str,
) -> None:
    net, stages = network(name)
    statistics = stages.networks[1].stem[1]
    only = F.conv2d(net.scaled(FACES[WORN]), stages.networks[1].stem[0].weight, None, 2, 2)
    expected = 0.9 * statistics.running_mean + 0.1 * only.mean((0, 2, 3))
    stages.worn = WORN
    logits = net.train()(FACES)
    torch.testing.assert_close(statistics.running_mean, expected, rtol=1e-4, atol=1e-5)
    F.cross_entropy(logits[~WORN], torch.tensor([0, 1, 2])).backward()
    whole, masked = (
        sum(float(p.grad.abs().sum()) for p in part.parameters() if p.grad is not None)
        for part in stages.networks
    )
    assert whole > 0
    assert masked == 0
    assert all(p.grad is None for p in stages.detector.parameters())
    stages.worn = torch.zeros(6, dtype=torch.bool)  # a batch without a mask
    assert torch.isfinite(net(FACES)).all()


def test_what_does_not_fit_is_one_line(name: str, tiny: str) -> None:
    net, stages = network(name)
    for worn in (None, WORN[:2]):
        stages.worn = worn
        with pytest.raises(FerturbError, match="give --method two-stage"):
            net.train()(FACES)
    images = torch.zeros(4, 48, 48, dtype=torch.uint8)
    inputs = TwoStageInputs(images, images[None], 0.5)
    with pytest.raises(FerturbError, match="give --model two-stage-compact-tiny"):
        inputs.attach(Classifier(ModelConfig(tiny)))
    generator = torch.Generator()
    mixed = Batch(torch.arange(4), images, AugmentConfig(cutmix=1.0), generator)
    with pytest.raises(FerturbError, match="without mixup and cutmix"):
        inputs(mixed, generator)
