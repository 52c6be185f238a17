"""The page: complete, offline, right, and built from whatever has finished."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, f1_score

from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.report import build
from ferturb.report.build import PRIVATE, build_report, item_labels
from ferturb.report.form.tables import Table
from ferturb.report.sections import Section
from ferturb.runs.run import Run

Study = Callable[..., Path]
Draw = Callable[..., Faces]


class Page(HTMLParser):
    """Ids, loads (src, stylesheet links), links and headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.alts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        self.alts += [found.get("alt", "")] if tag == "img" else []
        self.loads += [found[key] for key in ("src", "srcset", "data", "poster") if key in found]


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_page_is_complete_and_loads_nothing(study: Study, draw_faces: Draw) -> None:
    index = build_report(study(), draw_faces())
    text = index.read_text(encoding="utf-8")
    page = Page(text)
    tables = {path.stem for path in (index.parent / "tables").glob("*.csv")}
    figures = {path.stem for path in (index.parent / "figures").glob("*.png")}
    assert tables == {
        *("table2", "table3", "paired", "augmentation", "emotions", "calibration", "runs")
    }
    assert figures == {
        *("figure3", "figure4", "differences", "confusion", "reliability"),
        *("training_accuracy", "training_loss", "epochs_compact", "epochs_resnet18"),
    }
    assert {f"table-{t}" for t in tables} | {f"figure-{f}" for f in figures} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("table") == len(tables)
    assert page.tags.count("img") == len(figures)
    assert all(alt for alt in page.alts)
    assert all(load.startswith("data:image/png;base64,") for load in page.loads)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "@import" not in text
    assert "url(" not in text
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif not link.startswith("https://arxiv.org/"):
            assert (index.parent / link).exists()
    for stem in figures:
        with Image.open(index.parent / "figures" / f"{stem}.png") as picture:
            assert picture.width >= 700
            assert f'<img width="{picture.width // 2}"' in text
            low, high = picture.convert("L").getextrema()
            assert low < 60 < 250 < high


def test_table_2_against_scikit_learn(study: Study) -> None:
    folder = study(kind="fer2013")
    index = build_report(folder)
    rows = {(r["model"], r["method"]): r for r in read_csv(index.parent / "tables" / "table2.csv")}
    for model in ("compact", "resnet18"):
        for method in ("baseline", "perturb"):
            row = rows[model, method]
            labels, logits = Run(folder / "runs" / f"{model}-{method}-s0").logits("test", "flip")
            predicted = logits.argmax(1)
            share = (labels == predicted).mean()
            half = 1.96 * np.sqrt(share * (1 - share) / len(labels))
            assert float(row["accuracy"]) == pytest.approx(share, abs=1e-5)
            assert float(row["accuracy_low"]) == pytest.approx(share - half, abs=0.004)
            assert float(row["accuracy_high"]) == pytest.approx(share + half, abs=0.004)
            f1 = f1_score(labels, predicted, average="macro")
            assert float(row["macro_f1"]) == pytest.approx(f1, abs=1e-5)
            balanced = balanced_accuracy_score(labels, predicted)
            assert float(row["balanced_accuracy"]) == pytest.approx(balanced, abs=1e-5)
            shown = f'{100 * share:.1f} <span class="interval">'
            assert shown in index.read_text(encoding="utf-8")
    assert float(rows["resnet18", "perturb"]["paper_accuracy"]) == 0.723
    assert float(rows["resnet18", "perturb"]["paper_f1"]) == 0.70
    assert rows["compact", "perturb"]["paper_accuracy"] == ""
    # The paper's ensemble is of five networks, ours here of two: not the same thing.
    assert rows["Ensemble", "baseline"]["paper_accuracy"] == ""


def test_table_3_holds_the_differences_and_the_papers(study: Study) -> None:
    folder = study(kind="fer2013")
    rows = read_csv(build_report(folder).parent / "tables" / "table3.csv")
    labels, first = Run(folder / "runs" / "resnet18-baseline-s0").logits("test", "flip")
    _, second = Run(folder / "runs" / "resnet18-perturb-s0").logits("test", "flip")
    happy = labels == 3
    expected = (second.argmax(1)[happy] == 3).mean() - (first.argmax(1)[happy] == 3).mean()
    row = next(row for row in rows if row["emotion"] == "happy")
    assert float(row["resnet18"]) == pytest.approx(expected, abs=1e-5)
    assert float(row["resnet18_low"]) < expected < float(row["resnet18_high"])
    assert float(row["resnet18_paper"]) == 1.0
    assert "compact_paper" not in row
    assert float(next(r for r in rows if r["emotion"] == "all (accuracy)")["resnet18_paper"]) == 3.1


def test_paper_and_its_tensions_only_beside_fer2013(study: Study) -> None:
    folder = study(models=("compact",), kind="fer2013")
    text = build_report(folder).read_text(encoding="utf-8")
    assert "The paper's numbers" in text.replace("&#39;", "'")
    assert "PrivateTest (3,589)" in text
    assert "ResNet +" in text


def test_synthetic_report_has_no_paper_numbers(study: Study, draw_faces: Draw) -> None:
    index = build_report(study(models=("compact",)), draw_faces())
    text = index.read_text(encoding="utf-8")
    assert "PrivateTest" not in text
    assert PRIVATE not in text
    assert "paper_accuracy" not in read_csv(index.parent / "tables" / "table2.csv")[0]


def test_dataset_images_are_marked(study: Study, draw_faces: Draw) -> None:
    folder = study(models=("compact",), kind="fer2013", faces=100)
    assert PRIVATE in build_report(folder, draw_faces("fer2013")).read_text(encoding="utf-8")
    assert PRIVATE not in build_report(folder, None).read_text(encoding="utf-8")


def test_unfinished_and_missing_runs_are_listed(study: Study) -> None:
    folder = study(faces=100, unfinished=["compact-perturb-s0"], missing=["resnet18-baseline-s0"])
    index = build_report(folder)
    states = {r["run"]: r["state"] for r in read_csv(index.parent / "tables" / "runs.csv")}
    assert len(states) == 6
    assert states["compact-perturb-s0"] == "unfinished (epoch 2 of 6)"
    assert states["resnet18-baseline-s0"] == "not started"
    assert states["resnet18-perturb-s0"] == "done"
    text = index.read_text(encoding="utf-8")
    assert "2 of 6 planned runs are not in the results" in text
    assert "4 of 6" in text
    assert "can't be judged yet" in text.replace("&#39;", "'")


def test_a_damaged_run_does_not_stop_the_report(study: Study) -> None:
    folder = study(models=("compact",), faces=100)
    (folder / "runs" / "compact-attention-s0" / "run.json").write_text("{")
    index = build_report(folder)
    states = {r["run"]: r["state"] for r in read_csv(index.parent / "tables" / "runs.csv")}
    assert states["compact-attention-s0"].startswith("unreadable: ")
    assert states["compact-perturb-s0"] == "done"


def test_nothing_finished_yet(study: Study) -> None:
    names = [f"compact-{m}-s0" for m in ("baseline", "attention", "perturb")]
    folder = study(models=("compact",), unfinished=names[:1], missing=names[1:])
    text = build_report(folder).read_text(encoding="utf-8")
    assert "No run has finished yet" in text
    assert "0 of 3" in text


def test_several_seeds_give_mean_and_spread(study: Study) -> None:
    folder = study(models=("compact",), seeds=(0, 1, 2))
    index = build_report(folder)
    row = read_csv(index.parent / "tables" / "table2.csv")[0]
    values = [
        (lambda y, z: (z.argmax(1) == y).mean())(
            *Run(folder / "runs" / f"compact-baseline-s{s}").logits("test", "flip")
        )
        for s in range(3)
    ]
    assert row["seeds"] == "3"
    assert float(row["accuracy"]) == pytest.approx(np.mean(values), abs=1e-5)
    assert float(row["accuracy_std"]) == pytest.approx(np.std(values, ddof=1), rel=1e-4)
    pairs = read_csv(index.parent / "tables" / "paired.csv")
    assert [r["seed"] for r in pairs if r["method"] == "perturb"] == ["0", "1", "2"]


def test_a_long_table_is_a_file_only(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "LONG_TABLE", 7)  # Table 3 has ten rows, Table 2 three
    index = build_report(study(models=("compact",), faces=100))
    text = index.read_text(encoding="utf-8")
    assert "10 rows, too many for this page" in text
    assert len(read_csv(index.parent / "tables" / "table3.csv")) == 10
    assert text.count("too many for this page") == text.count('<h3 id="table-') - text.count(
        "<table"
    )


def test_letters_go_on_after_z() -> None:
    many = tuple(Table(f"t{i}", "", (), ()) for i in range(30))
    labels = item_labels([Section("a", "A", many)])
    assert [labels[f"t{i}"] for i in (0, 25, 26, 29)] == [
        *("Table A", "Table Z", "Table AA", "Table AD")
    ]


def test_built_twice_it_is_the_same(study: Study, draw_faces: Draw) -> None:
    folder = study(models=("compact",))
    first = build_report(folder, draw_faces()).read_bytes()
    assert build_report(folder, draw_faces()).read_bytes() == first


def test_names_can_carry_no_markup_into_the_page(study: Study) -> None:
    folder = study(models=("compact",))
    path = folder / "study.json"
    path.write_text(path.read_text().replace('"quick"', '"<script>alert(1)</script>"'))
    text = build_report(folder).read_text(encoding="utf-8")
    assert "<script" not in text
    assert re.search(r"&lt;script&gt;", text)


def test_a_folder_without_a_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="no study folder") as caught:
        build_report(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report").exists()
