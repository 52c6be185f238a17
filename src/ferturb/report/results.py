"""What the runs of a study say: one `Arm` per (model, method), compared in pairs.

Test logits are only measured; whatever is fitted or chosen (temperatures, the best arm) uses
validation. Runs on altered faces (face masks worn, a facial feature left out) are a group of their
own: they are never an arm beside runs on whole faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.evaluation import metrics
from ferturb.evaluation.significance import McNemar, mcnemar
from ferturb.report.model_results import Arm as Arm
from ferturb.report.model_results import Scores as Scores
from ferturb.report.model_results import scores_difference as scores_difference
from ferturb.report.published import ENSEMBLE, FAMILIES, family
from ferturb.runs.run import Run

AUGMENTATIONS = ("ten-crop", "flip", "none")
"""The main tables use the first of these that every finished run has stored."""
METHODS = ("baseline", "attention", "perturb")
"""The order in which methods are shown; others follow by name."""


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
    def perturb_arms(self) -> tuple[Arm, ...]:
        """The arms of the Perturb Scheme."""
        return tuple(arm for arm in self.arms if arm.method.startswith("perturb"))

    @property
    def best(self) -> Arm | None:
        """The arm with the highest validation accuracy."""
        return max(self.arms, key=lambda arm: arm.validation_accuracy, default=None)


def alteration(run: Run) -> DatasetConfig:
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
        what = altered.left_out.replace("_", " ")
        what = f"a random region in place of {what}" if altered.left_out_control else what
        words.append(f"without {what} ({altered.left_out_fill})")
    return "faces " + (", ".join(words) or "as they are")


def main_group(runs: Sequence[Run]) -> list[Run]:
    """The runs on whole faces; where there are none, those on the faces of the first run."""
    groups: dict[DatasetConfig, list[Run]] = {DatasetConfig(): []}
    for run in runs:
        groups.setdefault(alteration(run), []).append(run)
    return next((group for group in groups.values() if group), [])


def collect(runs: Sequence[Run], augmentation: str | None = None) -> Results:
    """Arms, ensembles and comparisons of the finished runs; what is left out is in `warnings`.

    Of runs on different faces only the `main_group` counts. `augmentation` None takes the first of
    `AUGMENTATIONS` that all finished runs have stored.
    """
    finished = [run for run in runs if run.done]
    done = main_group(finished)
    chosen = augmentation or _common_augmentation(finished)
    if chosen is None:
        reason = ["no test-time augmentation is stored by all finished runs"] if done else []
        return Results("none", (), (), tuple(reason))
    usable, warnings = _usable(done, chosen)
    labels = method_labels(usable)
    keys = sorted({(r.config.model.name, labels[r.folder.name]) for r in usable}, key=_order)
    seconds = {run.folder.name: float(run.record()["seconds"]) for run in done}
    arms = []
    for key in keys:
        group = [r for r in usable if (r.config.model.name, labels[r.folder.name]) == key]
        arms.append(_arm(*key, sorted(group, key=lambda r: r.config.seed), chosen, seconds))
    everything = (*arms, *_ensembles(arms))
    return Results(chosen, everything, _comparisons(everything), warnings)


def _common_augmentation(done: Sequence[Run]) -> str | None:
    stored = [set(run.augmentations()) for run in done]
    common = (a for a in AUGMENTATIONS if done and all(a in names for names in stored))
    return next(common, None)


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
        seconds[run.folder.name]
        + sum(
            seconds.get(name, 0.0) for name in run.config.needs if name not in run.config.teachers
        )
        for run in runs
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
    """The sum of logits over each method's models, over the models that methods share, and over
    the paper's five where there are others beside them."""
    by_method: dict[str, dict[str, Arm]] = {}
    for arm in arms:
        if arm.method != "attention":
            by_method.setdefault(arm.method, {})[arm.model] = arm
    sets = [tuple(models) for models in by_method.values()]
    shared = [tuple(m for m in a if m in b) for a, b in combinations(sets, 2)]
    fives = [five for models in sets if (five := _papers_five(models))]
    every = {s for s in [*sets, *shared, *fives] if len(s) > 1}
    wanted = sorted(every, key=lambda s: (-len(s), s))
    ensembles = []
    for members in wanted:
        name = ENSEMBLE if len(wanted) == 1 else f"{ENSEMBLE} of {len(members)}"
        for method, models in by_method.items():
            if set(members) <= set(models):
                ensembles += _sum([models[m] for m in members], name, method)
    return ensembles


def _papers_five(models: Sequence[str]) -> tuple[str, ...]:
    """One network of each of the paper's five architectures, where there is exactly one of each."""
    known = tuple(model for model in models if family(model))
    families = {family(model) for model in known}
    return known if len(known) == len(families) == len(FAMILIES) - 1 else ()


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
        found += [compare(baseline, other) for baseline in baselines[:1]]
    return tuple(found)


def compare(baseline: Arm, other: Arm) -> Comparison:
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
