"""Models, ensembles and comparisons against direct computation from the logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, recall_score

from ferturb.base.config import DatasetConfig
from ferturb.report.form.captions import family_of
from ferturb.report.groups import Group
from ferturb.report.model_results import ModelResult
from ferturb.report.results import StudyResults
from ferturb.report.run_results import alteration, describe
from made_up_results import run_result, small_study, study_of


def stored(results: StudyResults, name: str) -> tuple[np.ndarray, np.ndarray]:
    return next(run for run in results.runs if run.name == name).logits["test", "flip"]


def of(group: Group, model: str, method: str) -> ModelResult:
    return next(m for m in group.models if (m.model, m.method) == (model, method))


def test_a_model_is_its_runs() -> None:
    results = small_study(seeds=(0, 1))
    assert results.main.augmentation == "flip"  # the strongest that all runs store
    model = of(results.main, "compact", "perturb")
    assert model.seeds == (0, 1)
    values = []
    for seed in (0, 1):
        labels, logits = stored(results, f"compact-perturb-s{seed}")
        predicted = logits.argmax(1)
        values.append(
            [
                (predicted == labels).mean(),
                f1_score(labels, predicted, average="macro"),
                recall_score(labels, predicted, average="macro"),
                *recall_score(labels, predicted, average=None),
            ]
        )
    expected, spread = np.mean(values, 0), np.std(values, 0, ddof=1)
    scores = model.scores
    got = [scores.accuracy, scores.macro_f1, scores.macro_recall, *scores.per_emotion]
    assert [interval.estimate for interval in got] == pytest.approx(expected)
    assert [interval.std for interval in got] == pytest.approx(spread)
    assert all(interval.low < interval.estimate < interval.high for interval in got)
    # 6 epochs of 60 s, four times that for the Perturb Scheme, and its attention run
    assert model.seconds == 60 * 6 * 4 + 60 * 6


def test_an_ensemble_is_the_sum_of_logits() -> None:
    results = small_study()
    ensemble = of(results.main, "Ensemble", "baseline")
    labels, first = stored(results, "compact-baseline-s0")
    _, second = stored(results, "resnet18-baseline-s0")
    np.testing.assert_array_equal(ensemble.logits[0], first + second)
    hits = (first + second).argmax(1) == labels
    assert ensemble.scores.accuracy.estimate == pytest.approx(hits.mean())


def test_ensembles_are_compared_on_the_same_members() -> None:
    every = small_study(models=("compact", "resnet18", "vgg16"))
    main = study_of([run for run in every.runs if run.name != "vgg16-perturb-s0"]).main
    ensembles = {(m.model, m.method): m.members for m in main.models if m.is_ensemble}
    three, two = ("compact", "resnet18", "vgg16"), ("compact", "resnet18")
    assert ensembles == {
        ("Ensemble of 3", "baseline"): three,
        ("Ensemble of 2", "baseline"): two,
        ("Ensemble of 2", "perturb"): two,
    }
    pairs = [(c.baseline.model, c.other.method) for c in main.comparisons]
    assert ("Ensemble of 2", "perturb") in pairs
    assert ("Ensemble of 3", "perturb") not in pairs


def test_the_papers_five_are_an_ensemble_of_their_own() -> None:
    five = ("vgg16-half", "resnet18", "densenet121-pool", "dpn26-pool", "resmasking18-half")
    main = small_study(models=("compact", *five), faces=100).main
    ensembles = {(m.model, m.method): set(m.members) for m in main.models if m.is_ensemble}
    assert ensembles == {
        (f"Ensemble of {len(members)}", method): members
        for members in ({"compact", *five}, set(five))
        for method in ("baseline", "perturb")
    }
    papers = {m.model: family_of(m) for m in main.models if m.is_ensemble}
    assert papers == {"Ensemble of 6": None, "Ensemble of 5": "Ensemble"}
    two_of_a_kind = small_study(models=("compact", *five[:4], "densenet121"), faces=100).main
    assert {m.model for m in two_of_a_kind.models if m.is_ensemble} == {"Ensemble"}


def test_a_comparison_is_paired() -> None:
    results = small_study(skills={("compact", "perturb"): 3.0})
    found = next(c for c in results.main.perturb if c.other.model == "compact")
    labels, first = stored(results, "compact-baseline-s0")
    _, second = stored(results, "compact-perturb-s0")
    a, b = first.argmax(1) == labels, second.argmax(1) == labels
    change = found.change.accuracy
    assert change.estimate == pytest.approx(b.mean() - a.mean())
    half = 1.96 * (b.astype(float) - a).std() / np.sqrt(len(labels))
    assert change.high - change.low == pytest.approx(2 * half, rel=0.1)
    for emotion in range(7):
        mine = labels == emotion
        expected = b[mine].mean() - a[mine].mean()
        assert found.change.per_emotion[emotion].estimate == pytest.approx(expected)
    ((seed, by_seed, test),) = found.by_seed
    assert (seed, by_seed) == (0, pytest.approx(b.mean() - a.mean()))
    lost, won = int((a & ~b).sum()), int((b & ~a).sum())
    assert (test.only_first, test.only_second) == (lost, won)
    expected_p = stats.chi2.sf((abs(lost - won) - 1) ** 2 / (lost + won), 1)
    assert test.p == pytest.approx(expected_p)
    assert found.change.accuracy.verdict == "above"


def test_runs_on_other_faces_and_diverged_runs_are_named_and_left_out() -> None:
    runs = {run.name: run for run in small_study().runs}
    for name, change in (
        ("compact-perturb-s0", lambda labels, logits: ((labels + 1) % 7, logits)),
        ("resnet18-perturb-s0", lambda labels, logits: (labels, logits * np.nan)),
    ):
        changed = {key: change(*pair) for key, pair in runs[name].logits.items()}
        runs[name] = replace(runs[name], logits=changed)
    results = study_of(list(runs.values()))
    assert not results.main.perturb
    assert len(results.warnings) == 2
    assert any("compact-perturb-s0" in w and "faces are not those" in w for w in results.warnings)
    assert any("resnet18-perturb-s0" in w and "finite" in w for w in results.warnings)


def test_a_run_without_validation_logits_is_named_and_left_out() -> None:
    first, second = run_result(), run_result("resnet18")
    bare = {key: pair for key, pair in second.logits.items() if key[0] == "test"}
    results = study_of([first, replace(second, logits=bare)])
    assert [m.model for m in results.main.models] == ["compact"]
    assert results.warnings == (
        "resnet18-baseline-s0 is left out: it has no validation logits by flip",
    )


def test_without_a_common_augmentation_nothing_is_compared() -> None:
    first, second = run_result(), run_result("resnet18")
    some = {key: pair for key, pair in second.logits.items() if key[1] == "flip"}
    assert study_of([first, replace(second, logits=some)]).main.augmentation == "flip"
    other = {key: pair for key, pair in first.logits.items() if key[1] == "none"}
    results = study_of([replace(first, logits=other), replace(second, logits=some)])
    assert results.main.models == ()
    assert results.warnings == ("no test-time augmentation is stored by all finished runs",)


def test_settings_that_differ_make_models_of_their_own() -> None:
    runs = small_study(models=("compact",), seeds=(0, 1)).runs
    runs = (*runs[:-1], run_result("compact", "perturb", 1, clusters=5))
    methods = [m.method for m in study_of(runs).main.models]
    assert methods == ["baseline", "attention", "perturb (clusters=3)", "perturb (clusters=5)"]


def test_the_best_is_chosen_on_validation() -> None:
    main = small_study(skills={("resnet18", "baseline"): 3.0}).main
    accuracies = [m.validation_accuracy for m in main.models]
    assert main.best is main.models[int(np.argmax(accuracies))]


def test_runs_on_altered_faces_are_a_group_of_their_own() -> None:
    whole = run_result()
    masked = run_result(dataset=DatasetConfig(face_masks="mixed"), name="masked", skill=1.0)
    results = study_of([masked, whole])
    assert [group.alteration.face_masks for group in results.groups] == [None, "mixed"]
    assert results.main.done == (whole,)
    (model,) = results.main.models
    labels, logits = whole.logits["test", "flip"]
    assert model.scores.accuracy.estimate == pytest.approx((logits.argmax(1) == labels).mean())
    assert study_of([masked]).main.done == (masked,)
    unfinished = replace(whole, done=False)
    assert study_of([unfinished, masked]).main.done == (masked,)


def test_settings_that_change_nothing_make_no_group_of_their_own() -> None:
    seeded = run_result(dataset=DatasetConfig("fer2013.zip", alteration_seed=3))
    assert alteration(seeded) == DatasetConfig()
    assert describe(DatasetConfig(left_out="lower_face", left_out_control=True)) == (
        "faces without a random region in place of lower face (mean)"
    )
