from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from ferturb.base.config import EMONEXT, PAPER, RELEASED, ModelConfig, RecipeConfig
from ferturb.models.classifier import Classifier
from ferturb.training.optimizer import (
    AveragedWeights,
    build_optimizer,
    learning_rate,
    optimizer_state,
    restore_optimizer,
    set_learning_rate,
    update,
)


def test_one_cycle_at_known_points() -> None:
    recipe = RecipeConfig(epochs=10, learning_rate=0.2, schedule="one-cycle", warmup=0.2)

    def rate(step: int) -> float:
        return learning_rate(recipe, step, 10, [])

    assert rate(0) == pytest.approx(0.04 * 0.2)
    assert rate(10) == pytest.approx(0.52 * 0.2)  # half-way up
    assert rate(20) == pytest.approx(0.2)
    assert rate(40) == pytest.approx(0.2 * 0.5 * (1 + math.sqrt(0.5)))  # a quarter down
    assert rate(60) == pytest.approx(0.1)
    assert rate(100) == pytest.approx(0, abs=1e-12)
    climb, fall = [rate(s) for s in range(21)], [rate(s) for s in range(20, 100)]
    assert climb == sorted(climb)
    assert fall == sorted(fall, reverse=True)


def test_constant_is_constant() -> None:
    recipe = RecipeConfig(schedule="constant", learning_rate=0.3)
    assert {learning_rate(recipe, s, 7, [0.1] * (s // 7)) for s in range(50)} == {0.3}


@pytest.mark.parametrize("seed", range(12))
def test_plateau_is_torchs_reduce_on_plateau(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(300, generator=generator, dtype=torch.float64)
    values = {
        0: draws,  # no trend
        1: (draws * 20).round() / 20,  # many equals
        2: 0.7 + draws * 2e-4,  # about the threshold
        3: torch.linspace(0, 1, 300, dtype=torch.float64) + draws * 0.05,
    }[seed % 4].tolist()
    patience = (0, 2, 5)[seed % 3]
    recipe = replace(PAPER, plateau_patience=patience)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=recipe.learning_rate)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max", recipe.plateau_factor, patience, threshold=1e-4
    )
    for i, value in enumerate(values):
        assert learning_rate(recipe, i * 9, 9, values[:i]) == optimizer.param_groups[0]["lr"]
        peer.step(value)


def test_weight_decay_spares_norms_and_biases(tiny: str) -> None:
    model = Classifier(ModelConfig(tiny, attention=True))
    recipe = RecipeConfig(weight_decay=0.05)
    optimizer = build_optimizer(model, recipe)
    decay = {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert len(decay) == len(list(model.parameters()))
    free = set()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            free |= set(module.parameters())
        elif getattr(module, "bias", None) is not None:
            free.add(module.bias)
    assert {p for p, d in decay.items() if d == 0} == free
    assert {d for p, d in decay.items() if p not in free} == {0.05}


def test_every_group_gets_the_rate() -> None:
    optimizer = build_optimizer(nn.Linear(2, 2), RecipeConfig())
    set_learning_rate(optimizer, 0.123)
    assert [g["lr"] for g in optimizer.param_groups] == [0.123, 0.123]
    assert all(g["nesterov"] for g in optimizer.param_groups)


@pytest.mark.parametrize("decay", [0.5, 0.998])
def test_average_against_a_float64_loop(decay: float) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = AveragedWeights(model, decay)
    expected = {k: v.double().clone() for k, v in model.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    for step in range(30):
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=generator))
            else:
                value += 1
        average.update(model, step)
        d = min(decay, (1 + step) / (10 + step))
        for key, value in model.state_dict().items():
            expected[key] = d * expected[key] + (1 - d) * value.double()
    for key, value in average.model.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[key], atol=1e-5, rtol=1e-5)
        else:
            assert value == 30  # counts are copied
    assert not any(p.requires_grad for p in average.model.parameters())


def test_without_decay_the_average_is_the_model_itself() -> None:
    model = nn.Linear(2, 2)
    average = AveragedWeights(model, 0.0)
    average.update(model, 0)
    assert average.model is model
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_what_an_optimizer_remembers_goes_out_and_in(name: str) -> None:
    torch.manual_seed(0)
    recipe = RecipeConfig(optimizer=name, learning_rate=0.1)  # type: ignore[arg-type]
    nets = [nn.Linear(3, 2) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    first, other = (build_optimizer(net, recipe) for net in nets)
    assert optimizer_state(first) == {}
    for _ in range(3):
        update(first, nets[0], nets[0](torch.ones(1, 3)).square().sum(), 0.1)
    nets[1].load_state_dict(nets[0].state_dict())
    kept = {k: v.clone() for k, v in optimizer_state(first).items()}
    names = {"sgd": {"momentum"}}.get(name, {"exp_avg", "exp_avg_sq", "step"})
    assert set(kept) == {f"{n}/{i}" for n in names for i in (0, 1)}
    restore_optimizer(other, kept | {"model/weight": torch.zeros(1)})
    for optimizer, net in zip((first, other), nets, strict=True):
        update(optimizer, net, net(torch.ones(1, 3)).square().sum(), 0.1)
    assert torch.equal(nets[0].weight, nets[1].weight)
    assert torch.equal(nets[0].bias, nets[1].bias)


def test_adam_by_hand_with_l2_and_apart() -> None:
    """One step from nothing: the rate, and with AdamW the rate times the decay of the weight."""
    for name, expected in (("adam", 2 - 0.1), ("adamw", 2 - 0.1 * 0.5 * 2 + 0.1)):
        net = nn.Linear(1, 1, bias=False)
        nn.init.constant_(net.weight, 2.0)
        recipe = RecipeConfig(optimizer=name, weight_decay=0.5)  # type: ignore[arg-type]
        # the gradient is -0.4; L2 adds 0.5 · 2, so that Adam goes the other way
        update(build_optimizer(net, recipe), net, -0.4 * net.weight.sum(), 0.1)
        assert net.weight.item() == pytest.approx(expected, abs=1e-6)


def test_a_gradient_is_clipped_to_its_norm() -> None:
    net = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(net.weight)
    recipe = RecipeConfig(momentum=0.0, weight_decay=0.0)
    for clip, length in ((0.0, 5.0), (1.0, 1.0), (10.0, 5.0)):
        nn.init.zeros_(net.weight)
        loss = (net.weight * torch.tensor([[3.0, 4.0]])).sum()
        update(build_optimizer(net, recipe), net, loss, 1.0, clip)
        assert net.weight.norm().item() == pytest.approx(length, rel=1e-4)


def test_restarts_at_known_points() -> None:
    """The published scheduler counts from 1 and has a climb of 128 in rounds of 1,024 steps."""
    rates = [learning_rate(EMONEXT, step, 449, []) for step in range(2048)]
    assert rates[0] == pytest.approx(1e-3 / 128)
    assert rates[127] == pytest.approx(1e-3)
    assert rates[127 + 448] == pytest.approx(5e-4)
    assert rates[1023] == 0.0
    assert rates[1024:] == rates[:1024]


def test_weight_decay_on_everything_if_the_recipe_says_so(tiny: str) -> None:
    optimizer = build_optimizer(Classifier(ModelConfig(tiny)), RELEASED)
    assert [g["weight_decay"] for g in optimizer.param_groups] == [1e-4, 1e-4]


def test_a_step_is_torchs_own_and_leaves_its_compiler_alone() -> None:
    """In a process of its own, as one that has loaded the compiler can't tell."""
    code = """
import sys
import torch
from torch import nn
from ferturb.base.config import RecipeConfig
from ferturb.training.optimizer import build_optimizer, optimizer_state, restore_optimizer, update

x = torch.rand(6, 5)
trained = []
for kind in ("sgd", "adam", "adamw"):
    recipe = RecipeConfig(optimizer=kind)
    model, peer = nn.Linear(5, 3), nn.Linear(5, 3)
    peer.load_state_dict(model.state_dict())
    optimizer = build_optimizer(model, recipe)
    for step in range(4):
        update(optimizer, model, model(x).square().sum(), 0.1, clip=1.0 if step == 3 else 0.0)
    restore_optimizer(optimizer, optimizer_state(optimizer))
    trained.append((model, peer, build_optimizer(peer, recipe)))
assert "torch._dynamo" not in sys.modules

for model, peer, optimizer in trained:
    before = peer.weight.detach().clone()
    theirs = type(optimizer)(optimizer.param_groups, foreach=True)
    for step in range(4):
        for group in theirs.param_groups:
            group["lr"] = 0.1
        theirs.zero_grad()
        peer(x).square().sum().backward()
        if step == 3:
            nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        theirs.step()
    assert "torch._dynamo" in sys.modules  # so the guard can see it
    for a, b in zip(model.parameters(), peer.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(before, peer.weight)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
