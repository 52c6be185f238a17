"""Heatmaps by what is drawn in them; tables by their numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.evaluation.ablation.matrix import Cell, matrix
from ferturb.evaluation.ablation.measure import Ablation, Outcomes
from ferturb.report.ablation import figures
from ferturb.report.ablation.section import (
    cells_table,
    run_items,
    section,
    shown_ablations,
    terminal_tables,
)
from ferturb.report.form import style
from ferturb.report.form.style import BLUE, VERMILLION, Picture
from ferturb.report.form.tables import Table
from ferturb.report.results import StudyResults, read_study
from ferturb.runs.run import Run

FEATURES = ("mouth", "left_eye", "upper_face")


def made_up(hurt: str = "mouth", few: bool = True) -> Ablation:
    """Without `hurt` every happy face is lost; whatever else is left out changes nothing."""
    labels = np.repeat(np.arange(7), (40, 5 if few else 40, 40, 40, 40, 40, 40))
    n = len(labels)
    without = np.stack([labels] * 3)
    without[FEATURES.index(hurt), labels == 3] = 0

    def said(predicted: np.ndarray) -> Outcomes:
        return Outcomes(
            np.where(predicted == labels, 0.9, 0.1).astype(np.float32), predicted.astype(np.int8)
        )

    control = np.stack([np.stack([labels] * 2)] * 3)
    area = np.full((3, n), 97, np.int32)
    record = {"split": "test", "fill": "mean", "augmentation": "none", "features": list(FEATURES)}
    return Ablation(
        FEATURES,
        labels,
        said(labels),
        said(without),
        said(control),
        area,
        record | {"format": Ablation.FORMAT},
    )


def finished(folder: Path, seed: int = 0, left_out: str | None = None) -> Run:
    config = RunConfig(DatasetConfig(left_out=left_out), seed=seed)
    name = f"compact-s{seed}" + (f"-{left_out}" if left_out else "")
    run = Run.create(folder / "runs" / name, config)
    labels = made_up().labels
    run.write_record({"best_epoch": 1})
    logits = np.zeros((len(labels), 7), np.float32)
    arrays = {f"labels_{split}": labels for split in ("validation", "test")}
    run.finish(arrays | {f"{split}_none": logits for split in ("validation", "test")})
    return run


def store(run: Run, ablation: Ablation, name: str = "ablation", **changed: str) -> None:
    run.store_analysis(name, ablation.arrays(), {**ablation.record, **changed})


def colours(axes: Axes) -> dict[tuple[float, float], str]:
    """The corner of every cell -> its colour."""
    found = {}
    for cell in axes.collections:
        cell.update_scalarmappable()
        (path,), (colour,) = cell.get_paths(), cell.get_facecolor()
        x, y = path.vertices.min(0)
        found[float(x), float(y)] = to_hex(colour).upper()
    return found


def test_the_worst_cell_is_the_reddest_and_stands_in_its_row_and_column() -> None:
    rows = []
    for hurt in FEATURES:
        axes = figures.heatmap(matrix(made_up(hurt), resamples=50)).axes[0]
        found = [place for place, colour in colours(axes).items() if colour == VERMILLION]
        x, y = found[0]
        assert x == 3  # happy
        # Without half a face "all" is as red: colours end at the largest change of a part.
        assert len(found) == (2 if hurt == "upper_face" else 1)
        assert {row for _, row in found} == {y}
        rows.append(y)
        texts = {text.get_position(): text.get_text() for text in axes.texts}
        assert texts[x + 0.5, y + 0.39] == "−100.0"
        assert texts[x + 0.5, y + 0.77] == "(0.0)"
    assert rows[:2] == [0, 1]
    assert rows[2] > 2  # halves of the face stand apart


def test_better_is_blue() -> None:
    a = made_up()
    turned = Ablation(
        a.features, a.labels, Outcomes(a.without.probability[0], a.without.predicted[0]),
        Outcomes(np.stack([a.whole.probability] * 3), np.stack([a.whole.predicted] * 3)),
        a.controls, a.area,
    )  # fmt: skip
    found = set(colours(figures.heatmap(matrix(turned, resamples=50)).axes[0]).values())
    assert BLUE in found
    assert VERMILLION not in found


def test_half_a_face_does_not_pale_the_parts() -> None:
    a = made_up("upper_face")
    a.without.predicted[FEATURES.index("mouth"), (a.labels == 3).nonzero()[0][:10]] = 0
    found = colours(figures.heatmap(matrix(a, resamples=50)).axes[0])
    reddest = {place for place, colour in found.items() if colour == VERMILLION}
    assert (3.0, 0.0) in reddest  # happy without the mouth: 25 points, the most of any part
    assert {y for _, y in reddest} == {0.0, max(y for _, y in found)}  # and the half's 100


def test_row_heads_leave_out_what_the_row_says() -> None:
    heads = figures.row_heads(("mouth", "upper_face"), "black")
    for name, (image, left_out) in heads.items():
        assert not image[left_out].any(), name
        assert image[~left_out].mean() > 0.2
    shown = ~(heads["mouth"][1] | heads["upper_face"][1])
    assert np.array_equal(heads["mouth"][0][shown], heads["upper_face"][0][shown])
    rows = [np.nonzero(left_out)[0].mean() for _, left_out in heads.values()]
    assert rows[0] > 48 > rows[1]  # of 96: the mouth is below, the upper face above


def items(results: StudyResults) -> tuple[Table | Picture, ...]:
    found = section(results)
    return found.everything if found is not None else ()


def test_items_of_stored_ablations(tmp_path: Path) -> None:
    runs = [finished(tmp_path, 0), finished(tmp_path, 1)]
    assert section(read_study(tmp_path)) is None
    store(runs[0], made_up())
    store(runs[1], made_up("left_eye"))
    store(runs[1], made_up(), "ablation-blur", fill="blur")
    store(runs[1], made_up(), "ablation-old", format="another")
    store(runs[1], made_up(), "saliency")
    results = read_study(tmp_path)
    shown = shown_ablations(results)
    assert [one.key for one in shown] == [
        *("ablation_compact_s0", "ablation_compact_s1", "ablation_compact_s1_blur")
    ]
    assert [one.title for one in shown] == [
        "compact, baseline, seed 0",
        "compact, baseline, seed 1",
        "compact, baseline, seed 1, blur",
    ]
    found = items(results)
    assert len({item.key for item in found}) == len(found) == 3 * 3 + 1
    pictures = [item for item in found if isinstance(item, Picture)]
    kinds = [p.key.rpartition("_")[2] for p in pictures]
    assert kinds == ["accuracy"] * 3 + ["probability"] * 3  # what is folded comes last
    assert "happy without mouth −100.0 points (control 0.0)" in pictures[0].alt
    assert "happy without left eye" in pictures[1].alt
    assert "filled: blur" in pictures[2].caption
    assert pictures[0].width >= 3.5 * style.DPI


def test_what_a_retrained_run_lacks_is_in_the_rows_not_in_the_title(tmp_path: Path) -> None:
    finished(tmp_path)
    for feature in ("mouth", "eyes"):
        finished(tmp_path, left_out=feature)
    (shown,) = shown_ablations(read_study(tmp_path))
    assert (shown.title, shown.by_retraining) == ("compact, baseline", True)
    assert shown.ablation.features == ("eyes", "mouth")


def test_every_cell_is_in_the_long_table(tmp_path: Path) -> None:
    found = run_items(finished(tmp_path), made_up())
    assert [item.key for item in found] == [
        *("ablation_accuracy", "ablation_probability", "ablation_matrix", "ablation_cells")
    ]
    *_, short, long = found
    assert isinstance(long, Table)
    rows = list(csv.DictReader(io.StringIO(long.to_csv())))
    assert len(rows) == 2 * 3 * 8
    by = {(r["measure"], r["feature"], r["emotion"]): r for r in rows}
    worst = by["accuracy", "mouth", "happy"]
    assert (worst["change"], worst["change_low"], worst["n"]) == ("-1", "-1", "40")
    assert (worst["control"], worst["excess_high"], worst["pixels"]) == ("0", "-1", "97")
    assert float(worst["p_holm"]) == 0
    assert by["probability", "mouth", "happy"]["change"] == "-0.8"
    few = by["accuracy", "mouth", "disgust"]
    assert (few["remark"], few["p"], few["n"]) == ("too few faces", "", "5")
    assert isinstance(short, Table)
    assert "Significantly worse than as many pixels left out at random: happy without mouth" in (
        short.note
    )
    cells = list(csv.DictReader(io.StringIO(short.to_csv())))
    assert (cells[0]["feature"], cells[0]["happy"], cells[0]["disgust"]) == ("mouth", "-1", "")
    assert cells[1]["feature"] == "left eye"
    for table in (short, long):
        assert all(ord(c) < 128 for c in table.to_latex())


def test_the_terminal_marks_what_is_needed() -> None:
    (_, headings, rows), (title, _, controls) = terminal_tables(matrix(made_up(), resamples=50))
    assert headings[0] == "left out"
    happy, disgust = headings.index("happy"), headings.index("disgust")
    assert rows[0][happy] == "−100.0*"
    assert rows[1][happy] == "0.0"
    assert rows[2][0] == "upper face"
    assert rows[0][disgust] == "n = 5"
    assert "random" in title
    assert controls[0][happy] == "0.0"


def test_without_controls_nothing_stands_in_brackets() -> None:
    a = made_up()
    bare = Ablation(
        a.features, a.labels, a.whole, a.without,
        Outcomes(a.controls.probability[:, :0], a.controls.predicted[:, :0]), a.area, a.record,
    )  # fmt: skip
    cells: Sequence[Cell] = matrix(bare, resamples=50)
    ((_, _, rows),) = terminal_tables(cells)
    assert rows[0][4] == "−100.0"
    texts = [text.get_text() for text in figures.heatmap(cells).axes[0].texts]
    assert not any(text.startswith("(") for text in texts)
    written = csv.DictReader(io.StringIO(cells_table([("m", c) for c in cells]).to_csv()))
    assert {row["control"] for row in written} == {""}
