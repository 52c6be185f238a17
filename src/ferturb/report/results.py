"""What the runs of a study say: one `Arm` per (model, method), compared in pairs.

An arm is the same training under several seeds. An ensemble is an arm too: its logits are the
sum of its members' logits, seed by seed. Test logits are only measured; whatever is fitted or
chosen (temperatures, the best arm) uses validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from ferturb.emotions import EMOTIONS
from ferturb.errors import FerturbError
from ferturb.evaluation import metrics
from ferturb.evaluation.significance import (
    Interval,
    McNemar,
    mcnemar,
    percentile_interval,
    seed_draws,
)
from ferturb.report.paper import ENSEMBLE
from ferturb.runs import Run

Array = np.ndarray
AUGMENTATIONS = ("ten-crop", "flip", "none")
"""The main tables use the first of these that every finished run has stored."""
METHODS = ("baseline", "attention", "perturb")
"""The order in which methods are shown; others follow by name."""


@dataclass(frozen=True, eq=False)
class Arm:
    """One model trained by one method under one or more seeds, or an ensemble of such."""

    model: str
    method: str
    """The method's name, with whatever else tells it apart: "perturb", "perturb (clusters=2)"."""
    seeds: tuple[int, ...]
    labels: Int[Array, " n"]
    logits: Float[Array, "s n 7"]
    """Test split."""
    validation_labels: Int[Array, " v"]
    validation_logits: Float[Array, "s v 7"]
    seconds: float
    """Mean training time of a seed, with the attention run it needed."""
    runs: tuple[Run, ...]
    """One per seed; for an ensemble those of all members."""
    members: tuple[str, ...] = ()
    """The models of an ensemble."""

    @property
    def is_ensemble(self) -> bool:
        """Whether this arm sums the logits of several models."""
        return bool(self.members)

    @cached_property
    def columns(self) -> Float[Array, "s n 21"]:
        """`count_columns` of every seed."""
        return np.stack([metrics.count_columns(self.labels, z) for z in self.logits])

    @cached_property
    def correct(self) -> Bool[Array, "s n"]:
        """Which faces each seed gets right."""
        return np.asarray(self.logits.argmax(-1) == self.labels)

    @cached_property
    def scores(self) -> Scores:
        """Accuracy and its kin with intervals."""
        return _scores(*seed_draws(self.columns, _scores_of))

    @cached_property
    def validation_accuracy(self) -> float:
        """Mean over seeds."""
        hits = self.validation_logits.argmax(-1) == self.validation_labels
        return float(hits.mean())

    @cached_property
    def confusion(self) -> Int[Array, "7 7"]:
        """Faces by label (row) and prediction (column), summed over seeds."""
        return np.asarray(np.stack([metrics.confusion(self.labels, z) for z in self.logits]).sum(0))

    @cached_property
    def temperatures(self) -> tuple[float, ...]:
        """Per seed, fitted on validation."""
        return tuple(
            metrics.fit_temperature(self.validation_labels, z) for z in self.validation_logits
        )


@dataclass(frozen=True)
class Scores:
    """Metrics with intervals, or differences of metrics with intervals. Shares, not percent."""

    accuracy: Interval
    macro_f1: Interval
    balanced_accuracy: Interval
    per_emotion: tuple[Interval, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A method against the baseline, same model, same faces."""

    baseline: Arm
    other: Arm
    change: Scores
    """other − baseline."""
    by_seed: tuple[tuple[int, float, McNemar], ...]
    """For every seed both have: seed, change of accuracy, McNemar's test."""


@dataclass(frozen=True, eq=False)
class Results:
    """Everything the tables and figures show."""

    augmentation: str
    arms: tuple[Arm, ...]
    """Single models in order, then ensembles."""
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]

    @property
    def perturb(self) -> tuple[Comparison, ...]:
        """The comparisons of the Perturb Scheme with the baseline."""
        return tuple(c for c in self.comparisons if c.other.method.startswith("perturb"))

    @property
    def best(self) -> Arm | None:
        """The arm with the highest validation accuracy."""
        return max(self.arms, key=lambda arm: arm.validation_accuracy, default=None)


def collect(runs: Sequence[Run]) -> Results:
    """Arms, ensembles and comparisons of the finished runs; what is left out is in `warnings`."""
    done = [run for run in runs if run.done]
    stored = [set(run.augmentations()) for run in done]
    common = [a for a in AUGMENTATIONS if done and all(a in names for names in stored)]
    if not common:
        reason = ["no test-time augmentation is stored by all finished runs"] if done else []
        return Results("none", (), (), tuple(reason))
    usable, warnings = _usable(done, common[0])
    labels = method_labels(usable)
    keys = sorted({(r.config.model.name, labels[r.folder.name]) for r in usable}, key=_order)
    seconds = {run.folder.name: float(run.record()["seconds"]) for run in done}
    arms = []
    for key in keys:
        group = [r for r in usable if (r.config.model.name, labels[r.folder.name]) == key]
        arms.append(_arm(*key, sorted(group, key=lambda r: r.config.seed), common[0], seconds))
    everything = (*arms, *_ensembles(arms))
    return Results(common[0], everything, _comparisons(everything), warnings)


def method_labels(runs: Sequence[Run]) -> dict[str, str]:
    """Run folder name -> its method, with the settings that tell runs of one method apart.

    Two runs of one model get the same label exactly when their configs agree in everything but
    the seed and the name of the attention run.
    """
    flat = {run.folder.name: _flat(run.config.to_dict()) for run in runs}
    labels = {}
    for run in runs:
        name, own = run.config.method.name, flat[run.folder.name]
        same = [r for r in runs if r.config.model.name == run.config.model.name]
        peers = [flat[r.folder.name] for r in same if r.config.method.name == name]
        differing = [key for key in own if len({repr(peer.get(key)) for peer in peers}) > 1]
        detail = ", ".join(f"{key.rpartition('.')[2]}={own[key]}" for key in differing)
        labels[run.folder.name] = f"{name} ({detail})" if detail else name
    return labels


def scores_difference(baseline: Arm, other: Arm) -> Scores:
    """other − baseline, on the same resamples of the faces."""
    first, first_draws = seed_draws(baseline.columns, _scores_of, arm=0)
    second, second_draws = seed_draws(other.columns, _scores_of, arm=1)
    difference = (second.mean(0) - first.mean(0))[None]
    return _scores(difference, second_draws - first_draws)


def _usable(done: Sequence[Run], augmentation: str) -> tuple[list[Run], tuple[str, ...]]:
    """The runs whose logits can be used and whose test labels are those of the first."""
    usable: list[Run] = []
    warnings: list[str] = []
    for run in done:
        try:
            for split in ("validation", "test"):
                metrics.checked(*run.logits(split, augmentation))
        except (FerturbError, KeyError) as error:
            warnings.append(f"{run.folder.name} is left out: {error}")
            continue
        same = not usable or all(
            np.array_equal(
                run.logits(split, augmentation)[0], usable[0].logits(split, augmentation)[0]
            )
            for split in ("validation", "test")
        )
        if same:
            usable.append(run)
        else:
            warnings.append(
                f"{run.folder.name} is left out: its faces are not those of {usable[0].folder.name}"
            )
    return usable, tuple(warnings)


def _arm(
    model: str, method: str, runs: Sequence[Run], augmentation: str, seconds: dict[str, float]
) -> Arm:
    test = [run.logits("test", augmentation) for run in runs]
    validation = [run.logits("validation", augmentation) for run in runs]
    cost = [
        seconds[run.folder.name] + seconds.get(run.config.attention_run or "", 0.0) for run in runs
    ]
    return Arm(
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


def _ensembles(arms: Sequence[Arm]) -> list[Arm]:
    """The sum of logits over each method's models, and over the models that methods share."""
    by_method: dict[str, dict[str, Arm]] = {}
    for arm in arms:
        if arm.method != "attention":
            by_method.setdefault(arm.method, {})[arm.model] = arm
    sets = [tuple(models) for models in by_method.values()]
    shared = [tuple(m for m in a if m in b) for a, b in combinations(sets, 2)]
    wanted = sorted({s for s in [*sets, *shared] if len(s) > 1}, key=lambda s: (-len(s), s))
    ensembles = []
    for members in wanted:
        name = ENSEMBLE if len(wanted) == 1 else f"{ENSEMBLE} of {len(members)}"
        for method, models in by_method.items():
            if set(members) <= set(models):
                ensembles += _sum([models[m] for m in members], name, method)
    return ensembles


def _sum(members: Sequence[Arm], name: str, method: str) -> list[Arm]:
    seeds = sorted(set.intersection(*(set(arm.seeds) for arm in members)))
    if not seeds:
        return []
    places = [[arm.seeds.index(seed) for seed in seeds] for arm in members]
    pairs = list(zip(members, places, strict=True))
    return [
        Arm(
            model=name,
            method=method,
            seeds=tuple(seeds),
            labels=members[0].labels,
            logits=np.sum([arm.logits[place] for arm, place in pairs], axis=0),
            validation_labels=members[0].validation_labels,
            validation_logits=np.sum([arm.validation_logits[p] for arm, p in pairs], axis=0),
            seconds=sum(arm.seconds for arm in members),
            runs=tuple(run for arm in members for run in arm.runs if run.config.seed in seeds),
            members=tuple(arm.model for arm in members),
        )
    ]


def _comparisons(arms: Sequence[Arm]) -> tuple[Comparison, ...]:
    """Every method against the baseline of the same model, or of the same members.

    With several baselines (another recipe, say), the one trained by the same recipe counts.
    """
    found = []
    for other in arms:
        baselines = [
            arm
            for arm in arms
            if arm.model == other.model and arm.members == other.members
            if arm.method.startswith("baseline") and not other.method.startswith("baseline")
        ]
        recipe = other.runs[0].config.recipe
        baselines.sort(key=lambda arm: arm.runs[0].config.recipe != recipe)
        found += [_compare(baseline, other) for baseline in baselines[:1]]
    return tuple(found)


def _compare(baseline: Arm, other: Arm) -> Comparison:
    by_seed = []
    for seed in [s for s in other.seeds if s in baseline.seeds]:
        first = baseline.correct[baseline.seeds.index(seed)]
        second = other.correct[other.seeds.index(seed)]
        by_seed.append((seed, float(second.mean() - first.mean()), mcnemar(first, second)))
    return Comparison(baseline, other, scores_difference(baseline, other), tuple(by_seed))


def _scores_of(means: Float[Array, "*r 21"]) -> Float[Array, "*r 10"]:
    parts = [metrics.accuracy_of(means), metrics.macro_f1_of(means)]
    parts.append(metrics.balanced_accuracy_of(means))
    return np.concatenate([np.stack(parts, -1), metrics.per_emotion_of(means)], -1)


def _scores(estimates: Float[Array, "s 10"], draws: Float[Array, "r 10"]) -> Scores:
    found = []
    for i in range(3 + len(EMOTIONS)):
        interval = percentile_interval(float(estimates[:, i].mean()), draws[:, i])
        std = float(estimates[:, i].std(ddof=1)) if len(estimates) > 1 else None
        found.append(Interval(interval.estimate, interval.low, interval.high, std))
    return Scores(found[0], found[1], found[2], tuple(found[3:]))


def _order(key: tuple[str, str]) -> tuple[str, int, str]:
    model, method = key
    name = method.split(" ")[0]
    return model, METHODS.index(name) if name in METHODS else len(METHODS), method


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" not in ("seed", "attention_run", "model.name"):
            flat[f"{prefix}{key}"] = value
    return flat
