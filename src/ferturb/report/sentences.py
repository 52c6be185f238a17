"""What the report says in words: first sentences of given numbers, then of a study's results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ferturb.evaluation.ablation.matrix import Cell
from ferturb.evaluation.significance import Interval
from ferturb.report import published
from ferturb.report.form.tables import signed_points, span
from ferturb.report.groups import Comparison
from ferturb.report.masks.sentences import mask_headline
from ferturb.report.model_results import ModelResult
from ferturb.report.results import StudyResults
from ferturb.report.run_results import alteration, describe

_WORDS = {"above": "better", "below": "worse", "unclear": "inside the noise"}
VERDICT = 100_000
"""Faces that a network must have seen in training before a comparison is called a verdict."""
NOTHING_FINISHED = "No run has finished yet, so there is nothing to report."
NOTHING_COMPARED = "No model has finished both ways, so the Perturb Scheme can't be judged yet."
SUMMED_VIEWS = (
    "The Perturb Scheme also sums the logits over several views at test time; a gain can come from "
    "those views rather than from what was learned."
)
SEVERAL_COMPARED = (
    "Each interval is at 95 % on its own; with several compared, one of them can exclude zero by "
    "luck. The p-values with Holm's correction allow for that."
)


def difference(interval: Interval) -> str:
    """A difference of shares in points, with its interval.

    >>> difference(Interval(0.004, -0.009, 0.017))
    '+0.4 points [−0.9, +1.7]'
    """
    low, high = signed_points(interval.low), signed_points(interval.high)
    return f"{signed_points(interval.estimate)} points [{low}, {high}]"


def percent(interval: Interval) -> str:
    """A share in percent, with its interval.

    >>> percent(Interval(0.7189, 0.704, 0.733))
    '71.9 % [70.4, 73.3]'
    """
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.estimate:.1f} % [{low:.1f}, {high:.1f}]"


def not_a_verdict(epochs: int, faces: int) -> str:
    """What a training says that saw fewer than `VERDICT` faces; empty for a longer one.

    >>> not_a_verdict(10, 6400)
    '10 epochs of 6,400 faces show how the Perturb Scheme works: not a verdict on it.'
    """
    if epochs * faces >= VERDICT:
        return ""
    many = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    return f"{many} of {faces:,} faces show how the Perturb Scheme works: not a verdict on it."


def judged(changes: Sequence[tuple[str, Interval]]) -> str:
    """The headline of (model, change of accuracy) pairs: the Perturb Scheme or the baseline."""
    if not changes:
        return NOTHING_COMPARED
    found: list[str] = [change.verdict for _, change in changes]
    n, by_model = len(changes), len({model for model, _ in changes}) == len(changes)
    what = f"the {n} models" if by_model else f"{n} settings of models"
    what = "the one model trained both ways" if n == 1 else f"{what} trained both ways"
    measure = "(in accuracy on the test split, 95 % interval)"
    if found.count("unclear") == n:
        return (
            f"With {what}, this test split can't tell the Perturb Scheme from the baseline: "
            f"{'the' if n == 1 else 'every'} difference is inside the noise."
        )
    if n == 1:
        return f"With {what}, the Perturb Scheme is {_WORDS[found[0]]} than the baseline {measure}."
    parts = [
        f"{word} {'for' if by_model else 'in'} {found.count(verdict)}"
        for verdict, word in _WORDS.items()
        if verdict in found
    ]
    return f"Of {what}, the Perturb Scheme is {', '.join(parts)} {measure}."


def verdict(
    model: str,
    method: str,
    change: Interval,
    accuracies: tuple[float, float],
    seeds: tuple[int, int],
) -> str:
    """One comparison: the change, what it means, both accuracies (shares) and numbers of seeds."""
    before, after = (f"{100 * value:.1f} %" for value in accuracies)
    sure = ", and the interval excludes zero" if change.verdict != "unclear" else ""
    text = (
        f"{model}: difference {difference(change)}: {_WORDS[change.verdict]}{sure}. "
        f"Baseline {before}, {method} {after}"
    )
    if max(seeds) == 1:
        return f"{text}."
    if seeds[0] == seeds[1]:
        return f"{text} (means over {seeds[0]} seeds)."
    counts = [f"{n} seed{'s' if n > 1 else ''}" for n in seeds]
    return f"{text} (baseline: {counts[0]}, {method}: {counts[1]})."


def in_macro_recall(change: Interval, theirs: float | None) -> str:
    """What follows a verdict beside the paper's number: the change in the paper's own measure."""
    text = f" In macro recall, which the paper calls accuracy: {difference(change)}"
    return text + (f"; the paper: {signed_points(theirs / 100)}." if theirs is not None else ".")


def seeds_caveat(seeds: Mapping[str, int]) -> str:
    """Of numbers of seeds by name: what one seed alone can't show; empty where all have more."""
    single = [name for name, n in seeds.items() if n <= 1]
    if not single:
        return ""
    lack = "the intervals cover the choice of the test faces, not the luck of the training."
    if len(single) == len(seeds):
        return f"One seed per model and method: {lack}"
    return f"One seed alone for {'; '.join(single)}: there {lack}"


def compute_caveat(ratios: Sequence[float]) -> str:
    """Of training times over the baseline's: whether they differ by more than a quarter."""
    if not ratios or (max(ratios) <= 1.25 and min(ratios) >= 0.8):
        return ""
    return (
        f"Unequal compute: the Perturb Scheme's runs, with their attention runs, took "
        f"{span(ratios)} times as long as the baseline's."
    )


def kept_epoch(keeps: Sequence[str]) -> str:
    """Which epoch's weights are evaluated, from what the recipes keep ("best", "last")."""
    best = "the one with the highest accuracy on the validation split"
    either = f"{best}, or the last one, by the recipe"
    kept = "the last one" if set(keeps) == {"last"} else either if "last" in keeps else best
    return f"The epoch whose weights are kept is {kept}."


def fer2013_protocol(counts: Mapping[str, int]) -> str:
    """What the protocol means for FER2013, with the faces there are by split."""
    return (
        f"For FER2013 this means: train on Training ({counts['train']:,} faces), choose on "
        f"PublicTest ({counts['validation']:,}), report PrivateTest ({counts['test']:,}). Many "
        "published figures choose the epoch or the ensemble on the test split, or swap the splits; "
        "they are not comparable with these."
    )


def strongest(cells: Sequence[Cell], most: int = 5) -> str:
    """The largest changes of the features that the model needs."""
    needed = sorted((c for c in cells if c.needed), key=lambda c: c.excess.estimate)[:most]
    if not needed:
        return "No change is significantly worse than that of as many pixels left out at random."
    parts = [
        f"{c.emotion} without {c.feature.replace('_', ' ')} {signed_points(c.change.estimate)} "
        f"points (control {signed_points(c.control.estimate)})"
        for c in needed
    ]
    return f"Furthest below their controls: {'; '.join(parts)}."


def question(results: StudyResults, planted: bool = False) -> str:
    """What the study asks first; on drawn faces with a matrix, whether it finds what is in them."""
    if planted:
        return "Which facial features carry an emotion: what was planted, and what is found?"
    if results.masks and not results.main.perturb_models:
        return "What do face masks take from an emotion classifier?"
    return "Does leaving facial features behind make an emotion classifier better?"


def headline(results: StudyResults) -> str:
    """One sentence that answers the report's question."""
    if not results.main.models:
        return NOTHING_FINISHED if not results.done else "No finished run can be reported."
    if results.masks and not results.main.perturb_models:
        return mask_headline(results.masks[0])
    singles = [c for c in results.main.perturb if not c.other.is_ensemble]
    faces = sum((results.data.get("counts") or {}).get("train", {}).values())
    short = [not_a_verdict(c.other.runs[0].config.recipe.epochs, faces) for c in singles if faces]
    if short and all(short):
        return short[0]
    return judged([(c.other.model, c.change.accuracy) for c in singles])


def verdicts(comparisons: Sequence[Comparison], with_paper: bool = False) -> list[str]:
    """One sentence per comparison: the difference, its interval, what it means, what it cost."""
    found = []
    for c in comparisons:
        pair = (c.baseline.scores.accuracy.estimate, c.other.scores.accuracy.estimate)
        seeds = (len(c.baseline.seeds), len(c.other.seeds))
        text = verdict(c.other.model, c.other.method, c.change.accuracy, pair, seeds)
        if with_paper:
            theirs = published.change_of(c.other.model, c.other.method)
            text += in_macro_recall(c.change.macro_recall, theirs)
        found.append(text)
    return found


def best_sentence(results: StudyResults) -> str:
    """The model chosen on validation and its test accuracy; empty without models."""
    best = results.main.best
    if best is None:
        return ""
    return (
        f"Chosen on validation ({100 * best.validation_accuracy:.1f} %), the best is {name(best)}: "
        f"{percent(best.scores.accuracy)} on the test split."
    )


def name(result: ModelResult) -> str:
    """A model and its method in a sentence."""
    return f"{result.model}, {result.method}"


def protocol(results: StudyResults) -> list[str]:
    """How it was measured, by paragraph."""
    keeps = [run.config.recipe.keep for run in results.done]
    found = [
        f"Networks are trained on the training split only. {kept_epoch(keeps)} Everything else "
        "that is chosen or fitted (temperatures, the best model) uses validation too. The test "
        "split is used for nothing but the numbers in this report."
    ]
    counts = results.data.get("counts")
    if results.fer2013 and counts:
        found.append(fer2013_protocol({split: sum(n.values()) for split, n in counts.items()}))
    return found


def caveats(results: StudyResults) -> list[str]:
    """What a careful reader would object, generated from what was run."""
    main = results.main
    singles = [c for c in main.perturb if not c.other.is_ensemble]
    compared = [m for c in main.comparisons for m in (c.baseline, c.other)]
    seeds = {name(m): len(m.seeds) for m in compared}
    for group in results.masks:
        masks = group.phrases.masks
        worn = [pair.masks_masks for pair in group.pairs]
        seeds |= {f"{name(model)} on {masks}": len(model.seeds) for model in worn}
    unequal = [
        name(c.other)
        for c in main.comparisons
        if c.other.runs[0].config.recipe.epochs != c.baseline.runs[0].config.recipe.epochs
    ]
    times = [c.other.seconds / c.baseline.seconds for c in singles if c.baseline.seconds > 0]
    found = [
        seeds_caveat(seeds),
        compute_caveat(times),
        f"Not the same number of epochs as the baseline: {'; '.join(unequal)}." if unequal else "",
        SEVERAL_COMPARED if len(singles) > 1 else "",
        SUMMED_VIEWS if any(c.other.runs[0].config.method.test_views for c in singles) else "",
        altered_runs(results),
    ]
    return [text for text in found if text]


def altered_runs(results: StudyResults) -> str:
    """How many finished runs are not among the accuracies, because their faces are others."""
    others = [r for r in results.done if alteration(r) != results.main.alteration]
    counts = Counter(describe(alteration(run)) for run in others)
    if not counts:
        return ""
    kinds = "; ".join(f"{count} on {kind}" for kind, count in counts.items())
    return (
        "Runs on altered faces are never compared with these as if the faces were the same, but in "
        f"sections of their own: {kinds}."
    )
