"""Two small trainings that several processes, or one, do: `torchrun team_training.py FOLDER`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from ferturb.base.config import AugmentConfig, MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.models.backbones import BACKBONES
from ferturb.models.compact import compact
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run, run_folder_name
from ferturb.training.team import How, joined

RECIPE = RecipeConfig(
    epochs=2,
    batch_size=31,
    learning_rate=0.005,
    average=0.9,
    precision="float32",
    validate_with="none",
    augment=AugmentConfig(flip=0.5, rotate=5.0, erase=0.3, mixup=0.4),
)
VIEWS = MethodConfig("uniform-clusters", scope="fixed", views="pair", consistency=0.5)
CONFIGS = (
    RunConfig(model=ModelConfig("tiny", dropout=0.3), method=VIEWS, recipe=RECIPE),
    RunConfig(model=ModelConfig("tiny"), recipe=replace(RECIPE, epochs=1, batch_size=32)),
)


def train_both(folder: Path, pause_after: int = 0) -> list[Path]:
    """Their folders; the first training, of two epochs, may pause."""
    BACKBONES["tiny"] = lambda: compact(widths=(4, 8), blocks=(1, 1))
    faces = synthetic_faces(210)
    with joined("cpu") as (team, _):
        for config in CONFIGS:
            if team.first:
                prepare(folder, config)
            team.agreed(None)
            run = Run(folder / run_folder_name(config))
            execute_run(run, faces, torch.device("cpu"), pause_after=pause_after, how=How(team))
    return [folder / run_folder_name(config) for config in CONFIGS]


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_both(Path(sys.argv[1]), 1)
