"""`Group`: the runs of a study whose faces are altered in one way, and what they say together.

Test logits are only measured; whatever is fitted or chosen (temperatures, the best model) uses
validation. Runs on altered faces never stand beside runs on whole faces as if they were the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.evaluation import metrics
from ferturb.evaluation.other_data import TESTED
from ferturb.evaluation.significance import McNemar, mcnemar
from ferturb.report.model_results import ModelResult, Scores, scores_difference
from ferturb.report.published import ENSEMBLE, FAMILIES, family
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
    keys = sorted(by, key=_order)
    singles = [_model_result(*key, by[key], augmentation, seconds) for key in keys]
    models = (*singles, *_ensembles(singles))
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
            first = usable[0] if usable else run
            keys = [(split, augmentation) for split in TESTED]
            if all(np.array_equal(run.logits[key][0], first.logits[key][0]) for key in keys):
                usable.append(run)
            else:
                warnings.append(f"{run.name} is left out: its faces are not those of {first.name}")
    return usable, tuple(warnings)


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
        sum(seconds.get(name or "", 0.0) for name in (run.name, *_built_on(run))) for run in runs
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


def _built_on(run: RunResult) -> tuple[str | None, ...]:
    """The runs that a run builds on, teachers aside: their time is part of its cost."""
    return run.config.attention_run, run.config.initial_weights, run.config.evaluates


def _ensembles(models: Sequence[ModelResult]) -> list[ModelResult]:
    """The sum of logits over each method's models, over the models that methods share, and over
    the paper's five where there are others beside them."""
    by_method: dict[str, dict[str, ModelResult]] = {}
    for result in models:
        if result.method != "attention":
            by_method.setdefault(result.method, {})[result.model] = result
    sets = [tuple(members) for members in by_method.values()]
    shared = [tuple(m for m in a if m in b) for a, b in combinations(sets, 2)]
    fives = [five for members in sets if (five := _papers_five(members))]
    every = {s for s in [*sets, *shared, *fives] if len(s) > 1}
    found = []
    for names in sorted(every, key=lambda s: (-len(s), s)):
        name = ENSEMBLE if len(every) == 1 else f"{ENSEMBLE} of {len(names)}"
        for method, members in by_method.items():
            if set(names) <= set(members):
                found += _summed([members[m] for m in names], name, method)
    return found


def _papers_five(models: Sequence[str]) -> tuple[str, ...]:
    """One network of each of the paper's five architectures, where there is exactly one of each."""
    known = tuple(model for model in models if family(model))
    families = {family(model) for model in known}
    return known if len(known) == len(families) == len(FAMILIES) - 1 else ()


def _summed(members: Sequence[ModelResult], name: str, method: str) -> list[ModelResult]:
    seeds = sorted(set.intersection(*(set(member.seeds) for member in members)))
    if not seeds:
        return []
    pairs = [(member, [member.seeds.index(seed) for seed in seeds]) for member in members]
    return [
        ModelResult(
            model=name,
            method=method,
            seeds=tuple(seeds),
            labels=members[0].labels,
            logits=np.sum([member.logits[place] for member, place in pairs], axis=0),
            validation_labels=members[0].validation_labels,
            validation_logits=np.sum([m.validation_logits[place] for m, place in pairs], axis=0),
            seconds=sum(member.seconds for member in members),
            runs=tuple(run for m in members for run in m.runs if run.config.seed in seeds),
            members=tuple(member.model for member in members),
        )
    ]


def _comparisons(models: Sequence[ModelResult]) -> tuple[Comparison, ...]:
    """Every method against the baseline of the same model or members, by the same recipe if any."""
    found = []
    baselines = [result for result in models if result.method.startswith("baseline")]
    for other in [result for result in models if result not in baselines]:
        same = [b for b in baselines if (b.model, b.members) == (other.model, other.members)]
        recipe = other.runs[0].config.recipe
        same.sort(key=lambda result: result.runs[0].config.recipe != recipe)
        found += [compare(baseline, other) for baseline in same[:1]]
    return tuple(found)


def compare(baseline: ModelResult, other: ModelResult) -> Comparison:
    """A method against another of the same model, whatever it is, on the seeds both have."""
    first, second = (dict(zip(m.seeds, m.correct, strict=True)) for m in (baseline, other))
    by_seed = [
        (s, float(second[s].mean() - first[s].mean()), mcnemar(first[s], second[s]))
        for s in other.seeds
        if s in first
    ]
    return Comparison(baseline, other, scores_difference(baseline, other), tuple(by_seed))


def _order(key: tuple[str, str]) -> tuple[str, int, str]:
    model, method = key
    name = method.split(" ")[0]
    return model, METHODS.index(name) if name in METHODS else len(METHODS), method
