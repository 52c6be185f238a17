"""`Group`: the runs of a study whose faces are altered in one way, and what they say together.

Test logits are only measured; whatever is fitted or chosen (temperatures, the best model) uses
validation. Runs on altered faces (face masks worn, a facial feature left out) are a group of their
own: they never stand beside runs on whole faces as if the faces were the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.evaluation import metrics
from ferturb.evaluation.other_data import TESTED
from ferturb.evaluation.significance import McNemar, mcnemar
from ferturb.report.ensembles import ensembles
from ferturb.report.model_results import ModelResult, Scores, scores_difference
from ferturb.report.run_results import RunResult, alteration, method_labels

AUGMENTATIONS = ("ten-crop", "flip", "none")
"""The main tables use the first of these that every finished run has stored."""
METHODS = ("baseline", "attention", "perturb")
"""The order in which methods are shown; others follow by name."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A method against the baseline, same model, same faces."""

    baseline: ModelResult
    other: ModelResult
    change: Scores
    """other − baseline."""
    by_seed: tuple[tuple[int, float, McNemar], ...]
    """For every seed both have: seed, change of accuracy, McNemar's test."""


@dataclass(frozen=True, eq=False)
class Group:
    """The runs whose faces are altered in one way, by model and method, compared in pairs."""

    alteration: DatasetConfig
    augmentation: str
    runs: tuple[RunResult, ...]
    """Finished or not, in the study's order."""
    models: tuple[ModelResult, ...] = ()
    """Single models in order, then ensembles."""
    comparisons: tuple[Comparison, ...] = ()
    warnings: tuple[str, ...] = ()
    """Which finished runs are left out, and why."""

    @property
    def done(self) -> tuple[RunResult, ...]:
        """The finished runs."""
        return tuple(run for run in self.runs if run.done)

    @property
    def perturb(self) -> tuple[Comparison, ...]:
        """The comparisons of the Perturb Scheme with the baseline."""
        return tuple(c for c in self.comparisons if c.other.method.startswith("perturb"))

    @property
    def perturb_models(self) -> tuple[ModelResult, ...]:
        """The models trained by the Perturb Scheme."""
        return tuple(m for m in self.models if m.method.startswith("perturb"))

    @property
    def best(self) -> ModelResult | None:
        """The model with the highest validation accuracy."""
        return max(self.models, key=lambda m: m.validation_accuracy, default=None)


def group_runs(runs: Sequence[RunResult]) -> tuple[Group, ...]:
    """The runs by what is done to their faces, whole faces first.

    All groups use one test-time augmentation: the first of `AUGMENTATIONS` that all finished runs
    have stored.
    """
    by: dict[DatasetConfig, list[RunResult]] = {}
    for run in sorted(runs, key=lambda run: alteration(run) != DatasetConfig()):
        by.setdefault(alteration(run), []).append(run)
    done = [run for run in runs if run.done]
    seconds = {run.name: float(run.record.get("seconds", 0.0)) for run in done}
    common = (a for a in AUGMENTATIONS if all(a in run.augmentations for run in done))
    chosen = next(common, "") if done else "none"
    return tuple(_group(altered, group, chosen, seconds) for altered, group in by.items())


def _group(
    altered: DatasetConfig,
    runs: Sequence[RunResult],
    augmentation: str,
    seconds: Mapping[str, float],
) -> Group:
    if not augmentation:
        reason = "no test-time augmentation is stored by all finished runs"
        return Group(altered, "none", tuple(runs), warnings=(reason,))
    usable, warnings = _usable([run for run in runs if run.done], augmentation)
    labels = method_labels(usable)
    by: dict[tuple[str, str], list[RunResult]] = {}
    for run in sorted(usable, key=lambda run: run.config.seed):
        by.setdefault((run.config.model.name, labels[run.name]), []).append(run)
    singles = [
        _model_result(*key, by[key], augmentation, seconds) for key in sorted(by, key=_order)
    ]
    models = (*singles, *ensembles(singles))
    return Group(altered, augmentation, tuple(runs), models, _comparisons(models), warnings)


def _usable(
    done: Sequence[RunResult], augmentation: str
) -> tuple[list[RunResult], tuple[str, ...]]:
    """The runs whose logits can be used and whose labels are those of the first."""
    usable: list[RunResult] = []
    warnings: list[str] = []
    for run in done:
        try:
            for split in TESTED:
                metrics.checked(*run.logits[split, augmentation])
        except KeyError:
            warnings.append(f"{run.name} is left out: it has no {split} logits by {augmentation}")
        except FerturbError as error:
            warnings.append(f"{run.name} is left out: {error}")
        else:
            if not usable or _same_faces(run, usable[0], augmentation):
                usable.append(run)
            else:
                warnings.append(
                    f"{run.name} is left out: its faces are not those of {usable[0].name}"
                )
    return usable, tuple(warnings)


def _same_faces(run: RunResult, first: RunResult, augmentation: str) -> bool:
    return all(
        np.array_equal(run.logits[split, augmentation][0], first.logits[split, augmentation][0])
        for split in TESTED
    )


def _model_result(
    model: str,
    method: str,
    runs: Sequence[RunResult],
    augmentation: str,
    seconds: Mapping[str, float],
) -> ModelResult:
    test = [run.logits["test", augmentation] for run in runs]
    validation = [run.logits["validation", augmentation] for run in runs]
    cost = [
        seconds[run.name] + sum(seconds.get(name, 0.0) for name in _trained_before(run))
        for run in runs
    ]
    return ModelResult(
        model=model,
        method=method,
        seeds=tuple(run.config.seed for run in runs),
        labels=test[0][0],
        logits=np.stack([logits for _, logits in test]),
        validation_labels=validation[0][0],
        validation_logits=np.stack([logits for _, logits in validation]),
        seconds=float(np.mean(cost)),
        runs=tuple(runs),
    )


def _trained_before(run: RunResult) -> list[str]:
    """The runs that a run builds on, teachers aside: their time is part of its cost."""
    c = run.config
    return [name for name in (c.attention_run, c.initial_weights, c.evaluates) if name is not None]


def _comparisons(models: Sequence[ModelResult]) -> tuple[Comparison, ...]:
    """Every method against the baseline of the same model, or of the same members.

    With several baselines (another recipe, say), the one trained by the same recipe counts.
    """
    found = []
    for other in models:
        baselines = [
            result
            for result in models
            if result.model == other.model and result.members == other.members
            if result.method.startswith("baseline") and not other.method.startswith("baseline")
        ]
        recipe = other.runs[0].config.recipe
        baselines.sort(key=lambda result: result.runs[0].config.recipe != recipe)
        found += [compare(baseline, other) for baseline in baselines[:1]]
    return tuple(found)


def compare(baseline: ModelResult, other: ModelResult) -> Comparison:
    """A method against another of the same model, whatever it is, on the seeds both have."""
    by_seed = []
    for seed in [s for s in other.seeds if s in baseline.seeds]:
        first = baseline.correct[baseline.seeds.index(seed)]
        second = other.correct[other.seeds.index(seed)]
        by_seed.append((seed, float(second.mean() - first.mean()), mcnemar(first, second)))
    return Comparison(baseline, other, scores_difference(baseline, other), tuple(by_seed))


def _order(key: tuple[str, str]) -> tuple[str, int, str]:
    model, method = key
    name = method.split(" ")[0]
    return model, METHODS.index(name) if name in METHODS else len(METHODS), method
