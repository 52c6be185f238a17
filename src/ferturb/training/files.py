"""What a training leaves in its folder; the loop sees no path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ferturb.base.errors import FerturbError
from ferturb.base.tensors import load_tensors, save_tensors
from ferturb.models.classifier import Classifier
from ferturb.training.checkpoint import State, load_checkpoint, save_checkpoint

CHECKPOINT = "checkpoint.safetensors"
MODEL = "model.safetensors"
CLUSTERS = "clusters.safetensors"


@dataclass(frozen=True)
class TrainingFiles:
    """The checkpoint, the kept model and the epochs' cluster maps of one training."""

    folder: Path
    fingerprint: str
    """Of the run's config: another run's checkpoint is refused."""
    writes: bool = True
    """False in a process that helps another one train: what it would write is dropped."""

    def resume(self, state: State) -> None:
        """Put the last checkpoint into a fresh state, if there is one."""
        if (self.folder / CHECKPOINT).exists():
            load_checkpoint(self.folder / CHECKPOINT, state, self.fingerprint)

    def save_state(self, state: State) -> None:
        """Replace the checkpoint."""
        if self.writes:
            save_checkpoint(self.folder / CHECKPOINT, state, self.fingerprint)

    def save_model(self, model: nn.Module) -> None:
        """Replace the kept model."""
        assert isinstance(model, Classifier)
        if self.writes:
            model.save(self.folder / MODEL)

    def append(self, epoch: int, record: Mapping[str, Tensor]) -> None:
        """Add an epoch's cluster map (and what belongs to it) to those of the epochs before.

        What a broken-off training wrote for this epoch or later ones is dropped.
        """
        if not record or not self.writes:
            return
        path = self.folder / CLUSTERS
        rows = {name: value.unsqueeze(0).cpu() for name, value in record.items()}
        if epoch > 1:
            before = load_tensors(path)[0]
            shapes = {name: (before[name].shape[1:] if name in before else None) for name in rows}
            if shapes != {name: value.shape[1:] for name, value in rows.items()}:
                raise FerturbError(
                    f"{path} belongs to another training; remove {self.folder} to start over"
                )
            rows = {name: torch.cat([before[name][: epoch - 1], rows[name]]) for name in rows}
        save_tensors(path, rows, {"format": "ferturb-clusters-1"})
