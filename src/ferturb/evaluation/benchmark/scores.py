"""What a model's answers come to: every condition's numbers, and two that sum them up.

All intervals are bootstrap percentiles over the faces (`ferturb.evaluation.significance`); every
condition sees the same resamples, so that what is compared is paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import special

from ferturb.base.emotions import EMOTIONS
from ferturb.base.tabular import Tabular
from ferturb.evaluation.benchmark.measure import Answers
from ferturb.evaluation.benchmark.protocol import (
    ANSWERS_FROM,
    BY_KEY,
    CONDITIONS,
    HARD,
    HIDING,
    WHOLE,
)
from ferturb.evaluation.metrics import (
    accuracy_of,
    balanced_accuracy_of,
    calibration_columns,
    count_columns,
    ece_of,
    per_emotion_of,
    ratio,
)
from ferturb.evaluation.significance import Interval, percentile_interval, resampled_means

Array = np.ndarray
PLACE = {condition.key: i for i, condition in enumerate(CONDITIONS)}
"""Where a condition is among `CONDITIONS`."""


@dataclass(frozen=True)
class ConditionScore(Tabular):
    """One model under one condition. Shares are 0 … 1."""

    key: str
    accuracy: Interval
    macro_recall: Interval
    ece: Interval
    """Expected calibration error, over 15 bins."""
    answered: Interval
    """Share of the faces with an answer: a probability of at least `ANSWERS_FROM`."""
    right: Interval
    """Share of these answers that are right; nan where there is none."""
    change: Interval
    """Accuracy minus that on whole faces."""
    excess: Interval
    """Accuracy minus that of the control; nan where there is none."""
    emotions: dict[str, Interval]
    """Share of each emotion's faces that were recognised."""


@dataclass(frozen=True)
class Entry(Tabular):
    """A model's entry: what a leaderboard has of it."""

    name: str
    n: int
    relative_accuracy: Interval
    excess: Interval
    conditions: dict[str, ConditionScore]
    """By key, in the order of `CONDITIONS`."""
    data: dict[str, Any] = field(default_factory=dict)
    """Which faces: source, split, hash."""
    model: dict[str, Any] = field(default_factory=dict)
    """What is said of the model by whoever entered it."""
    made: dict[str, Any] = field(default_factory=dict)
    """When, on what machine, in how many seconds, with which versions."""
    listed: tuple[dict[str, Any], ...] = ()
    """Accuracy on lists of really occluded or turned faces, where they were given."""

    def records(self) -> Iterator[Mapping[str, Any]]:
        """A row a condition."""
        for key, score in self.conditions.items():
            about = {"model": self.name, "family": BY_KEY[key].family}
            yield from (about | dict(row) for row in score.records())

    @property
    def whole(self) -> ConditionScore:
        """On whole faces."""
        return self.conditions[WHOLE]


def entry_of(answers: Answers, listed: tuple[dict[str, Any], ...] = ()) -> Entry:
    """Everything that is reported of one model."""
    right = answers.logits.argmax(2) == answers.labels
    means, draws = right.mean(1), resampled_means(right.T.astype(np.float64))
    about = dict(answers.record)
    data = {key: about.pop(key, None) for key in ("data", "split")}
    return Entry(
        answers.name,
        len(answers.labels),
        _interval(relative_accuracy(means), relative_accuracy(draws)),
        _interval(excess(means), excess(draws)),
        {c.key: _scored(answers, c.key, means, draws) for c in CONDITIONS},
        data=data,
        made=about,
        listed=listed,
    )


def relative_accuracy(accuracies: Float[Array, "*r c"]) -> Float[Array, "*r"]:
    """The first summary, from the accuracies under all conditions (`SUMMARIES`)."""
    places = [PLACE[condition.key] for condition in HARD]
    whole = accuracies[..., PLACE[WHOLE], None]
    return ratio(accuracies[..., places].mean(-1, keepdims=True), whole)[..., 0]


def excess(accuracies: Float[Array, "*r c"]) -> Float[Array, "*r"]:
    """The second summary (`SUMMARIES`)."""
    places = [PLACE[c.key] for c in HIDING]
    controls = [PLACE[str(c.control)] for c in HIDING]
    return np.asarray((accuracies[..., places] - accuracies[..., controls]).mean(-1))


def _scored(
    answers: Answers,
    key: str,
    means: Float[Array, " c"],
    draws: Float[Array, "r c"],
) -> ConditionScore:
    """One condition."""
    labels, logits = answers.labels, answers.logits[PLACE[key]]
    sure = special.softmax(logits.astype(np.float64), axis=1).max(1) >= ANSWERS_FROM
    correct = logits.argmax(1) == labels
    counts, bins = count_columns(labels, logits), calibration_columns(labels, logits)
    table = np.concatenate([counts, bins, sure[:, None], (sure & correct)[:, None]], 1)
    mean, drawn = table.mean(0), resampled_means(table)
    k, b = counts.shape[1], counts.shape[1] + bins.shape[1]

    def of(statistic: Any) -> Interval:
        return _interval(statistic(mean), statistic(drawn))

    emotions = per_emotion_of(mean[:k]), per_emotion_of(drawn[:, :k])
    here, control = PLACE[key], PLACE.get(str(BY_KEY[key].control))
    nothing = Interval(np.nan, np.nan, np.nan)
    return ConditionScore(
        key,
        accuracy=of(lambda x: accuracy_of(x[..., :k])),
        macro_recall=of(lambda x: balanced_accuracy_of(x[..., :k])),
        ece=of(lambda x: ece_of(x[..., k:b])),
        answered=of(lambda x: x[..., b]),
        right=of(lambda x: ratio(x[..., b + 1 :], x[..., b : b + 1])[..., 0]),
        change=_difference(means, draws, here, PLACE[WHOLE]),
        excess=nothing if control is None else _difference(means, draws, here, control),
        emotions={e: _interval(emotions[0][i], emotions[1][:, i]) for i, e in enumerate(EMOTIONS)},
    )


def _difference(
    means: Float[Array, " c"], draws: Float[Array, "r c"], one: int, other: int
) -> Interval:
    return _interval(means[one] - means[other], draws[:, one] - draws[:, other])


def _interval(estimate: Any, draws: Array) -> Interval:
    return percentile_interval(float(estimate), draws)
