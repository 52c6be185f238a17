"""Table 1 and the two by two, against direct computation from the run folders."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.config import DatasetConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.report import published
from ferturb.report.build import build_report
from ferturb.report.form.tables import Table
from ferturb.report.masks.items import mask_items, mask_tables
from ferturb.report.masks.pairs import MaskGroup, contrasts, mask_groups, mask_headline
from ferturb.report.results import alteration, collect, describe
from ferturb.runs.run import Run, find_runs

Study = Callable[..., Path]


def group_of(folder: Path, fer2013: bool = True) -> MaskGroup:
    (group,) = mask_groups(find_runs(folder / "runs"), fer2013)
    return group


def rows_of(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.to_csv())))


def right(folder: Path, name: str, on: str = "") -> tuple[np.ndarray, np.ndarray]:
    run = Run(folder / "runs" / name)
    if not on:
        labels, logits = run.logits("test", "flip")
    else:
        found = run.analysis(on)
        assert found is not None
        labels, logits = found[0]["labels_test"], found[0]["test_flip"]
    return labels, logits.argmax(1) == labels


def test_table_1_is_the_change_in_percent_beside_the_papers(mask_study: Study) -> None:
    folder = mask_study()
    tables = {table.key: table for table in mask_tables(group_of(folder))}
    rows = {row["emotion"]: row for row in rows_of(tables["table1"])}
    labels, whole = right(folder, "resnet18-whole-s0")
    _, masked = right(folder, "resnet18-mixed-s0")
    for code, emotion in enumerate(EMOTIONS):
        mine = labels == code
        expected = masked[mine].mean() / whole[mine].mean() - 1
        row = rows[emotion]
        assert float(row["resnet18"]) == pytest.approx(expected, abs=1e-5)
        assert float(row["resnet18_low"]) < expected < float(row["resnet18_high"])
        assert float(row["resnet18_paper"]) == published.TABLE_1[emotion]["ResNet"]
        assert "compact_paper" not in row
    expected = masked.mean() / whole.mean() - 1
    assert float(rows["all (accuracy)"]["resnet18"]) == pytest.approx(expected, abs=1e-5)
    # Two correlated shares: the interval by the delta method on paired faces.
    slope = masked / whole.mean() - whole * masked.mean() / whole.mean() ** 2
    half = 1.96 * slope.std() / len(labels) ** 0.5
    width = float(rows["all (accuracy)"]["resnet18_high"]) - float(
        rows["all (accuracy)"]["resnet18_low"]
    )
    assert width == pytest.approx(2 * half, rel=0.1)


def test_the_four_cells_and_their_differences(mask_study: Study) -> None:
    folder = mask_study(models=("compact",))
    group = group_of(folder)
    tables = {table.key: table for table in mask_tables(group)}
    cells = {(r["trained"], r["tested"]): r for r in rows_of(tables["masks_cells"])}
    stored = {
        ("FER2013", "FER2013"): right(folder, "compact-whole-s0"),
        ("FER2013", "MaskFer"): right(folder, "compact-whole-s0", "on-maskfer"),
        ("MaskFer", "FER2013"): right(folder, "compact-mixed-s0", "on-whole"),
        ("MaskFer", "MaskFer"): right(folder, "compact-mixed-s0"),
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
        ("both FER2013 → both MaskFer (Table 1)", ("FER2013",) * 2, ("MaskFer",) * 2),
    ):
        expected = stored[b][1].mean() - stored[a][1].mean()
        assert float(rows[title]["accuracy"]) == pytest.approx(expected, abs=1e-5)


def test_an_ensemble_is_tested_on_the_other_faces_as_a_sum(mask_study: Study) -> None:
    folder = mask_study(seeds=(0, 1))
    group = group_of(folder)
    pair = next(p for p in group.pairs if p.whole_whole.is_ensemble)
    assert pair.whole_masks is not None
    for i, seed in enumerate((0, 1)):
        total = sum(
            Run(folder / "runs" / f"{m}-whole-s{seed}").analysis("on-maskfer")[0]["test_flip"]  # type: ignore[index]
            for m in ("compact", "resnet18")
        )
        np.testing.assert_allclose(pair.whole_masks.logits[i], total, rtol=1e-6)


def test_what_was_not_measured_is_left_open(mask_study: Study) -> None:
    folder = mask_study(models=("compact",), transfer=False)
    group = group_of(folder)
    (pair,) = group.pairs
    assert pair.whole_masks is None
    assert pair.masks_whole is None
    assert [title for title, _, _ in contrasts(pair, group.words)] == [
        "both FER2013 → both MaskFer (Table 1)"
    ]
    loss = 100 * (pair.whole_whole.correct.mean() - pair.masks_masks.correct.mean())
    assert mask_headline(group) == (
        f"Trained and tested on MaskFer, accuracy is {loss:.1f} points below FER2013 (test split)."
    )
    assert mask_items([group])


def test_other_faces_in_another_order_are_not_compared(mask_study: Study) -> None:
    folder = mask_study(models=("compact",))
    run = Run(folder / "runs" / "compact-whole-s0")
    arrays, record = run.analysis("on-maskfer")  # type: ignore[misc]
    turned = {key: value[::-1] for key, value in arrays.items()}
    run.store_analysis("on-maskfer", turned, record)
    assert group_of(folder).pairs[0].whole_masks is None


def test_runs_on_altered_faces_are_no_arm_beside_the_others(mask_study: Study) -> None:
    folder = mask_study(models=("compact",))
    runs = find_runs(folder / "runs")
    results = collect(runs)
    assert [(arm.model, arm.method) for arm in results.arms] == [("compact", "baseline")]
    assert results.warnings == ()
    _, hits = right(folder, "compact-whole-s0")
    assert results.arms[0].scores.accuracy.estimate == pytest.approx(hits.mean())
    only_masked = [run for run in runs if alteration(run) != DatasetConfig()]
    assert [len(arm.runs) for arm in collect(only_masked).arms] == [1]


def test_settings_that_change_nothing_make_no_group_of_their_own(mask_study: Study) -> None:
    folder = mask_study(models=("compact",))
    run = Run(folder / "runs" / "compact-whole-s0")
    path = run.folder / "config.json"
    path.write_text(path.read_text().replace('"alteration_seed": 0', '"alteration_seed": 3'))
    assert alteration(Run(run.folder)) == DatasetConfig()
    assert describe(DatasetConfig(left_out="lower_face", left_out_control=True)) == (
        "faces without a random region in place of lower face (mean)"
    )


def test_a_page_about_masks(mask_study: Study) -> None:
    index = build_report(mask_study())
    text = index.read_text(encoding="utf-8")
    assert "<h1>What do face masks take from an emotion classifier?</h1>" in text
    assert "Trained and tested on MaskFer, accuracy is " in text
    assert "2 on faces with face masks (mixed)" in text
    assert (index.parent / "tables" / "table1.csv").exists()
    assert (index.parent / "figures" / "masks_two_by_two.png").exists()
    table_2 = (index.parent / "tables" / "table2.csv").read_text().splitlines()
    assert len(table_2) == 1 + 3  # two networks and their ensemble: the runs on whole faces
    assert "0.723" not in text.split("Table 1")[0]


def test_no_paper_beside_drawn_faces(mask_study: Study) -> None:
    group = group_of(mask_study(models=("resnet18",), kind="synthetic"), fer2013=False)
    table = mask_tables(group)[0]
    assert table.key == "table1"
    assert not any(column.key.endswith("_paper") for column in table.columns)
    assert (group.words.whole, group.words.masks) == ("whole faces", "face masks")
