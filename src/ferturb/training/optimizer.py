"""SGD with Nesterov momentum, its learning rates, and the average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ferturb.base.config import RecipeConfig


def build_optimizer(model: nn.Module, recipe: RecipeConfig) -> torch.optim.SGD:
    """SGD over two groups: weight decay on matrices and kernels; on norms and biases only if the
    recipe says so."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.SGD(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": free, "weight_decay": recipe.weight_decay * (recipe.decayed == "all")},
        ],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
        foreach=True,
    )


def learning_rate(
    recipe: RecipeConfig, step: int, steps_per_epoch: int, accuracies: Sequence[float]
) -> float:
    """The rate of a step, from nothing but the recipe, the step and the past epochs.

    - one-cycle: from 4 % of the peak up in a line over `warmup` of the steps, then a half cosine
      down to 0 (Smith & Topin, "Super-Convergence", 2018).
    - plateau: `learning_rate` · factor for each time the validation accuracy did not improve for
      more than `patience` epochs (torch's ReduceLROnPlateau: mode max, threshold 1e-4 relative,
      and no change by 1e-8 or less).
    """
    return _SCHEDULES[recipe.schedule](recipe, step, steps_per_epoch, accuracies)


def _one_cycle(
    recipe: RecipeConfig, step: int, steps_per_epoch: int, accuracies: Sequence[float]
) -> float:
    total = recipe.epochs * steps_per_epoch
    climb = max(1.0, recipe.warmup * total)
    if step < climb:
        return recipe.learning_rate * (0.04 + 0.96 * step / climb)
    progress = (step - climb) / max(1.0, total - climb)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _plateau(
    recipe: RecipeConfig, step: int, steps_per_epoch: int, accuracies: Sequence[float]
) -> float:
    rate, best, bad = recipe.learning_rate, -math.inf, 0
    for accuracy in accuracies:
        if accuracy > best * (1 + 1e-4) or best == -math.inf:
            best, bad = accuracy, 0
        else:
            bad += 1
        if bad > recipe.plateau_patience:
            lower, bad = rate * recipe.plateau_factor, 0
            rate = lower if rate - lower > 1e-8 else rate
    return rate


_SCHEDULES: dict[str, Callable[..., float]] = {
    "one-cycle": _one_cycle,
    "plateau": _plateau,
    "constant": lambda recipe, *_: recipe.learning_rate,
}


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the next step, for every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class AveragedWeights:
    """An exponential moving average of a model's weights and running statistics.

    The decay of step t is min(decay, (1 + t) / (10 + t)), so that the start is forgotten soon
    (as in TensorFlow's ExponentialMovingAverage). With decay 0 the average is the model itself.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model) if decay else model
        if decay:
            self.model.requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after step number `step` (from 0)."""
        if not self.decay:
            return
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        own, new = self.model.state_dict(), model.state_dict()
        floats = [k for k, v in own.items() if v.is_floating_point()]
        torch._foreach_lerp_([own[k] for k in floats], [new[k] for k in floats], weight)
        for key in own.keys() - set(floats):
            own[key].copy_(new[key])


def momentum_state(optimizer: torch.optim.SGD) -> list[Tensor | None]:
    """The momentum of every parameter, in order; None before the first step."""
    return [
        optimizer.state[p].get("momentum_buffer") if p in optimizer.state else None
        for group in optimizer.param_groups
        for p in group["params"]
    ]


def restore_momentum(optimizer: torch.optim.SGD, momenta: Sequence[Tensor | None]) -> None:
    """The inverse of `momentum_state`."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter, momentum in zip(parameters, momenta, strict=True):
        if momentum is not None:
            restored = torch.empty_like(parameter)
            optimizer.state[parameter]["momentum_buffer"] = restored.copy_(momentum)
