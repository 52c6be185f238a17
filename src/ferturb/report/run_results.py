"""`RunResult`: what one run folder holds that the report shows, read once.

Only the networks are left in the folder: figures that need one load it through `RunResult.run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.tabular import Tabular
from ferturb.evaluation.ablation.measure import Ablation
from ferturb.evaluation.metrics import summary
from ferturb.evaluation.other_data import TESTED
from ferturb.evaluation.saliency.benchmark import Benchmark
from ferturb.evaluation.saliency.mass import Explanation
from ferturb.runs.contents import check_logits
from ferturb.runs.run import LOGITS, Run

Array = np.ndarray
Logits = tuple[Int[Array, " n"], Float[Array, "n 7"]]
Stored = Mapping[tuple[str, str], Logits]
"""(split, test-time augmentation) -> labels and logits."""


@dataclass(frozen=True, eq=False)
class RunResult(Tabular):
    """One run: of an unfinished one the config and the history, of a finished one everything."""

    run: Run
    config: RunConfig
    done: bool
    history: Sequence[Mapping[str, float]] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    logits: Stored = field(default_factory=dict)
    elsewhere: Mapping[str, Stored] = field(default_factory=dict)
    """The name of other faces ("on-maskfer") -> the logits on them."""
    cluster_maps: Int[Array, "e h w"] | None = None
    ablations: Mapping[str, Ablation] = field(default_factory=dict)
    explanations: Mapping[str, Explanation] = field(default_factory=dict)
    judgements: Mapping[str, Benchmark] = field(default_factory=dict)
    notes: Sequence[str] = ()
    """What the run itself notes, and which of its analyses can't be read."""

    def records(self) -> list[Mapping[str, Any]]:
        """A row a test-time augmentation: what was trained, and its scores on the test split."""
        c = self.config
        about: dict[str, Any] = {
            **{"run": self.name, "model": c.model.name, "method": c.method.name},
            **{"data": describe(alteration(self)), "recipe": c.recipe.name, "seed": c.seed},
            **{key: self.record.get(key) for key in ("best_epoch", "seconds")},
        }
        return [
            about | {"augmentation": name} | dict(row)
            for name in self.augmentations
            for row in summary(*self.logits["test", name]).records()
        ] or [about]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.run.name

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept, counted from 1."""
        return int(self.record["best_epoch"])

    @property
    def augmentations(self) -> tuple[str, ...]:
        """The test-time augmentations whose test logits are stored."""
        return tuple(name for split, name in self.logits if split == "test")


Configured = Run | RunResult
"""A run that is opened, or that is read."""


def read_run(run: Run) -> RunResult:
    """Everything of a run that the report shows.

    A damaged file of the training raises `FerturbError`; a damaged analysis is left out and noted.
    """
    if not all((run.folder / name).exists() for name in ("run.json", LOGITS)):
        return RunResult(run, run.config, False, run.history())
    record = run.require_done().record()
    notes = list(record.get("notes", ()))
    return RunResult(
        run,
        run.config,
        True,
        run.history(),
        record,
        _own_logits(run),
        _logits_elsewhere(run, notes),
        run.cluster_maps(),
        Ablation.kept(run, notes),
        Explanation.kept(run, notes),
        Benchmark.kept(run, notes),
        notes,
    )


def _own_logits(run: Run) -> Stored:
    found: dict[tuple[str, str], Logits] = {}
    for name in run.augmentations():
        for split in TESTED:
            try:
                found[split, name] = run.logits(split, name)
            except KeyError:
                continue
    return found


def _logits_elsewhere(run: Run, notes: list[str]) -> Mapping[str, Stored]:
    found = {}
    for name in (name for name in run.analyses() if name.startswith("on-")):
        try:
            kept = run.analysis(name)
            if kept is not None:
                check_logits(kept[0], run.analysis_path(name))
                found[name] = _split_up(kept[0])
        except FerturbError as error:
            notes.append(str(error))
    return found


def _split_up(arrays: Mapping[str, np.ndarray]) -> Stored:
    return {
        (split, key.removeprefix(f"{split}_")): (
            arrays[f"labels_{split}"].astype(np.int64),
            arrays[key].astype(np.float32),
        )
        for split in TESTED
        for key in arrays
        if key.startswith(f"{split}_") and f"labels_{split}" in arrays
    }


def alteration(run: Configured) -> DatasetConfig:
    """What is done to the faces that a run is trained and tested on; all else is as by default.

    The runs of one group, whose alteration is the same, can be compared on their own test faces.
    """
    c = run.config.dataset
    return DatasetConfig(
        face_masks=c.face_masks,
        left_out=c.left_out,
        left_out_fill=c.left_out_fill if c.left_out is not None else "mean",
        left_out_control=c.left_out_control,
        alteration_seed=c.alteration_seed if c.altered else 0,
    )


def describe(altered: DatasetConfig) -> str:
    """What is done to faces, in a few words.

    >>> describe(DatasetConfig(left_out="mouth")), describe(DatasetConfig(face_masks="mixed"))
    ('faces without mouth (mean)', 'faces with face masks (mixed)')
    """
    words = []
    if altered.face_masks is not None:
        words.append(f"with face masks ({altered.face_masks})")
    if altered.left_out is not None:
        control = "a random region in place of " if altered.left_out_control else ""
        what = altered.left_out.replace("_", " ")
        words.append(f"without {control}{what} ({altered.left_out_fill})")
    return "faces " + (", ".join(words) or "as they are")


def method_labels(runs: Sequence[Configured]) -> dict[str, str]:
    """Run name -> its method, with the settings that tell runs of one method apart.

    Two runs of one model get the same label exactly when their configs agree in everything but
    the seed and the name of the attention run.
    """
    flat = {run.name: _flat(run.config.to_dict()) for run in runs}
    labels = {}
    for run in runs:
        method, own = run.config.method.name, flat[run.name]
        same = [r for r in runs if r.config.model.name == run.config.model.name]
        peers = [flat[r.name] for r in same if r.config.method.name == method]
        differing = [key for key in own if len({repr(peer.get(key)) for peer in peers}) > 1]
        detail = ", ".join(f"{key.rpartition('.')[2]}={own[key]}" for key in differing)
        labels[run.name] = f"{method} ({detail})" if detail else method
    return labels


def run_names(runs: Sequence[Configured]) -> list[str]:
    """A name for each run that tells it from the others: the model, and what is special."""
    seeds = {run.config.seed for run in runs}
    names = [_run_name(run, len(seeds) > 1) for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({run.name})"
        for name, run in zip(names, runs, strict=True)
    ]


def _run_name(run: Configured, with_seed: bool) -> str:
    config = run.config
    words = [config.model.name]
    words += [config.method.name] if config.method.name != "baseline" else []
    words += [describe(alteration(run)).removeprefix("faces ")] if config.dataset.altered else []
    words += [f"seed {config.seed}"] if with_seed else []
    return ", ".join(words)


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" not in ("seed", "attention_run", "model.name"):
            # another seed starts from another run: what counts is that it didn't start afresh
            earlier = key in ("initial_weights", "evaluates")
            flat[f"{prefix}{key}"] = value is not None if earlier else value
    return flat
