"""The report in plain words: what the numbers say, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ferturb.evaluation.significance import Interval
from ferturb.report.accuracy.tables import Planned
from ferturb.report.masks.pairs import MaskGroup, mask_headline
from ferturb.report.results import Arm, Comparison, Results, alteration, describe, main_group

PROTOCOL = (
    "Networks are trained on the training split only. The epoch whose weights are kept is the one "
    "with the highest accuracy on the validation split, and everything else that is chosen or "
    "fitted (temperatures, the best arm) uses validation too. The test split is used for nothing "
    "but the numbers in this report."
)
FER2013_PROTOCOL = (
    "For FER2013 this means: train on Training (28,709 faces), choose on PublicTest (3,589), "
    "report PrivateTest (3,589). Many published figures choose the epoch or the ensemble on the "
    "test split, or swap the splits; they are not comparable with these."
)
VERDICTS = {
    "above": "better, and the interval excludes zero",
    "below": "worse, and the interval excludes zero",
    "unclear": "inside the noise",
}


def points(interval: Interval) -> str:
    """A difference of shares in points, with its interval.

    >>> points(Interval(0.004, -0.009, 0.017))
    '+0.4 points [−0.9, +1.7]'
    """
    estimate, low, high = (
        f"{100 * value:+.1f}".replace("-", "−").replace("−0.0", "0.0").replace("+0.0", "0.0")
        for value in (interval.estimate, interval.low, interval.high)
    )
    return f"{estimate} points [{low}, {high}]"


def percent(interval: Interval) -> str:
    """A share in percent, with its interval.

    >>> percent(Interval(0.7189, 0.704, 0.733))
    '71.9 % [70.4, 73.3]'
    """
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.estimate:.1f} % [{low:.1f}, {high:.1f}]"


def question(results: Results, masks: Sequence[MaskGroup] = ()) -> str:
    """What the study asks first."""
    if masks and not results.perturb_arms:
        return "What do face masks take from an emotion classifier?"
    return "Does leaving facial features behind make an emotion classifier better?"


def headline(results: Results, masks: Sequence[MaskGroup] = ()) -> str:
    """One sentence that answers the report's question."""
    singles = [c for c in results.perturb if not c.other.is_ensemble]
    if not results.arms:
        return "No run has finished yet, so there is nothing to report."
    if masks and not results.perturb_arms:
        return mask_headline(masks[0])
    if not singles:
        return "No model has finished both ways, so the Perturb Scheme can't be judged yet."
    verdicts: list[str] = [c.change.accuracy.verdict for c in singles]
    n = len(verdicts)
    models = "the one model" if n == 1 else f"the {n} models"
    if verdicts.count("unclear") == n:
        return (
            f"With {models} trained both ways, this test split can't tell the Perturb Scheme from "
            "the baseline: every difference is inside the noise."
        )
    parts = []
    for verdict, word in (("above", "better"), ("below", "worse")):
        if verdicts.count(verdict):
            parts.append(f"{word} for {verdicts.count(verdict)}")
    if verdicts.count("unclear"):
        parts.append(f"inside the noise for {verdicts.count('unclear')}")
    return (
        f"Of {models} trained both ways, the Perturb Scheme is {', '.join(parts)} "
        "(in accuracy on the test split, 95 % interval)."
    )


def verdicts(comparisons: Sequence[Comparison]) -> list[str]:
    """One sentence per comparison: the difference, its interval, what it means, what it cost."""
    return [_verdict(c) for c in comparisons]


def best_sentence(results: Results) -> str:
    """The arm chosen on validation and its test accuracy; empty without arms."""
    best = results.best
    if best is None:
        return ""
    return (
        f"Chosen on validation ({100 * best.validation_accuracy:.1f} %), the best is {name(best)}: "
        f"{percent(best.scores.accuracy)} on the test split."
    )


def name(arm: Arm) -> str:
    """An arm in a sentence."""
    return f"{arm.model}, {arm.method}"


def caveats(results: Results, masks: Sequence[MaskGroup] = ()) -> list[str]:
    """What a careful reader would object, generated from what was run."""
    found = []
    singles = [c for c in results.perturb if not c.other.is_ensemble]
    seeds = [len(c.by_seed) for c in results.comparisons]
    seeds += [len(pair.masks_masks.seeds) for group in masks for pair in group.pairs]
    if seeds and max(seeds) <= 1:
        found.append(
            "One seed per arm: the intervals cover the choice of the test faces, not the luck of "
            "the training."
        )
    ratios = [c.other.seconds / c.baseline.seconds for c in singles if c.baseline.seconds > 0]
    if ratios and (max(ratios) > 1.25 or min(ratios) < 0.8):
        low, high = f"{min(ratios):.1f}", f"{max(ratios):.1f}"
        span = low if low == high else f"{low} to {high}"
        found.append(
            f"Unequal compute: the Perturb Scheme's runs, with their attention runs, took {span} "
            "times as long as the baseline's."
        )
    unequal = [
        name(c.other)
        for c in results.comparisons
        if c.other.runs[0].config.recipe.epochs != c.baseline.runs[0].config.recipe.epochs
    ]
    if unequal:
        found.append(f"Not the same number of epochs as the baseline: {'; '.join(unequal)}.")
    if len(singles) > 1:
        found.append(
            "Each interval is at 95 % on its own; with several models compared, one of them can "
            "exclude zero by luck. The p-values with Holm's correction allow for that."
        )
    if singles:
        found.append(
            "The Perturb Scheme also sums the logits over several views at test time; a gain can "
            "come from those views rather than from what was learned."
        )
    return found


def altered_runs(planned: Sequence[Planned]) -> list[str]:
    """Which finished runs are not among the accuracies, because their faces are others."""
    done = [plan.run for plan in planned if plan.run is not None and plan.run.done]
    main = {run.folder for run in main_group(done)}
    others = [run for run in done if run.folder not in main]
    if not others:
        return []
    counts = Counter(describe(alteration(run)) for run in others)
    kinds = "; ".join(f"{count} on {kind}" for kind, count in counts.items())
    return [
        "Runs on altered faces are never compared with these as if the faces were the same, but in "
        f"sections of their own: {kinds}."
    ]


def _verdict(c: Comparison) -> str:
    change = c.change.accuracy
    text = (
        f"{c.other.model}: difference {points(change)}: {VERDICTS[change.verdict]}. "
        f"Baseline {100 * c.baseline.scores.accuracy.estimate:.1f} %, "
        f"{c.other.method} {100 * c.other.scores.accuracy.estimate:.1f} %"
    )
    seeds = len(c.by_seed)
    return text + (f" (means over {seeds} seeds)." if seeds > 1 else ".")
