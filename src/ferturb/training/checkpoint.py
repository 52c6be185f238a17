"""The state of a training between two epochs, on disk as one safetensors file.

No generator state is stored: every epoch's randomness follows from (seed, epoch), so weights,
momentum, the average and the history are all there is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ferturb.base.config import RecipeConfig
from ferturb.base.config.fields import build
from ferturb.base.errors import FerturbError
from ferturb.base.reading import reading
from ferturb.base.tensors import load_tensors, save_tensors
from ferturb.training.optimizer import (
    AveragedWeights,
    build_optimizer,
    optimizer_state,
    restore_optimizer,
)

FORMAT = "ferturb-checkpoint-1"


@dataclass(frozen=True)
class Epoch:
    """One row of a run's history."""

    epoch: int
    """From 1."""
    train_loss: float
    train_accuracy: float
    """On the augmented training inputs as the network saw them."""
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    """At the epoch's last step."""
    seconds: float


@dataclass
class State:
    """What a training changes: all that its next epoch needs."""

    model: nn.Module
    average: AveragedWeights
    optimizer: torch.optim.Optimizer
    history: list[Epoch]

    @staticmethod
    def fresh(model: nn.Module, recipe: RecipeConfig) -> State:
        """The state before the first epoch."""
        average = AveragedWeights(model, recipe.average)
        return State(model, average, build_optimizer(model, recipe), [])


def save_checkpoint(path: Path, state: State, fingerprint: str) -> None:
    """Write a state, atomically."""
    tensors: dict[str, Tensor] = {f"model/{k}": v for k, v in state.model.state_dict().items()}
    if state.average.decay:
        tensors |= {f"average/{k}": v for k, v in state.average.model.state_dict().items()}
    tensors |= optimizer_state(state.optimizer)
    history = [asdict(e) for e in state.history]
    meta = {"format": FORMAT, "fingerprint": fingerprint, "history": history}
    save_tensors(path, tensors, meta)


def load_checkpoint(path: Path, state: State, fingerprint: str) -> None:
    """Put a checkpoint back into a fresh state of the same network.

    `FerturbError` for one of another run or network, and for a file that can't be read.
    """
    tensors, meta = load_tensors(path)
    if meta.get("format") != FORMAT or meta.get("fingerprint") != fingerprint:
        raise FerturbError(
            f"{path} belongs to another run (expected {fingerprint}, "
            f"got {meta.get('fingerprint')}); remove it to start over"
        )
    with reading(path, "a checkpoint of this network", "remove it to start over"):
        state.model.load_state_dict(_part(tensors, "model"))
        if state.average.decay:
            state.average.model.load_state_dict(_part(tensors, "average"))
        restore_optimizer(state.optimizer, tensors)
        state.history = [build(Epoch, row) for row in meta["history"]]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = prefix + "/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
