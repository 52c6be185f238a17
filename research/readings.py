"""The finished trainings of an experiment, read one by one: what each got right.

A training is what `tools/leaving_out.py --keep` kept of it (an npz file) or a run folder, also of
`ferturb study leaving-out`; which arm, training size and replicate it is follows from its config.
PrivateTest is read only where that is asked for, and never of the trainings that choose settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.data.readers.fer2013 import USAGES
from ferturb.evaluation.metrics import accuracy, balanced_accuracy
from ferturb.runs.packed import Packed, packed, read_packed
from ferturb.runs.run import find_runs
from ferturb.study.experiments import Experiment, Item, first_reading

OFFICIAL = dict(zip(("train", "validation", "test"), USAGES, strict=True))
"""Split -> its name in FER2013."""
SPLITS = {split: OFFICIAL[split].lower() for split in ("validation", "test")}
"""Split that a table may report -> what its columns begin with."""
MEASURES = {"accuracy": accuracy, "macro_recall": balanced_accuracy}
Key = tuple[str, str, str]
"""Cell, arm, reading (`whole` or `summed`)."""


@dataclass(frozen=True)
class Reading:
    """What one training got right on a split, read in one way. Shares in percent."""

    item: Item
    reading: str
    first: bool
    """Whether it is the arm's first reading, as planned."""
    scores: Mapping[str, float]
    """`SPLIT_MEASURE` -> percent."""
    training: Packed

    @property
    def key(self) -> Key:
        """Cell, arm and reading."""
        return self.item.cell, self.item.arm, self.reading

    @property
    def replicate(self) -> int:
        """The number of the replicate."""
        return self.item.config.seed

    def row(self) -> dict[str, object]:
        """One line of a table."""
        config, history = self.item.config, self.training.history
        looked = [e["validation_loss"] for e in history if np.isfinite(e["validation_loss"])]
        return {
            "cell": self.item.cell,
            "arm": self.item.arm,
            "replicate": self.replicate,
            "reading": self.reading,
            "first": int(self.first),
            "learning_rate": config.recipe.learning_rate,
            "mirror_weight": config.method.mirror_weight if config.method.name == "eac" else "",
            "epochs": config.recipe.epochs,
            "training_accuracy": f"{100 * history[-1]['train_accuracy']:.2f}",
            "least_validation_loss": f"{min(looked):.4f}",
            "last_validation_loss": f"{looked[-1]:.4f}",
            **{name: f"{score:.2f}" for name, score in self.scores.items()},
            "seconds": f"{float(self.training.record['seconds']):.0f}",
            "commit": str(self.training.record.get("commit", ""))[:7],
        }


def readings(
    experiment: Experiment, folders: Sequence[Path], splits: Sequence[str] = ("validation",)
) -> list[Reading]:
    """Every reading of every training of the experiment below these folders, in its order."""
    known = {_without_source(item.config): item for item in possible(experiment)}
    found: dict[str, list[Reading]] = {}
    for training in (t for folder in folders for t in trainings(folder)):
        item = known.get(_without_source(training.config))
        if item is not None:
            chooses = item.config.seed == experiment.tuning_replicate
            read = [split for split in splits if split == "validation" or not chooses]
            found[item.name] = list(_readings(experiment, item, training, read))
    return [r for item in known.values() for r in found.get(item.name, [])]


def possible(experiment: Experiment) -> list[Item]:
    """Every training that the experiment might come to, whatever is chosen."""
    items = experiment.tuning()
    for cell, replicates in experiment.order:
        best = experiment.cells[cell].best
        arms = (*experiment.cells[cell].arms, *(best.arms if best else ()))
        for replicate, arm in product(replicates, arms):
            settings = experiment.candidates(experiment.chosen_by(arm))
            items += [experiment.item(cell, arm, replicate, setting) for setting in settings]
    return items


def trainings(folder: Path) -> Iterator[Packed]:
    """The kept files of a folder, and the finished runs below it."""
    yield from (_kept(path, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.npz")))
    yield from (packed(run) for run in find_runs(folder) if run.done)


@cache
def _kept(path: Path, changed_at: int) -> Packed:
    """A kept file as it was at a time: experiments that share trainings read each of them once."""
    return read_packed(path)


def _readings(
    experiment: Experiment, item: Item, training: Packed, splits: Sequence[str]
) -> Iterator[Reading]:
    arrays, names = training.logits, {"whole": "{split}_none"}
    if "whole_validation_none" in arrays:
        names = {"whole": "whole_{split}_none", "summed": "{split}_none"}
    for reading, name in names.items():
        scores = {
            f"{SPLITS[split]}_{measure}": 100
            * of(arrays[f"labels_{split}"].astype(np.int64), _float(arrays, name, split))
            for split in splits
            for measure, of in MEASURES.items()
        }
        planned = first_reading(experiment.arms[item.arm], "validation", arrays)
        first = name.format(split="validation") == planned
        yield Reading(item, reading, first, scores, training)


def _float(arrays: Mapping[str, np.ndarray], name: str, split: str) -> np.ndarray:
    return arrays[name.format(split=split)].astype(np.float64)


def _without_source(config: RunConfig) -> RunConfig:
    """A config whatever path its faces have."""
    plain = DatasetConfig()
    dataset = replace(config.dataset, source=plain.source, synthetic_faces=plain.synthetic_faces)
    return replace(config, dataset=dataset)
