"""Experiments: arms by training sizes by replicates, their settings chosen beforehand.

A replicate is a draw of the training faces (nested across sizes), first weights and an order of
the faces, the same for every arm. Before anything else each arm's learning rate is chosen by
PublicTest, on a replicate that nothing else uses. Which trainings there are thus depends on what
others found, and comes as a queue.

The arms themselves, and why, are in `arms.py` and in results/plan_*.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from ferturb.base.config import (
    BARE,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
    choose,
)
from ferturb.base.config.changes import Changes
from ferturb.base.errors import FerturbError

Found = Callable[["Item"], Path | None]
"""Where the logits of a finished training lie; None if it isn't finished."""


@dataclass(frozen=True)
class Arm:
    """One way to train, and how it is read."""

    method: MethodConfig
    factor: int = 1
    """How many times the epochs of its cell."""
    summed: bool = False
    """Whether its first reading sums the logits of the views, or is of the whole face."""
    local_maps: int = 0
    """Of the network."""
    weights: tuple[float, ...] = ()
    """Values of `mirror_weight` that are tried with each learning rate."""
    tuned_as: str | None = None
    """The arm whose setting it takes; None chooses one of its own."""
    precision: Literal["bfloat16", "float32"] | None = None
    """In place of the recipe's."""


@dataclass(frozen=True)
class Setting:
    """What is chosen for an arm."""

    rate: float
    weight: float | None = None
    """`mirror_weight`, where the arm tries several."""


@dataclass(frozen=True)
class Best:
    """So many of these arms as have the best accuracy on PublicTest in another cell."""

    count: int
    arms: tuple[str, ...]
    cell: str


@dataclass(frozen=True)
class Cell:
    """One training size."""

    faces: int | None
    """How many training faces; None is all of them."""
    epochs: int
    arms: tuple[str, ...]
    recipe: RecipeConfig = BARE
    rate: float | None = None
    """The learning rate of all arms, in place of the chosen ones."""
    best: Best | None = None
    """Arms that come to `arms`."""


@dataclass(frozen=True)
class Item:
    """One training of an experiment."""

    name: str
    """Cell, arm, replicate and setting: its name wherever it ran."""
    arm: str
    cell: str
    config: RunConfig


@dataclass(frozen=True)
class Experiment:
    """Arms, cells, and in which order they are trained."""

    arms: Mapping[str, Arm]
    cells: Mapping[str, Cell]
    order: tuple[tuple[str, tuple[int, ...]], ...]
    """Cells and replicates."""
    tuned_in: str
    """The cell that settings are chosen in."""
    model: str = "compact-tiny"
    rates: tuple[float, ...] = (0.03, 0.1, 0.3)
    tuning_replicate: int = 100
    dataset: DatasetConfig = field(default_factory=lambda: DatasetConfig(synthetic_faces=35887))

    def cell_replicates(self) -> dict[str, tuple[int, ...]]:
        """Cell -> all its replicates."""
        found: dict[str, tuple[int, ...]] = {}
        for cell, replicates in self.order:
            found[cell] = (*found.get(cell, ()), *replicates)
        return found

    def item(self, cell: str, arm: str, replicate: int, setting: Setting) -> Item:
        """The replicate gives the subset, the weights and the order, for every arm."""
        c, a = self.cells[cell], self.arms[arm]
        rate = setting.rate if c.rate is None else c.rate
        name, method = f"{cell}-{arm}-r{replicate}-lr{rate:g}", a.method
        if a.weights and setting.weight is not None:
            name += f"-w{setting.weight:g}"
            method = replace(method, mirror_weight=setting.weight)
        dataset = replace(
            self.dataset,
            training_faces=c.faces,
            subset_seed=replicate if c.faces is not None else 0,
        )
        recipe = replace(
            c.recipe,
            epochs=c.epochs * a.factor,
            learning_rate=rate,
            precision=a.precision or c.recipe.precision,
        )
        model = ModelConfig(self.model, local_maps=a.local_maps)
        return Item(name, arm, cell, RunConfig(dataset, model, method, recipe, replicate))

    def candidates(self, arm: str) -> dict[Setting, Item]:
        """What is tried for an arm that chooses for itself."""
        settings = (Setting(*s) for s in product(self.rates, self.arms[arm].weights or (None,)))
        return {s: self.item(self.tuned_in, arm, self.tuning_replicate, s) for s in settings}

    def tuning(self) -> list[Item]:
        """The first stage: whatever the arms of the cells choose from."""
        tuned = {self.chosen_by(arm) for arm in self._used()}
        return [item for arm in self.arms if arm in tuned for item in self.candidates(arm).values()]

    def settings(self, found: Found) -> dict[str, Setting]:
        """Arm -> the best on PublicTest, of two alike the higher rate; without arms of which not
        all candidates are finished."""
        chosen: dict[str, Setting] = {}
        for arm in dict.fromkeys(self.chosen_by(arm) for arm in self._used()):
            tried = {s: self.accuracy(item, found) for s, item in self.candidates(arm).items()}
            known = {s: value for s, value in tried.items() if value is not None}
            if len(known) == len(tried):
                chosen[arm] = max(known, key=lambda s: (known[s], s.rate))
        shared = {arm: chosen.get(self.chosen_by(arm)) for arm in self._used()}
        return chosen | {arm: setting for arm, setting in shared.items() if setting is not None}

    def accuracy(self, item: Item, found: Found) -> float | None:
        """On PublicTest after the last epoch, by the arm's first reading."""
        logits = found(item)
        if logits is None:
            return None
        with np.load(logits, allow_pickle=False) as arrays:
            shown = arrays[first_reading(self.arms[item.arm], "validation", arrays)]
            return float((shown.argmax(1) == arrays["labels_validation"]).mean())

    def queue(self, found: Found) -> Iterator[Item]:
        """Every training in order, as far as it is known what to train."""
        tuning = self.tuning()
        yield from tuning
        if any(found(item) is None for item in tuning):
            return
        settings = self.settings(found)
        for cell, replicates in self.order:
            arms = self._chosen_arms(cell, settings, found)
            if arms is None:
                return
            for replicate, arm in product(replicates, arms):
                yield self.item(cell, arm, replicate, settings[arm])

    def planned(self) -> list[Item]:
        """All that will be trained, with the first candidates where none is chosen yet."""
        items = self.tuning()
        for cell, replicates in self.order:
            best = self.cells[cell].best
            arms = (*self.cells[cell].arms, *(best.arms[: best.count] if best else ()))
            for replicate, arm in product(replicates, arms):
                setting = next(iter(self.candidates(self.chosen_by(arm))))
                items.append(self.item(cell, arm, replicate, setting))
        return items

    def chosen_by(self, arm: str) -> str:
        """The arm whose trials choose the settings of this one: itself, or another."""
        return self.arms[arm].tuned_as or arm

    def _used(self) -> list[str]:
        """Every arm that may be trained in the cells."""
        cells = [self.cells[name] for name, _ in self.order]
        return [arm for c in cells for arm in (*c.arms, *(c.best.arms if c.best else ()))]

    def _chosen_arms(
        self, cell: str, settings: Mapping[str, Setting], found: Found
    ) -> tuple[str, ...] | None:
        """The arms of a cell; None while those are being judged that it chooses from."""
        c = self.cells[cell]
        if c.best is None:
            return c.arms
        replicates = next(r for name, r in self.order if name == c.best.cell)
        means: list[tuple[float, str]] = []
        for arm in c.best.arms:
            items = (self.item(c.best.cell, arm, r, settings[arm]) for r in replicates)
            accuracies = [self.accuracy(item, found) for item in items]
            if None in accuracies:
                return None
            means.append((float(np.mean(accuracies)), arm))  # type: ignore[arg-type]
        return (*c.arms, *(arm for _, arm in sorted(means, reverse=True)[: c.best.count]))


def first_reading(arm: Arm, split: str, arrays: Mapping[str, object]) -> str:
    """The name of an arm's first reading among the logits of a run, one pass a view, no flip."""
    whole = f"whole_{split}_none"
    return whole if whole in arrays and not arm.summed else f"{split}_none"


def adapted(experiment: Experiment, changes: Changes) -> Experiment:
    """Some training sizes, some arms, the first replicates, other epochs, faces or network.

    Raises `FerturbError` for an unknown size or arm, for what an experiment doesn't have, and where
    nothing is left.
    """
    if changes.methods or changes.seeds is not None or changes.face_masks or changes.clean:
        raise FerturbError(
            "the study has arms, training sizes and replicates; give arms, sizes or replicates "
            "in place of methods, seeds, face-masks or clean"
        )
    given = (changes.faces, changes.batch_size, changes.learning_rate)
    if any(value is not None for value in given):
        raise FerturbError(
            "the study has a plan of its own for faces, batches and rates; "
            "leave out faces, batch-size and learning-rate"
        )
    if changes.votes is not None or changes.heads:
        raise FerturbError("the study is of FER2013's labels; leave out votes and heads")
    if len(changes.models) > 1:
        raise FerturbError(f"the study has one network, got {', '.join(changes.models)}")
    for name in changes.sizes:
        choose("training size", name, experiment.cells)
    for name in changes.arms:
        choose("arm", name, experiment.arms)
    cells = {
        name: replace(
            cell,
            arms=tuple(arm for arm in cell.arms if not changes.arms or arm in changes.arms),
            epochs=cell.epochs if changes.epochs is None else changes.epochs,
        )
        for name, cell in experiment.cells.items()
    }
    order = tuple(
        (name, tuple(r for r in these if changes.replicates is None or r < changes.replicates))
        for name, these in experiment.order
        if not changes.sizes or name in changes.sizes
    )
    order = tuple((name, these) for name, these in order if these and cells[name].arms)
    if not order:
        raise FerturbError("no arm is left in a training size with a replicate; give others")
    drawn = changes.data == DatasetConfig().source
    dataset = experiment.dataset if drawn else DatasetConfig(changes.data)
    dataset = replace(dataset, label_order=changes.label_order)
    model = changes.models[0] if changes.models else experiment.model
    return replace(experiment, cells=cells, order=order, dataset=dataset, model=model)
