"""Every result that a user holds as a pandas DataFrame: its rows, and numbers in them.

Those of predictions are in `tests/predict/test_doors.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import ferturb
from calibrated_run import finished_run
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.tabular import Rows, frame, spread
from ferturb.data.faces import Faces
from ferturb.evaluation.ablation.matrix import matrix
from ferturb.evaluation.ablation.measure import Ablation, Outcomes
from ferturb.evaluation.benchmark.scores import entry_of
from ferturb.evaluation.metrics import summary
from ferturb.evaluation.saliency.benchmark import Benchmark, summarise
from ferturb.evaluation.saliency.mass import Explanation, mass_by_emotion
from ferturb.evaluation.saliency.parts import PARTS
from ferturb.evaluation.scores import score_runs
from ferturb.evaluation.significance import Interval
from ferturb.report.form.tables import Column, Table
from ferturb.report.search.results import SearchResults, Trial
from ferturb.runs.run import Run
from ferturb.study.status import Standing
from ferturb.study.study import Outcome
from ferturb.training.checkpoint import Epoch
from made_up_answers import made_up_answers
from made_up_results import made_up_logits, small_study

pytest.importorskip("pandas", reason="needs pandas")
LABELS = np.arange(14) % 7
LOGITS = made_up_logits(LABELS, 2.0, [1])
P = len(PARTS)


def test_estimates_and_mappings_are_spread_over_columns() -> None:
    row = {"a": Interval(1, 0, 2), "b": Interval(1, 0, 2, 0.5), "c": {"x": Interval(3, 2, 4)}}
    found = spread({**row, "path": Path("a/b"), "none": None})
    assert list(found) == [
        *("a", "a_low", "a_high", "b", "b_low", "b_high", "b_std", "x", "x_low", "x_high"),
        *("path", "none"),
    ]
    assert (found["x_low"], found["path"], found["none"]) == (2, str(Path("a/b")), None)


def test_without_pandas_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(FerturbError, match="pip install pandas"):
        Rows([{"a": 1}]).to_pandas()


def test_no_rows_are_an_empty_table() -> None:
    assert Rows[Standing]().to_pandas().empty
    assert list(frame([], ("a", "b")).columns) == ["a", "b"]


def test_scores() -> None:
    rows = score_runs(["a", "b"], [(LABELS, LOGITS), (LABELS, -LOGITS)], ensemble=True)
    table = rows.to_pandas().set_index("name")
    assert list(table.index) == ["a", "b", "ensemble of 2"]
    assert table.loc["a", "accuracy_high"] == rows[0].accuracy.high
    assert table.loc["b", "happy"] == rows[1].per_emotion["happy"]
    assert len(ferturb.score("a", LABELS, LOGITS).to_pandas()) == 1
    metrics = summary(LABELS, LOGITS)
    (one,) = metrics.to_pandas().to_dict("records")
    assert [one[emotion] for emotion in EMOTIONS] == list(metrics.per_emotion)


@pytest.mark.parametrize("draws", [0, 2])
def test_an_ablation_by_face_and_its_matrix(draws: int) -> None:
    def outcomes(*shape: int) -> Outcomes:
        random = np.random.default_rng(sum(shape))
        named = random.integers(0, 7, shape).astype(np.int8)
        return Outcomes(random.random(shape, np.float32), named)

    area = np.arange(28, dtype=np.int32).reshape(2, 14)
    parts = outcomes(14), outcomes(2, 14), outcomes(2, draws, 14)
    ablation = Ablation(("eyes", "mouth"), LABELS, *parts, area)
    table = ablation.to_pandas()
    assert len(table) == 2 * 14
    row = table[(table["feature"] == "mouth") & (table["face"] == 3)].iloc[0]
    assert row["pixels"] == area[1, 3]
    assert row["emotion"] == EMOTIONS[3]
    assert row["without_named"] == EMOTIONS[parts[1].predicted[1, 3]]
    assert row["whole_probability"] == pytest.approx(float(parts[0].probability[3]))
    controls = parts[2].probability[1, :, 3]
    expected = float(controls.mean()) if draws else np.nan
    assert row["control_probability"] == pytest.approx(expected, nan_ok=True)
    cells = matrix(ablation, resamples=20)
    table = cells.to_pandas()
    assert len(table) == 2 * 8
    assert table["change_low"].iloc[-1] == cells[-1].change.low


def test_saliency_by_face_and_in_sum() -> None:
    share = np.random.default_rng(0).dirichlet(np.ones(P), 14).astype(np.float32)
    maps, index = np.zeros((7, 48, 48), np.float32), np.arange(14) + 5
    explanation = Explanation("gradient", index, LABELS, share, share[::-1], maps)
    table = explanation.to_pandas()
    assert len(table) == 14 * P
    one = table[(table["face"] == 7) & (table["part"] == PARTS[1])].iloc[0]
    assert (one["emotion"], one["share"]) == (EMOTIONS[2], pytest.approx(float(share[2, 1])))
    mass = mass_by_emotion(explanation, 20)
    assert mass.to_pandas()["enrichment"].tolist() == [m.enrichment.estimate for m in mass]


def test_faithfulness_by_face_and_in_sum() -> None:
    random = np.random.default_rng(1)
    curves = random.random((2, 2, 14, 17), np.float32)
    picked = random.integers(0, 4, (2, 14))
    share = np.full((2, 14, P), 1 / P, np.float32)
    found = Benchmark(
        *(("rise", "random"), np.arange(14), LABELS, share[0], share, curves[0], curves[1]),
        *(picked, picked, np.full((2, 3), 0.5), np.full((2, 3), 0.5), np.zeros((0, P), bool)),
    )
    table = found.to_pandas()
    assert len(table) == 2 * 14
    last = table[table["method"] == "random"].iloc[9]
    assert (last["emotion"], last["pointed"]) == (EMOTIONS[2], PARTS[picked[1, 9]])
    x = curves[1, 1, 9].astype(float)
    assert last["insertion"] == pytest.approx(((x[1:] + x[:-1]) / 2).mean(), rel=1e-5)
    scores = summarise(found)
    assert scores.to_pandas()["deletion_low"].tolist() == [s.deletion.low for s in scores]


def test_an_entry_of_the_benchmark_and_its_answers() -> None:
    answers = made_up_answers(21)
    table, entry = answers.to_pandas(), entry_of(answers)
    assert len(table) == 39 * 21
    right = (table["named"] == table["emotion"]).groupby(table["condition"]).mean()
    by_condition = entry.to_pandas().set_index("key")
    assert len(by_condition) == 39
    for key, share in right.items():
        assert by_condition.loc[key, "accuracy"] == pytest.approx(share)
    assert by_condition.loc["mask", "family"] == "worn"
    assert by_condition.loc["mask", "sad_low"] == entry.conditions["mask"].emotions["sad"].low


def test_a_study_has_a_row_a_run_and_augmentation() -> None:
    study = small_study(models=("compact",), faces=70)
    table = study.to_pandas()
    assert len(table) == 3 * 2
    assert set(table["state"]) == {"done"}
    first = study.runs[0]
    labels, logits = first.logits["test", "flip"]
    row = table[(table["run"] == first.name) & (table["augmentation"] == "flip")].iloc[0]
    assert row["accuracy"] == (logits.argmax(1) == labels).mean()
    assert len(first.to_pandas()) == 2
    standing = Standing("a", "training", 2, 5, 100.0, 0.5)
    assert Rows([standing]).to_pandas()["epoch"].tolist() == [2]


def test_what_a_study_left_is_its_folder_as_a_table(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "runs" / "a", "compact-tiny")
    found = Outcome(tmp_path / "report" / "index.html", ("a",)).to_pandas()
    labels, logits = run.logits("test", "flip")
    assert found[["run", "state", "augmentation"]].values.tolist() == [["a", "done", "flip"]]
    assert found["accuracy"].tolist() == [(logits.argmax(1) == labels).mean()]


def test_a_search_has_a_row_a_trial() -> None:
    values = {"recipe.learning_rate": 0.1}
    trial = Trial(1, "complete", 0.5, 2, 3.0, values, "run", (0.25, 0.5))
    found = SearchResults(
        [trial, trial], 2, 2, "random", 0, None, {}, {}, "compact", "drawn", 9
    ).to_pandas()
    assert len(found) == 2
    assert found["recipe.learning_rate"].tolist() == [0.1, 0.1]
    assert found["epoch_2"].tolist() == [0.5, 0.5]


def test_a_table_of_a_report_is_its_csv() -> None:
    columns = (Column("model", "Model"), Column("x", "X"))
    rows = (("a", Interval(1.5, 1.0, 2.0)), ("b", 3.0), ("c", None))
    table = Table("t", "T", columns, rows)
    assert table.to_csv() == "model,x,x_low,x_high\na,1.5,1,2\nb,3,,\nc,,,\n"
    found = table.to_pandas()
    assert found["x"].tolist()[:2] == [1.5, 3.0]
    assert found["x_low"].isna().tolist() == [False, True, True]


def test_faces_and_their_copies(toy_faces: Faces) -> None:
    table = toy_faces.to_pandas()
    assert len(table) == 96
    assert table["emotion"].tolist()[:7] == list(EMOTIONS)
    assert dict(table["split"].value_counts()) == {"train": 64, "validation": 16, "test": 16}
    images = toy_faces.images.clone()
    images[80] = images[0]
    copies = ferturb.audit(
        Faces(images, toy_faces.labels, toy_faces.splits, toy_faces.names, "x")
    ).to_pandas()
    exact = copies[copies["duplicates"] == "exact"]
    assert exact["name"].tolist() == ["toy/000", "toy/080"]
    assert exact["split"].tolist() == ["train", "test"]


def test_the_history_of_a_run(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_history(
        [Epoch(1, 2.0, 0.25, 1.5, 0.5, 0.1, 3.0), Epoch(2, 1.0, 0.5, 1, 0.75, 0.1, 3)]
    )
    assert run.history().to_pandas()["validation_accuracy"].tolist() == [0.5, 0.75]
