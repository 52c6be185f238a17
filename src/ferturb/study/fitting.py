"""A study whose epochs are as many as its time allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.storage import read_object, write_json
from ferturb.data.faces import Faces
from ferturb.runs.fitting import Speeds, most_epochs, speed_of
from ferturb.runs.run import run_folder_name
from ferturb.study.plan import Study, plan

START = 5.0
"""Seconds that a process takes to begin, and to read its faces."""
FITTED = "fitted.json"
"""Of a study's folder: what was chosen, so that the same command goes on with it."""


def fitted(
    study: Study,
    faces: Mapping[DatasetConfig, Faces],
    folder: Path,
    minutes: float,
    workers: int,
    device: torch.device,
) -> Study:
    """The study with as many epochs as fit into `minutes` of training by `workers` processes.

    What an earlier call chose for that many minutes stays. Analyses and the report come on top.
    Raises `FerturbError` for an experiment, whose epochs are part of its plan, and where one epoch
    takes longer.
    """
    if study.experiment is not None:
        raise FerturbError(
            f"the epochs of {study.preset} are part of its plan; leave out minutes, or give epochs"
        )
    try:
        known = read_object(folder / FITTED)
    except FerturbError:
        known = {}
    epochs = known.get("epochs")
    if known.get("minutes") != minutes or not isinstance(epochs, int):
        speeds = Speeds(lambda config: speed_of(config, faces[config.dataset], device))

        def seconds(count: int) -> float:
            return makespan(plan(with_epochs(study, count)), speeds, workers)

        epochs = most_epochs(minutes, seconds)
        write_json(folder / FITTED, {"minutes": minutes, "epochs": epochs, "workers": workers})
    return with_epochs(study, epochs)


def with_epochs(study: Study, epochs: int) -> Study:
    """The study with other epochs, phase 1 in proportion."""
    return study.with_recipe(replace(study.recipe, epochs=epochs))


def makespan(configs: list[RunConfig], speeds: Speeds, workers: int) -> float:
    """Seconds of all runs: as if the processes were always busy, or of the longest chain."""
    ends: dict[str, float] = {}
    for config in configs:  # what a run builds on stands before it
        own = START + speeds.seconds([config])
        before = max((ends.get(name, 0.0) for name in config.needs), default=0.0)
        ends[run_folder_name(config)] = before + own
    busy = sum(START + speeds.seconds([config]) for config in configs)
    return max(busy / workers, *ends.values())
