"""Arms, ensembles and comparisons against direct computation from the run folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, recall_score

from ferturb.report import sentences
from ferturb.report.form.captions import family_of
from ferturb.report.results import Results, collect
from ferturb.runs.run import Run, find_runs

Study = Callable[..., Path]


def collected(folder: Path) -> Results:
    return collect(find_runs(folder / "runs"))


def stored(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    return Run(folder / "runs" / name).logits("test", "flip")


def test_an_arm_is_its_runs(study: Study) -> None:
    folder = study(seeds=(0, 1))
    results = collected(folder)
    assert results.augmentation == "flip"  # the strongest that all runs store
    arm = next(a for a in results.arms if (a.model, a.method) == ("compact", "perturb"))
    assert arm.seeds == (0, 1)
    values = []
    for seed in (0, 1):
        labels, logits = stored(folder, f"compact-perturb-s{seed}")
        predicted = logits.argmax(1)
        values.append(
            [
                (predicted == labels).mean(),
                f1_score(labels, predicted, average="macro"),
                *recall_score(labels, predicted, average=None),
            ]
        )
    expected, spread = np.mean(values, 0), np.std(values, 0, ddof=1)
    scores = arm.scores
    got = [scores.accuracy, scores.macro_f1, *scores.per_emotion]
    assert [interval.estimate for interval in got] == pytest.approx(expected)
    assert [interval.std for interval in got] == pytest.approx(spread)
    assert all(interval.low < interval.estimate < interval.high for interval in got)
    # 6 epochs of 60 s, four times that for the Perturb Scheme, and its attention run
    assert arm.seconds == 60 * 6 * 4 + 60 * 6


def test_an_ensemble_is_the_sum_of_logits(study: Study) -> None:
    folder = study()
    results = collected(folder)
    arm = next(a for a in results.arms if (a.model, a.method) == ("Ensemble", "baseline"))
    labels, first = stored(folder, "compact-baseline-s0")
    _, second = stored(folder, "resnet18-baseline-s0")
    np.testing.assert_array_equal(arm.logits[0], first + second)
    hits = (first + second).argmax(1) == labels
    assert arm.scores.accuracy.estimate == pytest.approx(hits.mean())


def test_ensembles_are_compared_on_the_same_members(study: Study) -> None:
    folder = study(models=("compact", "resnet18", "vgg16"), missing=["vgg16-perturb-s0"])
    results = collected(folder)
    ensembles = {(a.model, a.method): a.members for a in results.arms if a.is_ensemble}
    three, two = ("compact", "resnet18", "vgg16"), ("compact", "resnet18")
    assert ensembles == {
        ("Ensemble of 3", "baseline"): three,
        ("Ensemble of 2", "baseline"): two,
        ("Ensemble of 2", "perturb"): two,
    }
    pairs = [(c.baseline.model, c.other.method) for c in results.comparisons]
    assert ("Ensemble of 2", "perturb") in pairs
    assert ("Ensemble of 3", "perturb") not in pairs


def test_the_papers_five_are_an_ensemble_of_their_own(study: Study) -> None:
    five = ("vgg16-half", "resnet18", "densenet121-pool", "dpn26-pool", "resmasking18-half")
    results = collected(study(models=("compact", *five)))
    ensembles = {(a.model, a.method): set(a.members) for a in results.arms if a.is_ensemble}
    assert ensembles == {
        (f"Ensemble of {len(members)}", method): members
        for members in ({"compact", *five}, set(five))
        for method in ("baseline", "perturb")
    }
    papers = {arm.model: family_of(arm) for arm in results.arms if arm.is_ensemble}
    assert papers == {"Ensemble of 6": None, "Ensemble of 5": "Ensemble"}
    two_of_a_kind = collected(study(models=("compact", *five[:4], "densenet121")))
    assert {a.model for a in two_of_a_kind.arms if a.is_ensemble} == {"Ensemble"}


def test_a_comparison_is_paired(study: Study) -> None:
    folder = study(skills={("compact", "perturb"): 3.0})
    results = collected(folder)
    found = next(c for c in results.perturb if c.other.model == "compact")
    labels, first = stored(folder, "compact-baseline-s0")
    _, second = stored(folder, "compact-perturb-s0")
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


def test_the_words_follow_the_numbers(study: Study) -> None:
    better = {("compact", "perturb"): 3.2, ("resnet18", "perturb"): 1.2}
    results = collected(study(skills=better))
    headline = sentences.headline(results)
    assert "better for 1, worse for 1" in headline
    compact, resnet = sentences.verdicts(results.perturb)[:2]
    assert compact.startswith("compact: difference +")
    assert "better, and the interval excludes zero" in compact
    assert resnet.startswith("resnet18: difference −")
    assert "worse, and the interval excludes zero" in resnet
    assert any("5.0 times" in caveat for caveat in sentences.caveats(results))
    assert any("One seed" in caveat for caveat in sentences.caveats(results))


def test_no_difference_is_called_noise(study: Study) -> None:
    folder = study(models=("compact",))
    source = folder / "runs" / "compact-baseline-s0" / "logits.npz"
    (folder / "runs" / "compact-perturb-s0" / "logits.npz").write_bytes(source.read_bytes())
    results = collected(folder)
    assert sentences.verdicts(results.perturb)[0].startswith(
        "compact: difference 0.0 points [0.0, 0.0]: inside the noise."
    )
    assert "can't tell" in sentences.headline(results)


def test_runs_on_other_faces_and_diverged_runs_are_named_and_left_out(study: Study) -> None:
    folder = study(models=("compact", "resnet18"))
    for name, change in (
        ("compact-perturb-s0", lambda labels, logits: ((labels + 1) % 7, logits)),
        ("resnet18-perturb-s0", lambda labels, logits: (labels, logits * np.nan)),
    ):
        path = folder / "runs" / name / "logits.npz"
        with np.load(path) as file:
            arrays = dict(file)
        for split in ("validation", "test"):
            labels, logits = change(arrays[f"labels_{split}"], arrays[f"{split}_flip"])
            arrays |= {f"labels_{split}": labels, f"{split}_flip": logits}
        np.savez(path, **arrays)
    results = collected(folder)
    assert not results.perturb
    assert len(results.warnings) == 2
    assert any("compact-perturb-s0" in w and "faces are not those" in w for w in results.warnings)
    assert any("resnet18-perturb-s0" in w and "finite" in w for w in results.warnings)


def test_settings_that_differ_make_arms_of_their_own(study: Study) -> None:
    folder = study(models=("compact",), seeds=(0, 1))
    path = folder / "runs" / "compact-perturb-s1" / "config.json"
    config = json.loads(path.read_text())
    config["method"]["clusters"] = 5
    path.write_text(json.dumps(config))
    methods = [arm.method for arm in collected(folder).arms]
    assert methods == ["baseline", "attention", "perturb (clusters=3)", "perturb (clusters=5)"]


def test_the_best_arm_is_chosen_on_validation(study: Study) -> None:
    results = collected(study(skills={("resnet18", "baseline"): 3.0}))
    accuracies = [arm.validation_accuracy for arm in results.arms]
    assert results.best is results.arms[int(np.argmax(accuracies))]
