"""Tables 2 and 3 against scikit-learn, and which of the paper's numbers stand beside which."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from ferturb.report import published
from ferturb.report.accuracy.section import (
    accuracy_table,
    augmentation_table,
    change_table,
    pairs_table,
)
from ferturb.report.form.tables import Table
from ferturb.report.results import StudyResults
from made_up_results import small_study


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return small_study(kind="fer2013")


def rows_of(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.to_csv())))


def logits_of(results: StudyResults, name: str, on: str = "flip") -> tuple[np.ndarray, np.ndarray]:
    return next(run for run in results.runs if run.name == name).logits["test", on]


def test_table_2_against_scikit_learn(results: StudyResults) -> None:
    table = accuracy_table(results.main, with_paper=True)
    rows = {(row["model"], row["method"]): row for row in rows_of(table)}
    for model in ("compact", "resnet18"):
        for method in ("baseline", "perturb"):
            row = rows[model, method]
            labels, logits = logits_of(results, f"{model}-{method}-s0")
            predicted = logits.argmax(1)
            share = (labels == predicted).mean()
            half = 1.96 * np.sqrt(share * (1 - share) / len(labels))
            assert float(row["accuracy"]) == pytest.approx(share, abs=1e-5)
            assert float(row["accuracy_low"]) == pytest.approx(share - half, abs=0.004)
            assert float(row["accuracy_high"]) == pytest.approx(share + half, abs=0.004)
            f1 = f1_score(labels, predicted, average="macro")
            assert float(row["macro_f1"]) == pytest.approx(f1, abs=1e-5)
            recall = balanced_accuracy_score(labels, predicted)
            assert float(row["macro_recall"]) == pytest.approx(recall, abs=1e-5)
            assert float(row["macro_recall_low"]) < recall < float(row["macro_recall_high"])
            assert f'{100 * share:.1f} <span class="interval">' in table.to_html()
    assert float(rows["resnet18", "perturb"]["paper_macro_recall"]) == 0.723
    assert float(rows["resnet18", "perturb"]["paper_f1"]) == 0.70
    assert rows["compact", "perturb"]["paper_macro_recall"] == ""
    # The paper's ensemble is of five networks, ours here of two: not the same thing.
    assert rows["Ensemble", "baseline"]["paper_macro_recall"] == ""
    assert published.MEASURE in table.note


def test_table_3_holds_the_differences_and_the_papers(results: StudyResults) -> None:
    rows = {row["emotion"]: row for row in rows_of(change_table(results.main.perturb, True))}
    labels, first = logits_of(results, "resnet18-baseline-s0")
    _, second = logits_of(results, "resnet18-perturb-s0")
    happy = labels == 3
    expected = (second.argmax(1)[happy] == 3).mean() - (first.argmax(1)[happy] == 3).mean()
    assert float(rows["happy"]["resnet18"]) == pytest.approx(expected, abs=1e-5)
    assert float(rows["happy"]["resnet18_low"]) < expected < float(rows["happy"]["resnet18_high"])
    assert float(rows["happy"]["resnet18_paper"]) == 1.0
    assert "compact_paper" not in rows["happy"]
    recall = rows["all (macro recall)"]
    emotions = [float(row["resnet18"]) for row in list(rows.values())[:7]]
    assert float(recall["resnet18"]) == pytest.approx(np.mean(emotions), abs=1e-5)
    assert float(recall["resnet18_paper"]) == 3.1
    assert rows["all (accuracy)"]["resnet18_paper"] == ""


def test_networks_of_nearly_one_name_have_columns_of_their_own(results: StudyResults) -> None:
    first, *_ = results.main.perturb
    both = [replace(first, other=replace(first.other, model=name)) for name in ("a-b", "a_b")]
    keys = [column.key for column in change_table(both, True).columns]
    assert keys == ["emotion", "a_b_1", "a_b_2"]


def test_several_seeds_give_mean_and_spread() -> None:
    results = small_study(models=("compact",), seeds=(0, 1, 2))
    row = rows_of(accuracy_table(results.main, with_paper=False))[0]
    pairs = [logits_of(results, f"compact-baseline-s{seed}") for seed in range(3)]
    values = [(logits.argmax(1) == labels).mean() for labels, logits in pairs]
    assert row["seeds"] == "3"
    assert float(row["accuracy"]) == pytest.approx(np.mean(values), abs=1e-5)
    assert float(row["accuracy_std"]) == pytest.approx(np.std(values, ddof=1), rel=1e-4)
    paired = rows_of(pairs_table(results.main))
    assert [r["seed"] for r in paired if r["method"] == "perturb"] == ["0", "1", "2"]


def test_accuracy_under_each_augmentation(results: StudyResults) -> None:
    row = rows_of(augmentation_table(results.main))[0]
    for name in ("none", "flip"):
        labels, logits = logits_of(results, "compact-baseline-s0", name)
        share = (logits.argmax(1) == labels).mean()
        assert float(row[f"test_{name}"]) == pytest.approx(share, abs=1e-5)
