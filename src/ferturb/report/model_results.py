"""`ModelResult`: one model trained by one method, and its scores with intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation import metrics
from ferturb.evaluation.calibration import fit_temperature
from ferturb.evaluation.other_data import TESTED
from ferturb.evaluation.significance import Interval, percentile_interval, seed_draws
from ferturb.report.run_results import RunResult

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class ModelResult:
    """One model trained by one method under one or more seeds, or an ensemble of such: the sum of
    its members' logits, seed by seed."""

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
    runs: tuple[RunResult, ...]
    """One per seed; for an ensemble those of all members."""
    members: tuple[str, ...] = ()
    """The models of an ensemble."""

    @property
    def is_ensemble(self) -> bool:
        """Whether this sums the logits of several models."""
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
        return float((self.validation_logits.argmax(-1) == self.validation_labels).mean())

    @cached_property
    def confusion(self) -> Int[Array, "7 7"]:
        """Faces by label (row) and prediction (column), summed over seeds."""
        return np.asarray(np.stack([metrics.confusion(self.labels, z) for z in self.logits]).sum(0))

    @cached_property
    def temperatures(self) -> tuple[float, ...]:
        """Per seed, fitted on validation."""
        return tuple(fit_temperature(self.validation_labels, z) for z in self.validation_logits)

    @property
    def scaled_logits(self) -> list[Float[Array, "n 7"]]:
        """Per seed, the logits of the test split over the temperature."""
        return [z / t for z, t in zip(self.logits, self.temperatures, strict=True)]


@dataclass(frozen=True)
class Scores:
    """Metrics with intervals, or differences of metrics with intervals. Shares, not percent."""

    accuracy: Interval
    macro_f1: Interval
    macro_recall: Interval
    """Mean of the seven per-emotion accuracies (balanced accuracy): the paper's "accuracy"."""
    per_emotion: tuple[Interval, ...]


def tested_on(model: ModelResult, name: str, augmentation: str) -> ModelResult | None:
    """The same networks on the faces that `ferturb.evaluation.other_data` measured under a name.

    None where that is missing for a run, or where those faces are not, in order, the model's
    own (by their labels).
    """
    found = {}
    for split in TESTED:
        pairs = {r.name: r.elsewhere.get(name, {}).get((split, augmentation)) for r in model.runs}
        own = model.labels if split == "test" else model.validation_labels
        known = {r: p[1] for r, p in pairs.items() if p and np.array_equal(p[0], own)}
        if len(known) < len(pairs):
            return None
        by_seed = [
            np.sum([known[r.name] for r in model.runs if r.config.seed == seed], axis=0)
            for seed in model.seeds
        ]
        found[split] = np.stack(by_seed)
    return replace(model, logits=found["test"], validation_logits=found["validation"])


def scores_difference(baseline: ModelResult, other: ModelResult) -> Scores:
    """other − baseline, on the same resamples of the faces."""
    first, first_draws = seed_draws(baseline.columns, _scores_of, arm=0)
    second, second_draws = seed_draws(other.columns, _scores_of, arm=1)
    difference = (second.mean(0) - first.mean(0))[None]
    return _scores(difference, second_draws - first_draws)


def relative_change(baseline: ModelResult, other: ModelResult) -> tuple[Interval, ...]:
    """(other − baseline) / baseline, as shares: the seven emotions, macro recall, accuracy.

    On the same resamples of the faces; nan where the baseline gets no face right.
    """
    first, first_draws = seed_draws(baseline.columns, _accuracies, arm=0)
    second, second_draws = seed_draws(other.columns, _accuracies, arm=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = second.mean(0) / first.mean(0) - 1
        draws = second_draws / first_draws - 1
    draws[~np.isfinite(draws)] = np.nan
    estimate[~np.isfinite(estimate)] = np.nan
    return tuple(percentile_interval(float(e), draws[:, i]) for i, e in enumerate(estimate))


def _accuracies(means: Float[Array, "*r 21"]) -> Float[Array, "*r 9"]:
    over_all = [metrics.balanced_accuracy_of(means), metrics.accuracy_of(means)]
    return np.concatenate([metrics.per_emotion_of(means), np.stack(over_all, -1)], -1)


def _scores_of(means: Float[Array, "*r 21"]) -> Float[Array, "*r 10"]:
    measures = (metrics.accuracy_of, metrics.macro_f1_of, metrics.balanced_accuracy_of)
    over_all = [measure(means) for measure in measures]
    return np.concatenate([np.stack(over_all, -1), metrics.per_emotion_of(means)], -1)


def _scores(estimates: Float[Array, "s 10"], draws: Float[Array, "r 10"]) -> Scores:
    found = []
    for i in range(3 + len(EMOTIONS)):
        interval = percentile_interval(float(estimates[:, i].mean()), draws[:, i])
        std = float(estimates[:, i].std(ddof=1)) if len(estimates) > 1 else None
        found.append(Interval(interval.estimate, interval.low, interval.high, std))
    return Scores(found[0], found[1], found[2], tuple(found[3:]))
