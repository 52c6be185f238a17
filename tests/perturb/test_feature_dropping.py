"""What is dropped from feature maps, against the published steps, written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ferturb.base.config import MethodConfig, ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.perturb.feature_dropping import (
    AttendedDropout,
    MapDropout,
    most_attended,
    shuffled,
)


def reference(x: Tensor, dropping: bool) -> Tensor:
    """Places by loops: attention, threshold against the face's highest, or the sigmoid."""
    out = x.clone()
    for i, face in enumerate(x):
        attention = [[float(face[:, r, c].mean()) for c in range(4)] for r in range(4)]
        highest = max(max(row) for row in attention)
        for r in range(4):
            for c in range(4):
                factor = 1 / (1 + math.exp(-attention[r][c]))
                if dropping:
                    factor = float(attention[r][c] < highest * 0.8)
                out[i, :, r, c] *= factor
    return out


def stages(model: Classifier, config: MethodConfig, passes: int) -> list[tuple[Tensor, Tensor]]:
    """What a stage gives, and what comes of it, in each pass."""
    before: list[Tensor] = []
    after: list[Tensor] = []
    last = model.backbone.stages[-1]
    last.register_forward_hook(lambda module, inputs, x: before.append(x.detach()))
    AttendedDropout(config).attach(model)
    last.register_forward_hook(lambda module, inputs, x: after.append(x.detach()))
    for _ in range(passes):
        model(torch.rand(3, 1, 32, 32))
    return list(zip(before, after, strict=True))


def test_adl_is_the_published_layer(tiny: str) -> None:
    torch.manual_seed(0)
    model = Classifier(ModelConfig(tiny)).train()
    model.backbone.stages[-1].append(nn.AdaptiveAvgPool2d(4))  # type: ignore[operator]
    kinds = []
    for x, dropped in stages(model, MethodConfig("adl"), 200):
        kinds.append(bool((dropped == 0).all(1).any()))
        torch.testing.assert_close(dropped, reference(x, kinds[-1]))
    assert sum(kinds) / 200 == pytest.approx(0.75, abs=0.08)


def test_adl_stands_behind_the_last_two_stages_and_only_in_training() -> None:
    torch.manual_seed(0)
    model, changed = Classifier(ModelConfig("compact-tiny")), set()
    outputs: dict[int, Tensor] = {}
    for i, stage in enumerate(model.backbone.stages):
        stage.register_forward_hook(lambda m, _, x, i=i: outputs.__setitem__(i, x.detach()))
    AttendedDropout(MethodConfig("adl")).attach(model)
    for i, stage in enumerate(model.backbone.stages):

        def note(module: nn.Module, inputs: object, x: Tensor, i: int = i) -> None:
            if not torch.equal(x, outputs[i]):
                changed.add((module.training, i))

        stage.register_forward_hook(note)
    for mode in (True, False):
        model.train(mode)(torch.rand(4, 1, 48, 48))
    assert changed == {(True, 1), (True, 2)}


def test_the_control_drops_as_many_places_anywhere() -> None:
    torch.manual_seed(0)
    attention = torch.rand(500, 1, 6, 6)
    gone = most_attended(attention)
    control = shuffled(gone)
    assert torch.equal(gone.flatten(1).sum(1), control.flatten(1).sum(1))
    assert gone.flatten(1)[torch.arange(500), attention.flatten(1).argmax(1)].all()
    share = float(gone.float().mean())
    assert float(control.flatten(1).float().mean(0).std()) < 0.05
    both = float((gone & control).float().mean())
    assert both == pytest.approx(share**2, abs=0.015)  # independent of the attention
    torch.manual_seed(1)
    model = Classifier(ModelConfig("compact-tiny")).train()
    overlaps = [
        float(((dropped == 0).all(1) & most_attended(x.mean(1, keepdim=True))[:, 0]).sum())
        for x, dropped in stages(model, MethodConfig("adl", at_random=True), 20)
        if (dropped == 0).all(1).any()
    ]
    assert min(overlaps) < 3  # of the attended places at least one of some face is still there


def test_mad_drops_at_the_published_rate_while_it_is_attached_and_needs_maps(tiny: str) -> None:
    torch.manual_seed(0)
    model = Classifier(ModelConfig(tiny, local_maps=2)).train()
    local, x = model.backbone.tail[1], torch.rand(40, 8, 2, 2)  # type: ignore[index]
    whole = local(x)
    with MapDropout().attached(model):
        assert local.drop.rate == 0.6
        assert not torch.equal(local(x), whole)
        assert torch.equal(local.eval()(x), local(x))  # nothing is dropped in evaluation
    assert local.drop.rate == 0.0
    assert torch.equal(local.train()(x), whole)
    for count, said in ((0, "none"), (1, "1")):
        with pytest.raises(FerturbError, match=f"the network has {said}; give ModelConfig"):
            MapDropout().attach(Classifier(ModelConfig(tiny, local_maps=count)))
