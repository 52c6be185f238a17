"""Table 1 in both readings and the two by two, against direct computation from the logits."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.report import published
from ferturb.report.form.tables import Table
from ferturb.report.masks.pairs import MaskGroup, contrasts
from ferturb.report.masks.section import change_by_emotion, mask_tables, section, two_by_two
from ferturb.report.masks.sentences import mask_headline
from ferturb.report.model_results import relative_change
from ferturb.report.results import StudyResults
from made_up_results import mask_study, study_of


def group_of(results: StudyResults) -> MaskGroup:
    (group,) = results.masks
    return group


def rows_of(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.to_csv())))


def right(results: StudyResults, name: str, on: str = "") -> tuple[np.ndarray, np.ndarray]:
    run = next(run for run in results.runs if run.name == name)
    labels, logits = (run.elsewhere[on] if on else run.logits)["test", "flip"]
    return labels, logits.argmax(1) == labels


def test_table_1_is_the_change_in_percent_in_both_readings_beside_the_papers() -> None:
    results = mask_study()
    (table, *_) = mask_tables(group_of(results))
    assert table.key == "table1"
    rows = {row["emotion"]: row for row in rows_of(table)}
    labels, whole = right(results, "resnet18-whole-s0")
    for key, (_, hits) in {
        "resnet18": right(results, "resnet18-mixed-s0"),
        "resnet18_tested": right(results, "resnet18-whole-s0", "on-maskfer"),
    }.items():
        recalls = []
        for code, emotion in enumerate(EMOTIONS):
            mine = labels == code
            expected = hits[mine].mean() / whole[mine].mean() - 1
            recalls.append((hits[mine].mean(), whole[mine].mean()))
            row = rows[emotion]
            assert float(row[key]) == pytest.approx(expected, abs=1e-5)
            assert float(row[f"{key}_low"]) < expected < float(row[f"{key}_high"])
            assert float(row["resnet18_paper"]) == published.TABLE_1[emotion]["ResNet"]
            assert "compact_paper" not in row
        after, before = np.mean(recalls, 0)
        assert float(rows["all (macro recall)"][key]) == pytest.approx(after / before - 1, abs=1e-5)
        expected = hits.mean() / whole.mean() - 1
        assert float(rows["all (accuracy)"][key]) == pytest.approx(expected, abs=1e-5)
    headings = [(c.group, c.heading) for c in table.columns if c.group == "resnet18"]
    assert [heading for _, heading in headings] == [
        *("MaskFer → MaskFer, %", "FER2013 → MaskFer, %", "paper, %")
    ]
    _, masked = right(results, "resnet18-mixed-s0")
    # Two correlated shares: the interval by the delta method on paired faces.
    slope = masked / whole.mean() - whole * masked.mean() / whole.mean() ** 2
    half = 1.96 * slope.std() / len(labels) ** 0.5
    width = float(rows["all (accuracy)"]["resnet18_high"]) - float(
        rows["all (accuracy)"]["resnet18_low"]
    )
    assert width == pytest.approx(2 * half, rel=0.1)


def test_the_four_cells_and_their_differences() -> None:
    results = mask_study(models=("compact",))
    group = group_of(results)
    tables = {table.key: table for table in mask_tables(group)}
    cells = {(r["trained"], r["tested"]): r for r in rows_of(tables["masks_cells"])}
    stored = {
        ("FER2013", "FER2013"): right(results, "compact-whole-s0"),
        ("FER2013", "MaskFer"): right(results, "compact-whole-s0", "on-maskfer"),
        ("MaskFer", "FER2013"): right(results, "compact-mixed-s0", "on-whole"),
        ("MaskFer", "MaskFer"): right(results, "compact-mixed-s0"),
    }
    assert set(cells) == set(stored)
    for key, (labels, hits) in stored.items():
        assert float(cells[key]["accuracy"]) == pytest.approx(hits.mean(), abs=1e-5)
        assert float(cells[key]["happy"]) == pytest.approx(hits[labels == 3].mean(), abs=1e-5)
    rows = {r["change"]: r for r in rows_of(tables["masks_changes"])}
    assert len(rows) == 5
    for title, a, b in (
        ("trained on FER2013: test FER2013 → MaskFer", *(("FER2013",) * 2, ("FER2013", "MaskFer"))),
        ("tested on FER2013: training FER2013 → MaskFer", ("FER2013",) * 2, ("MaskFer", "FER2013")),
        ("both FER2013 → both MaskFer", ("FER2013",) * 2, ("MaskFer",) * 2),
    ):
        expected = stored[b][1].mean() - stored[a][1].mean()
        assert float(rows[title]["accuracy"]) == pytest.approx(expected, abs=1e-5)


def test_networks_of_nearly_one_name_have_columns_of_their_own() -> None:
    group = group_of(mask_study(models=("compact",)))
    (pair,) = group.pairs
    pairs = tuple(replace(pair, model=name) for name in ("a-b", "a_b"))
    table = mask_tables(replace(group, pairs=pairs))[0]
    keys = [column.key for column in table.columns]
    assert keys == ["emotion", "a_b_1", "a_b_1_tested", "a_b_2", "a_b_2_tested"]


def test_what_training_on_masks_gains_as_a_share() -> None:
    results = mask_study(models=("compact",))
    tables = {table.key: table for table in mask_tables(group_of(results))}
    (row,) = rows_of(tables["masks_gain"])
    _, before = right(results, "compact-whole-s0", "on-maskfer")
    _, after = right(results, "compact-mixed-s0")
    assert float(row["before"]) == pytest.approx(before.mean(), abs=1e-5)
    assert float(row["after"]) == pytest.approx(after.mean(), abs=1e-5)
    assert float(row["gain"]) == pytest.approx(after.mean() / before.mean() - 1, abs=1e-5)


def test_an_ensemble_is_tested_on_the_other_faces_as_a_sum() -> None:
    results = mask_study(seeds=(0, 1))
    pair = next(p for p in group_of(results).pairs if p.whole_whole.is_ensemble)
    assert pair.whole_masks is not None
    runs = {run.name: run for run in results.runs}
    for i, seed in enumerate((0, 1)):
        total = sum(
            runs[f"{m}-whole-s{seed}"].elsewhere["on-maskfer"]["test", "flip"][1]
            for m in ("compact", "resnet18")
        )
        np.testing.assert_allclose(pair.whole_masks.logits[i], total, rtol=1e-6)


def test_what_was_not_measured_is_left_open() -> None:
    results = mask_study(models=("compact",), measured=False)
    group = group_of(results)
    (pair,) = group.pairs
    assert pair.whole_masks is None
    assert pair.masks_whole is None
    assert [title for title, _, _ in contrasts(pair, group.phrases)] == [
        "both FER2013 → both MaskFer"
    ]
    loss = 100 * (pair.whole_whole.correct.mean() - pair.masks_masks.correct.mean())
    assert mask_headline(group) == (
        f"Trained and tested on MaskFer, accuracy is {loss:.1f} points below FER2013 (test split)."
    )
    found = section(results)
    assert found is not None
    assert [column.key for column in mask_tables(group)[0].columns] == ["emotion", "compact"]


def test_other_faces_in_another_order_are_not_compared() -> None:
    whole, masked = mask_study(models=("compact",)).runs
    turned = {key: (y[::-1], z[::-1]) for key, (y, z) in whole.elsewhere["on-maskfer"].items()}
    results = study_of([replace(whole, elsewhere={"on-maskfer": turned}), masked])
    assert group_of(results).pairs[0].whole_masks is None


def test_no_paper_beside_drawn_faces() -> None:
    group = group_of(mask_study(models=("resnet18",), kind="synthetic"))
    table = mask_tables(group)[0]
    assert table.key == "table1"
    assert not any(column.key.endswith("_paper") for column in table.columns)
    assert (group.phrases.whole, group.phrases.masks) == ("whole faces", "face masks")


def test_without_whole_faces_there_is_nothing_to_compare() -> None:
    _, masked = mask_study(models=("compact",)).runs
    assert study_of([masked]).masks == ()
    assert section(study_of([masked])) is None


def test_the_picture_of_table_1_has_a_dot_for_each_reading_and_the_papers() -> None:
    (pair,) = group_of(mask_study(models=("resnet18",))).pairs
    assert pair.whole_masks is not None
    readings = {
        "both": relative_change(pair.whole_whole, pair.masks_masks),
        "tested": relative_change(pair.whole_whole, pair.whole_masks),
    }
    figure = change_by_emotion(["resnet18"], [readings], [{"happy": -55.0}])
    axes = figure.axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    drawn = {(float(d.get_xdata()[0]), round(float(d.get_ydata()[0]))) for d in dots}
    assert drawn == {
        (100 * interval.estimate, y)
        for change in readings.values()
        for y, interval in enumerate(change)
    }
    (theirs,) = [
        line for line in axes.lines if line.get_marker() == "D" and len(line.get_xdata()) == 1
    ]
    assert (list(theirs.get_xdata()), list(theirs.get_ydata())) == ([-55.0], [3])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["both", "tested", "paper"]


def test_the_four_cells_are_four_dots() -> None:
    (pair,) = group_of(mask_study(models=("compact",))).pairs
    axes = two_by_two([pair], "FER2013", "MaskFer").axes[0]
    cells = (pair.whole_whole, pair.whole_masks, pair.masks_whole, pair.masks_masks)
    shares = [100 * cell.scores.accuracy.estimate for cell in cells if cell is not None]
    assert sorted(text.get_text() for text in axes.texts) == sorted(f"{x:.1f}" for x in shares)
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        *("tested on\nFER2013", "tested on\nMaskFer")
    ]
