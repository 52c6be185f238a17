"""How many epochs fit into the time that there is.

A few steps of each training are measured here and now, at every side that its recipe trains at,
and a few faces at test time; the epochs are the most whose schedule ends in time.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ferturb.base.config import RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.models.test_time import predict_logits
from ferturb.perturb.cluster_maps import attention_at
from ferturb.perturb.methods import needs_attention, training_inputs
from ferturb.runs.execute import new_classifier
from ferturb.runs.run import find_runs
from ferturb.training.batches import steps_per_epoch
from ferturb.training.files import TrainingFiles
from ferturb.training.fitting import is_fitted
from ferturb.training.loop import Step, Training, network_of, train
from ferturb.training.sides import training_size
from ferturb.training.team import PLAIN, How

MARGIN = 0.95
"""Share of the time that the plan may fill."""
WARM, LEAST, SECONDS = 2, 3, 2.0
"""Steps that aren't measured, the fewest that are, and how long is measured if there are more."""
LOOKED_AT = 64
"""Faces that the time of a look at the validation split is taken from."""
MOST = 100_000
"""Epochs."""


@dataclass(frozen=True)
class Speed:
    """How long the parts of one training take, in seconds."""

    step: Mapping[int, float]
    """By the side in pixels at which it trains."""
    steps: int
    """Of an epoch."""
    side: int
    """Of the faces."""
    look: float
    """At the validation split."""
    end: float
    """To store the logits of validation and test faces."""

    def seconds(self, config: RunConfig) -> float:
        """Of the whole training with the epochs that this config has."""
        recipe = config.recipe
        sides = [training_size(recipe, e, self.side) for e in range(1, recipe.epochs + 1)]
        looks = math.ceil(recipe.epochs / recipe.validate_every)
        steps = sum(sides.count(side) * self.step[side] for side in set(sides))
        return self.steps * steps + looks * self.look + self.end

    def faces_per_second(self, batch_size: int) -> float:
        """At the faces' own side."""
        return batch_size / self.step[self.side]


class _EnoughError(Exception):
    """Ends a training that is only measured."""


def speed_of(config: RunConfig, faces: Faces, device: torch.device, how: How = PLAIN) -> Speed:
    """Measure a training, without leaving anything; its teachers are not asked.

    Raises `FerturbError` for a recipe that fits without steps.
    """
    recipe, chosen = config.recipe, faces.split("train")
    if is_fitted(recipe):
        raise FerturbError(
            f"recipe {recipe.name} has no steps whose time could be measured; leave out minutes, "
            "or give epochs"
        )
    side = chosen.images.shape[-1]
    sides = {side, *(size for _, size in recipe.progressive_sizes)}
    attention = None
    if needs_attention(config.method):
        at = attention_at(config.method)
        model = replace(config.model, attention=True, attention_at=at)
        attention = new_classifier(replace(config, model=model, seed=0))
    with tempfile.TemporaryDirectory() as folder:
        training = Training(
            new_classifier(config),
            faces,
            training_inputs(config.method, faces, attention),
            replace(recipe, epochs=1, distillation=0.0),
            config.seed,
            TrainingFiles(Path(folder), "", writes=False),
            device,
            how=how,
        )
        step = {s: _seconds_a_step(training, s, side) for s in sides}
    per_face = _seconds_a_face(training, {recipe.validate_with, *recipe.evaluate})
    counts = {name: len(faces.split(name)) for name in ("validation", "test")}
    return how.team.agreed(
        Speed(
            step,
            steps_per_epoch(len(chosen), recipe.batch_size),
            side,
            per_face[recipe.validate_with] * counts["validation"] / how.team.size,
            sum(per_face[name] for name in recipe.evaluate) * sum(counts.values()),
        )
    )


def _seconds_a_step(training: Training, side: int, own: int) -> float:
    """The mean of as many steps as there is time for."""
    sizes = () if side == own else ((1.0, side),)
    t = replace(training, recipe=replace(training.recipe, progressive_sizes=sizes))
    ends: list[float] = []

    def note(step: Step) -> None:
        if t.device.type == "cuda":
            torch.cuda.synchronize(t.device)
        ends.append(time.perf_counter())
        enough = len(ends) >= WARM + LEAST and ends[-1] - ends[WARM - 1] >= SECONDS
        if t.how.team.agreed(enough):
            raise _EnoughError

    start = time.perf_counter()
    with contextlib.suppress(_EnoughError):
        train(t, note)
    first = min(WARM, len(ends) - 1)
    return (ends[-1] - (ends[first - 1] if first else start)) / (len(ends) - first)


def _seconds_a_face(training: Training, names: set[str]) -> dict[str, float]:
    """At test time, by the name of the augmentation."""
    t, images = training, training.faces.split("validation").images[:LOOKED_AT]
    model, found = t.inputs.at_test_time(network_of(t)).to(t.device), {}
    for name in names:
        predict_logits(model, images[:8], name, device=t.device)
        start = time.perf_counter()
        predict_logits(model, images, name, device=t.device)
        found[name] = (time.perf_counter() - start) / len(images)
    return found


def most_epochs(minutes: float, seconds: Callable[[int], float]) -> int:
    """The most epochs (`seconds` of them grow with their number) that fit into these minutes.

    Raises `FerturbError` where one doesn't.
    """
    limit = 60 * minutes * MARGIN
    if seconds(1) > limit:
        raise FerturbError(
            f"one epoch takes {seconds(1) / 60:.1f} minutes with all that belongs to it, and there "
            f"are {minutes:g}; give more, a smaller network or a faster device"
        )
    low, high = 1, 2
    while high < MOST and seconds(high) <= limit:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if seconds(middle) <= limit else (low, middle)
    return low


def note_of(minutes: float, epochs: int) -> str:
    """What a run's record says of it."""
    return f"{epochs} epochs fit into {minutes:g} minutes"


def epochs_before(folder: Path, wanted: RunConfig, minutes: float) -> int | None:
    """The epochs that an earlier call with these minutes chose for a run; None without one."""
    for run in find_runs(folder) if folder.is_dir() else []:
        try:
            config, notes = run.config, run.record().get("notes", [])
        except FerturbError:
            continue
        recipe = replace(config.recipe, epochs=wanted.recipe.epochs)
        same = replace(config, recipe=recipe, attention_run=None, evaluates=None) == wanted
        words = [note.split() for note in notes if same]
        found = [int(w[0]) for w in words if w[0].isdigit()]
        if found and note_of(minutes, found[0]) in notes:
            return found[0]
    return None


class Speeds:
    """The speeds of trainings, each measured when it is first asked for."""

    def __init__(self, measure: Callable[[RunConfig], Speed]) -> None:
        self.measure, self.known = measure, dict[RunConfig, Speed]()

    def of(self, config: RunConfig) -> Speed:
        """Of a training; those that differ in seed, epochs or teachers alone are alike."""
        key = key_of(config)
        if key not in self.known:
            self.known[key] = self.measure(config)
        return self.known[key]

    def seconds(self, configs: Sequence[RunConfig]) -> float:
        """Of these trainings one after another; one that only measures another's network is
        free."""
        return sum(self.of(c).seconds(c) for c in configs if c.evaluates is None)


def key_of(config: RunConfig) -> RunConfig:
    """The config without what changes no speed: trainings alike have the same."""
    recipe = replace(config.recipe, epochs=1)
    alike = replace(config, attention_run=None, evaluates=None, initial_weights=None)
    return replace(alike, recipe=recipe, seed=0, teachers=())
