"""Which sentence follows from which numbers: every case that the report knows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ferturb.base.config import DatasetConfig, RecipeConfig
from ferturb.evaluation.ablation.matrix import Cell
from ferturb.evaluation.significance import Interval
from ferturb.report import sentences
from ferturb.report.results import StudyResults
from made_up_results import EPOCHS, mask_study, run_result, small_study, study_of

BETTER, WORSE = Interval(0.031, 0.011, 0.052), Interval(-0.02, -0.03, -0.01)
ACROSS, AT_ZERO = Interval(0.004, -0.009, 0.017), Interval(0.0, 0.0, 0.0)
TOUCHING = Interval(0.01, 0.0, 0.02)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (BETTER, "+3.1 points [+1.1, +5.2]: better, and the interval excludes zero"),
        (WORSE, "−2.0 points [−3.0, −1.0]: worse, and the interval excludes zero"),
        (ACROSS, "+0.4 points [−0.9, +1.7]: inside the noise"),
        (AT_ZERO, "0.0 points [0.0, 0.0]: inside the noise"),
        (TOUCHING, "+1.0 points [0.0, +2.0]: inside the noise"),
    ],
)
def test_a_verdict_follows_the_interval(change: Interval, text: str) -> None:
    assert sentences.verdict("dpn26", "perturb", change, (0.701, 0.7321), (1, 1)) == (
        f"dpn26: difference {text}. Baseline 70.1 %, perturb 73.2 %."
    )


@pytest.mark.parametrize(
    ("seeds", "end"),
    [
        ((1, 1), "perturb 73.2 %."),
        ((3, 3), "perturb 73.2 % (means over 3 seeds)."),
        ((3, 1), "perturb 73.2 % (baseline: 3 seeds, perturb: 1 seed)."),
        ((1, 2), "perturb 73.2 % (baseline: 1 seed, perturb: 2 seeds)."),
    ],
)
def test_a_verdict_says_over_how_many_seeds(seeds: tuple[int, int], end: str) -> None:
    text = sentences.verdict("dpn26", "perturb", BETTER, (0.701, 0.7321), seeds)
    assert text.endswith(end)


@pytest.mark.parametrize(
    ("theirs", "end"), [(3.1, "[−0.9, +1.7]; the paper: +3.1."), (None, "[−0.9, +1.7].")]
)
def test_macro_recall_stands_beside_the_papers_number(theirs: float | None, end: str) -> None:
    assert sentences.in_macro_recall(ACROSS, theirs) == (
        f" In macro recall, which the paper calls accuracy: +0.4 points {end}"
    )


SPLIT = "this test split can't tell the Perturb Scheme from the baseline"
MEASURE = "(in accuracy on the test split, 95 % interval)."


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ([], "No model has finished both ways, so the Perturb Scheme can't be judged yet."),
        (
            [("a", ACROSS)],
            f"With the one model trained both ways, {SPLIT}: the difference is inside the noise.",
        ),
        (
            [("a", ACROSS), ("b", AT_ZERO)],
            f"With the 2 models trained both ways, {SPLIT}: every difference is inside the noise.",
        ),
        (
            [("a", ACROSS), ("a", ACROSS)],
            f"With 2 settings of models trained both ways, {SPLIT}: every difference is inside the "
            "noise.",
        ),
        (
            [("a", BETTER)],
            "With the one model trained both ways, the Perturb Scheme is better than the baseline "
            + MEASURE,
        ),
        (
            [("a", WORSE)],
            "With the one model trained both ways, the Perturb Scheme is worse than the baseline "
            + MEASURE,
        ),
        (
            [("a", BETTER), ("b", WORSE), ("c", ACROSS), ("d", WORSE)],
            "Of the 4 models trained both ways, the Perturb Scheme is better for 1, worse for 2, "
            f"inside the noise for 1 {MEASURE}",
        ),
        (
            [("a", BETTER), ("a", BETTER), ("b", ACROSS)],
            "Of 3 settings of models trained both ways, the Perturb Scheme is better in 2, inside "
            f"the noise in 1 {MEASURE}",
        ),
    ],
)
def test_the_headline_counts_the_verdicts(
    changes: Sequence[tuple[str, Interval]], text: str
) -> None:
    assert sentences.judged(changes) == text


LUCK = "the intervals cover the choice of the test faces, not the luck of the training."


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ({}, ""),
        ({"a": 2, "b": 3}, ""),
        ({"a": 1, "b": 1}, f"One seed per model and method: {LUCK}"),
        ({"a": 1, "b": 3}, f"One seed alone for a: there {LUCK}"),
    ],
)
def test_too_few_seeds_are_named(seeds: dict[str, int], text: str) -> None:
    assert sentences.seeds_caveat(seeds) == text


@pytest.mark.parametrize(
    ("ratios", "span"),
    [
        ([], ""),
        ([1.2, 0.8], ""),
        ([1.3], "1.3"),
        ([0.7, 1.0], "0.7 to 1.0"),
        ([5.0, 1], "1.0 to 5.0"),
    ],
)
def test_unequal_compute(ratios: list[float], span: str) -> None:
    text = (
        "Unequal compute: the Perturb Scheme's runs, with their attention runs, took "
        f"{span} times as long as the baseline's."
    )
    assert sentences.compute_caveat(ratios) == (text if span else "")


@pytest.mark.parametrize(
    ("keeps", "end"),
    [
        (["best", "best"], "the one with the highest accuracy on the validation split."),
        (["last"], "the last one."),
        (
            ["best", "last"],
            "the one with the highest accuracy on the validation split, or the last one, by the "
            "recipe.",
        ),
    ],
)
def test_which_epoch_is_kept(keeps: list[str], end: str) -> None:
    assert sentences.kept_epoch(keeps) == f"The epoch whose weights are kept is {end}"


def test_the_protocol_counts_the_faces_there_are() -> None:
    text = sentences.fer2013_protocol({"train": 28709, "validation": 3500, "test": 3589})
    assert "Training (28,709 faces), choose on PublicTest (3,500), report PrivateTest (3,589)" in (
        text
    )


def cell(feature: str, change: float, needed: bool) -> Cell:
    excess = Interval(change, change - 0.01, change + 0.01 if not needed else -0.001)
    return Cell(
        feature, "happy", "accuracy", 100, 97.0, 0.9, Interval(change, -1, 1), Interval(0, 0, 0),
        excess, 0.001 if needed else 0.8, 0.01 if needed else 1.0,
    )  # fmt: skip


def test_the_features_that_are_needed() -> None:
    assert sentences.strongest([cell("mouth", -0.2, False)]) == (
        "No change is significantly worse than that of as many pixels left out at random."
    )
    found = [cell("left_eye", -0.05, True), cell("mouth", -0.2, True), cell("nose", -0.3, False)]
    assert sentences.strongest(found) == (
        "Furthest below their controls: happy without mouth −20.0 points (control 0.0); "
        "happy without left eye −5.0 points (control 0.0)."
    )
    assert sentences.strongest(found, most=1).count("happy") == 1


PERTURB = "Does leaving facial features behind make an emotion classifier better?"
MASKED = "What do face masks take from an emotion classifier?"


def test_the_question_is_that_of_the_study() -> None:
    both = study_of([*small_study(("compact",)).runs, *mask_study(("compact",)).runs])
    assert sentences.question(small_study(("compact",))) == PERTURB
    assert sentences.question(mask_study(("compact",))) == MASKED
    assert sentences.question(both) == PERTURB
    assert sentences.headline(mask_study(("compact",))).startswith("Trained and tested on MaskFer")


def test_headlines_of_studies_that_say_nothing_yet() -> None:
    nothing = StudyResults("quick", (), ())
    assert sentences.headline(nothing) == sentences.NOTHING_FINISHED
    assert sentences.best_sentence(nothing) == ""
    assert sentences.headline(study_of([run_result()])) == sentences.NOTHING_COMPARED
    diverged = run_result()
    logits = {key: (labels, z * math.nan) for key, (labels, z) in diverged.logits.items()}
    unusable = study_of([replace(diverged, logits=logits)])
    assert sentences.headline(unusable) == "No finished run can be reported."


def test_sentences_take_their_numbers_from_the_results() -> None:
    skills = {("compact", "perturb"): 3.2, ("resnet18", "perturb"): 1.2}
    results = small_study(skills=skills)
    assert "better for 1, worse for 1 (in accuracy" in sentences.headline(results)
    compact, resnet = sentences.verdicts(results.main.perturb, with_paper=True)[:2]
    assert compact.startswith("compact: difference +")
    assert "better, and the interval excludes zero" in compact
    assert "the paper: " not in compact
    assert resnet.startswith("resnet18: difference −")
    assert "the paper: +3.1." in resnet
    best = results.main.best
    assert best is not None
    assert sentences.best_sentence(results).startswith(
        f"Chosen on validation ({100 * best.validation_accuracy:.1f} %), the best is {best.model}, "
        f"{best.method}: {100 * best.scores.accuracy.estimate:.1f} % ["
    )


@pytest.mark.parametrize(
    ("epochs", "faces", "text"),
    [
        (10, 6400, "10 epochs of 6,400 faces show how the Perturb Scheme works: "),
        (1, 99_999, "1 epoch of 99,999 faces show how the Perturb Scheme works: "),
        (12, 28_709, ""),
        (1, 100_000, ""),
    ],
)
def test_so_many_epochs_are_not_a_verdict(epochs: int, faces: int, text: str) -> None:
    found = sentences.not_a_verdict(epochs, faces)
    assert found == (f"{text}not a verdict on it." if text else "")


def test_a_short_training_is_no_headline_about_better_or_worse() -> None:
    runs = small_study(models=("compact",)).runs
    counts = {"train": {"happy": 4000, "sad": 2400}, "validation": {}, "test": {}}
    for run in runs:
        run.record["data"]["counts"] = counts
    short = sentences.headline(study_of(runs))
    assert short == f"{EPOCHS} epochs of 6,400 faces show how the Perturb Scheme works: " + (
        "not a verdict on it."
    )
    counts["train"]["happy"] = 40_000
    assert "the Perturb Scheme" in sentences.headline(study_of(runs))
    assert "verdict" not in sentences.headline(study_of(runs))


def test_the_question_of_drawn_faces() -> None:
    results = small_study()
    assert "leaving facial features behind" in sentences.question(results)
    assert "planted" in sentences.question(results, planted=True)


def test_caveats_say_what_was_not_equal() -> None:
    found = " ".join(sentences.caveats(small_study()))
    assert "took 5.0 times as long" in found
    assert "One seed per model and method" in found
    assert sentences.SEVERAL_COMPARED in found
    assert sentences.SUMMED_VIEWS in found
    assert "epochs" not in found
    longer = run_result("compact", "perturb", recipe=RecipeConfig(epochs=9))
    found = " ".join(sentences.caveats(study_of([run_result(), longer])))
    assert "Not the same number of epochs as the baseline: compact, perturb." in found
    assert sentences.SEVERAL_COMPARED not in found
    without = run_result("compact", "train-views-only")
    assert sentences.SUMMED_VIEWS not in sentences.caveats(study_of([run_result(), without]))
    assert sentences.caveats(StudyResults("quick", (), ())) == []


def test_runs_on_other_faces_are_counted() -> None:
    mouthless = run_result(dataset=DatasetConfig(left_out="mouth"), name="mouthless")
    results = study_of([*mask_study().runs, mouthless])
    assert sentences.altered_runs(results).endswith(
        "in sections of their own: 2 on faces with face masks (mixed); "
        "1 on faces without mouth (mean)."
    )
    assert sentences.altered_runs(small_study()) == ""
