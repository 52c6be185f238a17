"""Tables, claims and the figure of an experiment from made-up trainings."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.config import DatasetConfig, MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.report.published import figure_5_changes
from ferturb.runs.packed import Packed, read_packed, write_packed
from ferturb.study.arms import CLUSTERS_K, FORMS, LANDMARKS, LEAVING_OUT, PRECISION, RIVALS
from ferturb.study.experiments import Item, Setting
from research.changes import changes, dose
from research.claims import claims, values_of
from research.clusters_figure import by_clusters
from research.experiment_results import how_many, write_results
from research.readings import readings, trainings
from research.replicates import paired_difference

N = 700
LABELS = np.repeat(np.arange(7), N // 7)


def logits(wrong: int, emotion: int = 0) -> np.ndarray:
    """So many faces of an emotion wrong, all others right."""
    shown = np.eye(7, dtype=np.float32)[LABELS]
    of = np.flatnonzero(emotion == LABELS)[:wrong]
    shown[of] = np.eye(7)[(emotion + 1) % 7]
    return shown


def keep(folder: Path, item: Item, wrong: int, whole: int | None = None) -> None:
    """A kept training with faces from elsewhere; PrivateTest has one more wrong."""
    arrays = {"labels_validation": LABELS, "labels_test": LABELS}
    for split, more in (("validation", 0), ("test", 1)):
        arrays[f"{split}_none"] = logits(wrong + more)
        if whole is not None:
            arrays[f"whole_{split}_none"] = logits(whole + more)
    epoch = {"epoch": 1, "train_accuracy": 1.0, "validation_loss": 1.2}
    skipped = epoch | {"validation_loss": float("nan")}
    last = epoch | {"validation_loss": 3.5}
    config = replace(
        item.config, dataset=replace(item.config.dataset, source="/elsewhere/fer2013.zip")
    )
    record = {"seconds": 60.0, "commit": "0123456789"}
    write_packed(
        folder / f"{item.name}.npz", Packed(config, [epoch, skipped, last], record, arrays)
    )


def made_up(folder: Path, replicates: int = 3) -> None:
    for r in range(replicates):
        for arm, wrong in (("whole", 70 + r), ("whole-4x", 63), ("one-view", 70)):
            whole = 65 if arm == "one-view" else None
            keep(folder, LEAVING_OUT.item("7000", arm, r, Setting(0.1)), wrong, whole)
    keep(folder, LEAVING_OUT.item("7000", "all-views", 0, Setting(0.3)), 56, 70)
    keep(folder, LEAVING_OUT.candidates("whole")[Setting(0.1)], 35)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_every_training_and_reading_is_a_row(tmp_path: Path) -> None:
    made_up(tmp_path / "kept")
    said = write_results("leaving-out", [tmp_path / "kept"], tmp_path / "out", ("validation",))
    table = rows(tmp_path / "out.csv")
    assert len(table) == 1 + 3 + 3 + 2 * 3 + 2
    tuned = table[0]
    assert (tuned["replicate"], tuned["publictest_accuracy"]) == ("100", "95.00")
    assert tuned["publictest_macro_recall"] == "95.00"
    first = {(r["arm"], r["reading"]) for r in table if r["first"] == "1"}
    assert ("one-view", "whole") in first
    assert ("all-views", "summed") in first
    assert ("all-views", "whole") not in first
    assert table[1]["least_validation_loss"] == "1.2000"
    assert table[1]["last_validation_loss"] == "3.5000"
    assert not any("privatetest" in column for column in tuned)
    changed = {(r["arm"], r["reading"]): r for r in rows(tmp_path / "out_changes.csv")}
    better = paired_difference([100 * (70 + r - 63) / N for r in range(3)])
    row = changed["whole-4x", "whole"]
    assert float(row["accuracy"]) == pytest.approx(better.estimate, abs=0.006)
    assert float(row["accuracy_high"]) == pytest.approx(better.high, abs=0.006)
    assert changed["all-views", "summed"]["replicates"] == "1"
    assert ("whole", "whole") not in changed
    assert said == {c: f"0 of {n} replicates" for c, n in (("2000", 10), ("7000", 5), ("all", 3))}
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"


def test_private_test_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    made_up(tmp_path / "kept")
    write_results("leaving-out", [tmp_path / "kept"], tmp_path / "out", ("validation", "test"))
    row = next(r for r in rows(tmp_path / "out.csv") if r["arm"] == "whole-4x")
    assert row["publictest_accuracy"] == "91.00"
    assert row["privatetest_accuracy"] == "90.86"  # 64 of 700 wrong
    tuned = next(r for r in rows(tmp_path / "out.csv") if r["replicate"] == "100")
    assert (tuned["publictest_accuracy"], tuned["privatetest_accuracy"]) == ("95.00", "")
    for table in ("claims", "changes"):
        splits = {r["split"] for r in rows(tmp_path / f"out_{table}.csv")}
        assert splits == {"publictest", "privatetest"}


def test_claims_are_paired_differences_of_the_replicates_that_are_there(tmp_path: Path) -> None:
    made_up(tmp_path / "kept")
    found = readings(LEAVING_OUT, [tmp_path / "kept"])
    main = [r for r in found if r.replicate != 100]
    table = {
        str(r["comparison"]): r
        for r in claims("leaving-out", LEAVING_OUT, values_of(main, "publictest_accuracy"))
    }
    primary = table["all-views (summed) - whole-4x (whole)"]
    assert (primary["role"], primary["replicates"], primary["of"]) == ("primary", 1, 5)
    assert primary["estimate"] == ""  # one replicate is no test
    assert table["one-view (whole) - rectangle (whole)"]["replicates"] == 0
    slope = table["slope of one-view (whole) - whole (whole) on log n"]
    assert (slope["replicates"], slope["of"], slope["p_holm"]) == (3, 18, "")
    values = values_of(main, "publictest_accuracy")
    ours, theirs = values["7000", "one-view", "whole"], values["7000", "whole", "whole"]
    changes = [ours[r] - theirs[r] for r in range(3)]
    assert changes == pytest.approx([100 * 5 / 700, 100 * 6 / 700, 100 * 7 / 700])
    assert len(table) == 6


def test_holm_is_over_the_planned_family_when_all_of_it_is_there(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for r in range(3):
        for arm in RIVALS.cells["7000"].arms:
            wrong = int(generator.integers(20, 60))
            keep(tmp_path, RIVALS.item("7000", arm, r, Setting(0.1, 5.0)), wrong)
    found = readings(RIVALS, [tmp_path])
    values = values_of(found, "publictest_accuracy")
    table = claims("rivals", RIVALS, values)
    assert [r["role"] for r in table] == ["primary"] * 5 + ["secondary"] * 5
    p = [float(str(r["p"])) for r in table[:5]]
    smallest = int(np.argmin(p))
    assert float(str(table[smallest]["p_holm"])) == pytest.approx(min(1, 5 * p[smallest]), rel=1e-2)
    eac, whole = (values["7000", arm, "whole"] for arm in ("eac", "whole-2x"))
    expected = paired_difference([eac[r] - whole[r] for r in range(3)])
    assert float(str(table[0]["estimate"])) == pytest.approx(expected.estimate, abs=1e-3)
    assert float(str(table[0]["low"])) == pytest.approx(expected.low, rel=1e-3)


def test_precision_is_compared_over_the_pairs_of_all_arms_together(tmp_path: Path) -> None:
    changes = {"whole": (7, 14), "rectangle": (-7, 0), "one-view": (21, 7)}  # faces fewer wrong
    for arm, fewer in changes.items():
        for r, less in zip((2, 3), fewer, strict=True):
            whole = 99 if arm == "one-view" else None
            for name, wrong in ((arm, 70), (f"{arm}-float32", 70 - less)):
                item = PRECISION.item("2000", name, r, Setting(0.1))
                keep(tmp_path, item, 99 if whole else wrong, whole and wrong)
    values = values_of(readings(PRECISION, [tmp_path]), "publictest_accuracy")
    table = claims("precision", PRECISION, values)
    pooled = next(row for row in table if row["role"] == "primary")
    assert (pooled["replicates"], pooled["of"]) == (6, 12)
    points = [100 * less / N for fewer in changes.values() for less in fewer]
    expected = paired_difference(points)
    assert float(str(pooled["estimate"])) == pytest.approx(expected.estimate, abs=1e-3)
    assert float(str(pooled["low"])) == pytest.approx(expected.low, abs=1e-3)
    assert float(str(table[1]["estimate"])) == pytest.approx(1.5)  # whole's own two
    assert [row["replicates"] for row in table] == [6, 2, 2, 2, 0, 0, 0, 0]


def test_trainings_of_anything_else_are_passed_over(tmp_path: Path) -> None:
    item = LEAVING_OUT.item("7000", "whole", 0, Setting(0.7))
    keep(tmp_path, item, 10)
    assert len(list(trainings(tmp_path))) == 1
    assert readings(LEAVING_OUT, [tmp_path]) == []
    with pytest.raises(FerturbError, match="no finished training of rivals"):
        write_results("rivals", [tmp_path], tmp_path / "out", ("validation",))


def test_what_was_kept_before_is_still_known() -> None:
    """results/leaving_out, under the names that it has: of the experiments that share trainings."""
    kept = Path(__file__).parents[2] / "results" / "leaving_out"
    sharing = (LEAVING_OUT, LANDMARKS, CLUSTERS_K, FORMS, PRECISION)
    names = {r.item.name for experiment in sharing for r in readings(experiment, [kept])}
    assert names == {path.stem for path in kept.glob("*.npz")}
    assert all(read_packed(p).config.dataset != DatasetConfig() for p in kept.glob("*.npz"))


def test_doses_by_hand() -> None:
    arms = LEAVING_OUT.arms | RIVALS.arms | FORMS.arms
    expected = {
        "whole": 0.0,
        "light": 1 / 12,
        "one-view": 1 / 4,
        "all-views": 1 / 4,
        "rectangle": 1 / 4,
        "landmarks": 1 / 4,
        "hide-and-seek": 0.4,
        "grid-mean": 0.4,
        "half-black": 0.4,
        "grid-mask": 0.4 * 0.16,
        "eac": 0.135 / 2,
        "eac-erasing": 0.135 / 2,
        "eac-consistency": 0.0,
        "adl": 0.0,
    }
    for name, share in expected.items():
        assert dose(arms[name].method) == pytest.approx(share), name
    assert dose(MethodConfig("uniform-clusters", clusters=1)) == 0.5


def test_a_replicate_is_whole_with_the_arms_that_were_chosen_for_it(tmp_path: Path) -> None:
    for arm, replicate in (("whole-2x", 0), ("whole-2x", 1), ("eac", 0)):
        keep(tmp_path, RIVALS.item("all-mixed", arm, replicate, Setting(0.1)), 10)
    found = [r for r in readings(RIVALS, [tmp_path]) if r.replicate < 100]
    assert how_many(RIVALS, found)["all-mixed"] == "1 of 3 replicates"


def test_what_can_be_set_against_the_baseline() -> None:
    whole, own = ("2000", "whole-4x", "whole"), ("2000", "landmarks", "whole")
    elsewhere, other = ("2000", "one-view", "whole"), ("7000", "landmarks", "whole")
    of = {whole: {0: 40.0, 1: 41.0}, own: {1: 42.0}, elsewhere: {2: 41.0}, other: {5: 47.0}}
    values = {"accuracy": of, "macro_recall": of}
    (change,) = changes(LANDMARKS, values, "2000", "whole-4x")
    assert change.key == own
    assert change.row() == {
        **{"cell": "2000", "arm": "landmarks", "reading": "whole"},
        **{"hidden": "25.0", "replicates": 1},
        **{"accuracy": "1.0000", "accuracy_low": "", "accuracy_high": ""},
        **{"macro_recall": "1.0000", "macro_recall_low": "", "macro_recall_high": ""},
    }
    assert changes(LANDMARKS, values, "7000", "whole-4x") == []


def test_clusters_are_drawn_by_their_number_beside_the_papers(tmp_path: Path) -> None:
    arms = {"k1": 84, "k2": 77, "one-view": 63, "k4": 56, "k5": 49, "k6": 42}  # faces wrong
    for r in range(2):
        keep(tmp_path, CLUSTERS_K.item("7000", "whole", r, Setting(0.1)), 70)
        for arm, wrong in arms.items():
            keep(tmp_path, CLUSTERS_K.item("7000", arm, r, Setting(0.3)), wrong + 7 * r, 70)
    found = [r for r in readings(CLUSTERS_K, [tmp_path]) if r.replicate < 100]
    values = {m: values_of(found, f"publictest_{m}") for m in ("accuracy", "macro_recall")}
    drawn = by_clusters(CLUSTERS_K, changes(CLUSTERS_K, values, "7000", "whole"))
    summed = {k: change.mean("accuracy") for k, change in drawn["summed"]}
    assert summed == pytest.approx({1: -2.5, 2: -1.5, 3: 0.5, 4: 1.5, 5: 2.5, 6: 3.5})
    assert [k for k, _ in drawn["whole"]] == [1, 2, 3, 4, 5, 6]
    assert all(change.mean("accuracy") == 0 for _, change in drawn["whole"])
    assert figure_5_changes()[3] == pytest.approx(3.0)  # Table 2's own change
    said = write_results("clusters", [tmp_path], tmp_path / "out", ("validation",))
    assert said == {"7000": "2 of 5 replicates"}
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
