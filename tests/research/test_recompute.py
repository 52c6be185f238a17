"""Tables against the logits that are stored for them."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from ferturb.study.arms import EXPERIMENTS
from research.changes import changes
from research.claims import claims, values_of
from research.experiment_results import BASELINES
from research.readings import MEASURES, SPLITS, readings
from research.recompute import LACKING, RESULTS, TABLES, Cell, one_face, report


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    return Path(shutil.copytree(RESULTS, folder / "results"))


def test_every_stored_logit_agrees_with_its_table() -> None:
    lines, wrong = report(RESULTS)
    assert wrong == []
    counted = {
        table: int(n) for table, n in re.findall(r"^(.*): (\d+) cells", "\n".join(lines), re.M)
    }
    expected = {"full_size.csv": 38, "pretrained_hidden.csv": 3 * 3, "the models' cards": 3 * 5}
    for table in set(TABLES) - set(expected) - {"fer2013_runs.csv"}:
        columns = [f"{split}_{measure}" for split in SPLITS.values() for measure in MEASURES]
        expected[table] = sum(bool(row.get(c)) for row in rows(table) for c in columns)
    assert counted == expected


def test_a_changed_number_is_found(copied: Path) -> None:
    path = copied / "full_size.csv"
    text = path.read_text()
    assert text.count("55.64,47.37") == 1
    path.write_text(text.replace("55.64,47.37", "55.94,47.37"))
    wrong = report(copied)[1]
    assert [cell.name for cell in wrong] == ["resnet18-whole-s0 epoch 10 publictest_accuracy"]
    assert wrong[0].found == pytest.approx(55.64, abs=0.01)


def test_four_faces_more_are_found(copied: Path) -> None:
    path = copied / "forms.csv"
    before = path.read_text()
    head, first, *others = before.splitlines()
    cells, place = first.split(","), head.split(",").index("publictest_accuracy")
    cells[place] = f"{float(cells[place]) + 0.11:.2f}"
    path.write_text("\n".join([head, ",".join(cells), *others]))
    differ = [cell.name for cell in TABLES["forms.csv"](copied) if not cell.agrees]
    path.write_text(before)
    assert [name.split()[-1] for name in differ] == ["publictest_accuracy"]


def test_a_face_is_one_of_all_and_to_a_mean_over_emotions_one_of_the_rarest() -> None:
    labels = np.repeat(np.arange(7), [2, 5, 5, 5, 5, 5, 5])
    assert one_face("accuracy", labels) == 1 / 32
    assert one_face("macro_recall", labels) == 1 / 14


def test_cells_agree_up_to_rounding_and_a_face() -> None:
    assert Cell("a", "55.64", 55.6449, 0.0).agrees
    assert not Cell("a", "55.64", 55.646, 0.0).agrees
    assert Cell("a", "55.64", 55.665, 0.03).agrees
    assert Cell("a", "0.7141", 0.71413, 0.0).agrees


def test_every_table_of_networks_is_named_once() -> None:
    """A table is recomputed, or said to lack logits; what is about no network is neither."""
    others = {
        *("alignment", "cluster_evidence", "deployment", "face_detectors", "landmarks"),
        *("landmarks_calibration", "landmarks_risk_coverage", "landmarks_speed"),
        *("attention_on_faces", "page_attack", "released", "reliability"),
        *("predict_speed", "scale", "saliency_faithfulness", "saliency_randomised"),
    }
    there = {path.name for path in RESULTS.glob("*.csv")} - {f"{name}.csv" for name in others}
    assert not set(TABLES) & set(LACKING)
    made = {"unplanned.csv"} | {  # from tables of the same trainings, which are recomputed
        name for name in there if re.sub("_(claims|changes)", "", name) in set(TABLES) - {name}
    }
    assert there - made <= set(TABLES) | set(LACKING)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("leaving-out", "leaving_out"),
        ("landmarks", "leaving_out_landmarks"),
        ("rivals", "rivals"),
        ("forms", "forms"),
        ("clusters", "clusters_k"),
        ("precision", "precision"),
    ],
)
def test_changes_and_claims_are_those_of_the_kept_logits(name: str, table: str) -> None:
    experiment, columns = EXPERIMENTS[name], rows(f"{table}.csv")[0]
    splits = [official for official, split in SPLITS.items() if f"{split}_accuracy" in columns]
    kept = RESULTS / ("rivals" if name == "rivals" else "leaving_out")
    found = readings(experiment, [kept], splits)
    found = [reading for reading in found if reading.replicate != experiment.tuning_replicate]
    changed: list[dict[str, object]] = []
    claimed: list[dict[str, object]] = []
    for split in (SPLITS[official] for official in splits):
        values = {m: values_of(found, f"{split}_{m}") for m in MEASURES}
        for cell in experiment.cells:
            of = changes(experiment, values, cell, BASELINES[name])
            changed += [{"split": split, **c.row()} for c in of]
        for measure in MEASURES:
            made = claims(name, experiment, values[measure])
            claimed += [{"split": split, "measure": measure, **row} for row in made]
    agree(changed, rows(f"{table}_changes.csv"))
    agree(claimed, rows(f"{table}_claims.csv"))


def rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def agree(found: Sequence[Mapping[str, object]], kept: Sequence[Mapping[str, str]]) -> None:
    """The same words, and numbers to three digits."""
    assert [list(row) for row in found] == [list(row) for row in kept]
    for ours, theirs in zip(found, kept, strict=True):
        for column, value in theirs.items():
            if re.fullmatch(r"-?[0-9.]+(e-[0-9]+)?", value):
                assert float(str(ours[column])) == pytest.approx(
                    float(value), rel=2e-3, abs=1e-4
                ), column
            else:
                assert str(ours[column]) == value
