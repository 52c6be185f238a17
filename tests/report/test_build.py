"""The page: complete, offline, right, and built from whatever has finished."""

from __future__ import annotations

import csv
import html
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from cut_off import cut_off
from ferturb.base.config import RecipeConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.report import published
from ferturb.report.build import STORIES, build_report, leading, render_page
from ferturb.report.clusters import section as clusters
from ferturb.report.form import page as form
from ferturb.report.form import style
from ferturb.report.form.captions import PRIVATE
from ferturb.report.form.page import item_labels
from ferturb.report.form.tables import Column, Table
from ferturb.report.results import StudyResults, read_study
from ferturb.report.section import Section
from ferturb.report.trainings import runs
from ferturb.runs.run import Run
from made_up_results import mask_study, small_study, some_faces, study_of

Study = Callable[..., Path]


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


def page_of(results: StudyResults) -> str:
    sections = [section for story in STORIES if (section := story(results)) is not None]
    return render_page(results, sections)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.mark.usefixtures("tiny_networks")
def test_page_is_complete_and_loads_nothing(study: Study, trained_faces: Faces) -> None:
    index = build_report(study(models=("compact",)), trained_faces)
    text = index.read_text(encoding="utf-8")
    page = Page(text)
    tables = {path.stem for path in (index.parent / "tables").glob("*.csv")}
    figures = {path.stem for path in (index.parent / "figures").glob("*.png")}
    assert PRIVATE not in text
    assert "paper_macro_recall" not in read_csv(index.parent / "tables" / "table2.csv")[0]
    assert tables == {
        *("table2", "table3", "paired", "augmentation", "emotions", "calibration", "runs")
    }
    assert figures == {
        *("figure3", "figure4", "differences", "confusion", "reliability"),
        *("training_accuracy", "training_loss", "epochs_compact", "attention_compact"),
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
    assert build_report(index.parent.parent, trained_faces).read_text(encoding="utf-8") == text
    for stem in figures:
        with Image.open(index.parent / "figures" / f"{stem}.png") as picture:
            assert picture.width >= 3.5 * style.DPI
            assert f'<img width="{picture.width // 2}"' in text
            low, high = picture.convert("L").getextrema()
            assert low < 60 < 250 < high


@pytest.mark.usefixtures("tiny_networks")
def test_what_an_earlier_page_made_goes_and_nothing_else(
    study: Study, trained_faces: Faces
) -> None:
    def files() -> set[Path]:
        return {path.relative_to(folder) for path in folder.rglob("*.*")}

    folder = build_report(study(models=("compact",))).parent
    without = files()
    build_report(folder.parent, trained_faces)
    assert files() > without
    mine = {Path(name) for name in ("tables/mine.csv", "figures/mine.png", "mine.tex")}
    for path in mine:
        (folder / path).touch()
    build_report(folder.parent)
    assert files() == without | mine


@pytest.mark.parametrize(
    "results",
    [small_study(), small_study(kind="fer2013"), mask_study(), mask_study(kind="synthetic")],
    ids=["drawn", "fer2013", "masks", "drawn masks"],
)
def test_no_figure_cuts_off_what_is_drawn(
    results: StudyResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Figure] = []
    some_picture = style.png_of(Figure((0.5, 0.5)))

    def noted(figure: Figure, *how: object, **more: object) -> bytes:
        seen.append(figure)  # limits are known without drawing it
        return some_picture

    monkeypatch.setattr(style, "png_of", noted)
    page_of(results)
    assert len(seen) >= 8
    assert [found for figure in seen for found in cut_off(figure)] == []


def test_paper_and_its_tensions_only_beside_fer2013(study: Study) -> None:
    text = html.unescape(render_page(read_study(study(kind="fer2013")), []))
    assert "The paper's numbers" in text
    assert "PrivateTest (21)" in text
    assert published.TENSIONS[0] in text
    assert published.what_accuracy_means() in text
    drawn = html.unescape(render_page(small_study(), []))
    assert "PrivateTest" not in drawn
    assert published.TENSIONS[0] not in drawn


def test_what_every_set_of_faces_has_to_say_is_printed_once() -> None:
    plain, masked = mask_study(models=("compact",)).runs
    changed = []
    for run, digest, notes in ((plain, "cd", ["2 images left out"]), (masked, "ef", ["masks <b>"])):
        data = run.record["data"] | {"hash": digest * 32, "notes": notes}
        changed.append(replace(run, record={**run.record, "data": data}))
    text = page_of(study_of(changed))
    for said in ("2 images left out", "masks &lt;b&gt;", "cd" * 32, "ef" * 32):
        assert text.count(f"<li>{said}</li>") + text.count(f"<code>{said}</code>") == 1


def test_dataset_images_are_marked() -> None:
    runs = small_study(models=("compact",), kind="fer2013", faces=100).runs
    for faces, private in ((some_faces("fer2013"), True), (some_faces(), False), (None, False)):
        results = study_of(runs, faces)
        section = clusters.section(results)
        assert section is not None
        assert (PRIVATE in render_page(results, [section])) is private


def test_unfinished_and_missing_runs_are_listed(study: Study) -> None:
    folder = study(unfinished=["compact-perturb-s0"], missing=["resnet18-baseline-s0"])
    results = read_study(folder)
    text = html.unescape(render_page(results, []))
    assert "2 of 6 planned runs are not in the results" in text
    assert "4 of 6" in text
    assert "can't be judged yet" in text
    section = runs(results)
    assert section is not None
    (table,) = section.items
    assert isinstance(table, Table)
    rows = {row[0]: row for row in table.rows}
    assert rows["compact-perturb-s0"][1] == "unfinished (epoch 1 of 2)"
    assert rows["compact-perturb-s0"][2:8] == (
        *("compact", "perturb", "faces as they are", RecipeConfig().name, "0", 2),
    )
    assert rows["resnet18-baseline-s0"][1:] == ("not started", *[None] * 13)
    record = Run(folder / "runs" / "compact-baseline-s0").record()
    assert rows["compact-baseline-s0"][8:11] == (
        *(record["best_epoch"], record["validation_accuracy"], record["parameters"]),
    )


def test_nothing_finished_yet(study: Study) -> None:
    names = [f"compact-{m}-s0" for m in ("baseline", "attention", "perturb")]
    folder = study(models=("compact",), unfinished=names[:1], missing=names[1:])
    text = build_report(folder).read_text(encoding="utf-8")
    assert "No run has finished yet" in text
    assert "0 of 3" in text


def test_a_picture_opens_the_page_and_stands_on_it_once() -> None:
    results = small_study(models=("compact",))
    sections = [section for story in STORIES if (section := story(results)) is not None]
    (lead,) = leading(sections)
    assert lead.key == "differences"
    text = render_page(results, sections)
    ids = Page(text).ids
    assert ids.count("figure-differences") == 1
    assert ids.index("figure-differences") < ids.index("table-table2")
    assert leading([]) == ()


def test_what_is_folded_is_opened_by_a_line_of_its_own() -> None:
    columns = (Column("name", "Name"), Column("x", "x"))
    shown, hidden = (Table(key, key, columns, (("a", 1.0),)) for key in ("shown", "hidden"))
    section = Section("a", "A", (shown,), (hidden,))
    text = render_page(small_study(models=("compact",)), [section])
    page = Page(text)
    assert page.tags.count("details") == page.tags.count("summary") == 1
    assert (
        text.index('id="table-shown"') < text.index("<details>") < text.index('id="table-hidden"')
    )
    assert item_labels([section]) == {"shown": "Table A", "hidden": "Table B"}


def test_every_picture_has_a_dark_one(study: Study) -> None:
    index = build_report(study(models=("compact",), methods=("baseline", "perturb")))
    page = Page(index.read_text(encoding="utf-8"))
    assert page.tags.count("picture") == page.tags.count("source") == page.tags.count("img")
    assert len(set(page.loads)) == len(page.loads) == 2 * page.tags.count("img")


def test_a_long_table_is_a_file_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "LONG_TABLE", 2)
    rows = (("a", 1.0), ("b", 2.0), ("c", 3.0))
    columns = (Column("name", "Name"), Column("x", "x"))
    tables = (Table("long", "Long", columns, rows), Table("short", "Short", columns, rows[:2]))
    text = render_page(small_study(models=("compact",)), [Section("a", "A", tables)])
    assert text.count("3 rows, too many for this page") == 1
    assert text.count("<table") == 1


def test_a_page_about_masks() -> None:
    results = mask_study()
    text = html.unescape(page_of(results))
    assert "<h1>What do face masks take from an emotion classifier?</h1>" in text
    assert "Trained and tested on MaskFer, accuracy is " in text
    assert "2 on faces with face masks (mixed)" in text
    page = Page(text)
    assert {"table-table1", "figure-masks_two_by_two", "table-table2"} <= set(page.ids)
    assert page.ids.index("table-table2") < page.ids.index("table-table1")


def test_trained_runs_with_masks_are_a_story(study: Study) -> None:
    index = build_report(study(models=("compact",), methods=("baseline", "mixed")))
    rows = read_csv(index.parent / "tables" / "masks_cells.csv")
    assert len(rows) == 4
    assert all(row["accuracy"] for row in rows)


def test_letters_go_on_after_z() -> None:
    many = tuple(Table(f"t{i}", "", (), ()) for i in range(30))
    labels = item_labels([Section("a", "A", many)])
    assert [labels[f"t{i}"] for i in (0, 25, 26, 29)] == [
        *("Table A", "Table Z", "Table AA", "Table AD")
    ]


def test_names_can_carry_no_markup_into_the_page() -> None:
    results = replace(small_study(models=("compact",)), preset="<script>alert(1)</script>")
    text = render_page(results, [])
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_folder_without_a_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="not a study folder") as caught:
        build_report(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report").exists()
