"""The optimizers, their learning rates, and the average of the weights."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ferturb.base.config import RecipeConfig


def _without_compiler() -> None:
    """Keep torch's optimizers from loading its compiler, which takes as long as loading torch.

    Their methods are marked as none of the compiler's business, and torch loads all of it for the
    mark as soon as one is called. Here each is marked as what it is: nothing that is compiled.
    """
    for method in vars(torch.optim.Optimizer).values():
        marked = getattr(method, "__wrapped__", None)
        if marked is not None and not hasattr(marked, "__dynamo_disable"):
            setattr(marked, "__dynamo_disable", marked)


def _step(optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.step()`, of which torch's wrapper for the compiler takes nothing but the
    gradients."""
    with torch.no_grad():
        inspect.unwrap(type(optimizer).step)(optimizer)


def build_optimizer(model: nn.Module, recipe: RecipeConfig) -> torch.optim.Optimizer:
    """The recipe's optimizer over two groups: weight decay on matrices and kernels; on norms and
    biases only if the recipe says so."""
    _without_compiler()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": recipe.weight_decay * (recipe.decayed == "all")},
    ]
    if recipe.optimizer == "sgd":
        momentum, nesterov = recipe.momentum, recipe.momentum > 0
        rate = recipe.learning_rate
        return torch.optim.SGD(groups, rate, momentum, nesterov=nesterov, foreach=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, recipe.learning_rate, foreach=True)


def learning_rate(
    recipe: RecipeConfig, step: int, steps_per_epoch: int, accuracies: Sequence[float]
) -> float:
    """The rate of a step, from nothing but the recipe, the step and the past epochs.

    - one-cycle: from 4 % of the peak up in a line over `warmup` of the steps, then a half cosine
      down to 0 (Smith & Topin, "Super-Convergence", 2018).
    - plateau: `learning_rate` · factor for each time the validation accuracy did not improve for
      more than `patience` epochs (torch's ReduceLROnPlateau: mode max, threshold 1e-4 relative,
      and no change by 1e-8 or less).
    - restarts: in rounds of `restart_every` steps from 0 up in a line over `warmup` of the round,
      then a half cosine down to 0 (Loshchilov & Hutter, "SGDR", 2017, with EmoNeXt's climb).
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


def _restarts(
    recipe: RecipeConfig, step: int, steps_per_epoch: int, accuracies: Sequence[float]
) -> float:
    length = recipe.restart_every
    done, climb = (step + 1) % length, recipe.warmup * length
    if done < climb:
        return recipe.learning_rate * done / climb
    progress = (done - climb) / (length - climb)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


_SCHEDULES: dict[str, Callable[..., float]] = {
    "one-cycle": _one_cycle,
    "plateau": _plateau,
    "constant": lambda recipe, *_: recipe.learning_rate,
    "restarts": _restarts,
}


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the next step, for every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def update(
    optimizer: torch.optim.Optimizer, model: nn.Module, loss: Tensor, rate: float, clip: float = 0.0
) -> None:
    """One step down the gradient of a loss, whose norm is at most `clip` (0: any)."""
    set_learning_rate(optimizer, rate)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    _step(optimizer)


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


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimizer remembers, by "name/place of the parameter"; {} before the first step."""
    return {
        f"{_STORED.get(name, name)}/{i}": value
        for i, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_state`; names that no optimizer has are left alone."""
    parameters = _parameters(optimizer)
    names = {stored: name for name, stored in _STORED.items()}
    for key, value in tensors.items():
        stored, _, place = key.rpartition("/")
        if stored not in STATE:
            continue
        parameter = parameters[int(place)]
        own = value if stored == "step" else torch.empty_like(parameter).copy_(value)
        optimizer.state[parameter][names.get(stored, stored)] = own


_STORED = {"momentum_buffer": "momentum"}
"""What is stored by another name than torch's."""
STATE = ("momentum", "exp_avg", "exp_avg_sq", "step")
"""The stored names: SGD's, and Adam's."""


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]
