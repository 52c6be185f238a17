"""A study folder -> one offline HTML page, with its tables as CSV and LaTeX and its figures.

    STUDY/study.json, STUDY/runs/*    read
    STUDY/report/index.html           the page, figures embedded, nothing loaded from elsewhere
    STUDY/report/tables/*.csv, *.tex
    STUDY/report/figures/*.png

The page depends on the study folder (and the given faces) alone: built twice, it is the same
page. Runs that are planned but not finished are listed; those that are finished are reported.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ferturb.data.faces import Faces
from ferturb.emotions import EMOTIONS
from ferturb.errors import FerturbError
from ferturb.evaluation.significance import RESAMPLES
from ferturb.report import figures, paper, study_tables, words
from ferturb.report.figures import Picture
from ferturb.report.results import Results, collect
from ferturb.report.study_tables import Planned
from ferturb.report.tables import Table
from ferturb.runs import Run, find_runs
from ferturb.storage import read_json, write_bytes, write_text

PRIVATE = "contains dataset images: do not publish"


@dataclass(frozen=True)
class Section:
    """One heading of the page, with its tables and pictures in order."""

    key: str
    title: str
    items: tuple[Table | Picture, ...]


def build_report(study_folder: Path, faces: Faces | None = None) -> Path:
    """Write STUDY/report and return the path of its index.html.

    `faces` are used for the example face of figure 4 only. Raises `FerturbError` when the folder
    holds no study.
    """
    study = _read_study(study_folder)
    planned = plan_states(study_folder, study.get("runs", ()))
    readable = [plan.run for plan in planned if plan.run is not None]
    results = collect(readable)
    data = _data(readable)
    fer2013 = data.get("kind") == "fer2013" and not _relabelled(readable)
    sections = _sections(results, planned, readable, data, faces, fer2013)
    private = faces is not None and faces.kind != "synthetic" and bool(_cluster_maps(readable))
    folder = study_folder / "report"
    page = _page(study, results, planned, data, sections, fer2013, private)
    for item in (item for section in sections for item in section.items):
        if isinstance(item, Table):
            write_text(folder / "tables" / f"{item.key}.csv", item.to_csv())
            write_text(folder / "tables" / f"{item.key}.tex", item.to_latex())
        else:
            write_bytes(folder / "figures" / f"{item.key}.png", item.png)
    write_text(folder / "index.html", page)
    return folder / "index.html"


def plan_states(study_folder: Path, names: Sequence[str]) -> list[Planned]:
    """Every planned run in the study's order, then those found that were not planned."""
    found = {run.folder.name: run for run in find_runs(study_folder / "runs")}
    ordered = list(dict.fromkeys([*names, *found]))
    return [_state(name, found.get(name)) for name in ordered]


def _state(name: str, run: Run | None) -> Planned:
    if run is None:
        return Planned(name, None, "not started")
    try:
        epochs = run.config.recipe.epochs
        if run.done:
            run.record()
            return Planned(name, run, "done")
        return Planned(name, run, f"unfinished (epoch {len(run.history())} of {epochs})")
    except FerturbError as error:
        return Planned(name, None, f"unreadable: {error}")


def _read_study(folder: Path) -> dict[str, Any]:
    if not (folder / "study.json").exists() and not (folder / "runs").is_dir():
        raise FerturbError(
            f"{folder} is no study folder (expected study.json or runs/ in it); "
            "give the folder that `ferturb study --out` wrote"
        )
    path = folder / "study.json"
    study: dict[str, Any] = read_json(path) if path.exists() else {}
    return study


def _data(runs: Sequence[Run]) -> dict[str, Any]:
    """What the first finished run says of its data; {} before there is one."""
    return next((dict(run.record()["data"]) for run in runs if run.done), {})


def _relabelled(runs: Sequence[Run]) -> bool:
    return any(run.config.dataset.fer_plus for run in runs)


def item_labels(sections: Sequence[Section]) -> dict[str, str]:
    """Key -> label in print: the paper's number, or the next free letter.

    >>> table = Table("emotions", "Accuracy per emotion", (), ())
    >>> item_labels([Section("a", "A", (Table("table2", "Accuracy", (), ()), table))])
    {'table2': 'Table 2', 'emotions': 'Table A'}
    """
    letters = {"Table": iter(ascii_uppercase), "Figure": iter(ascii_uppercase)}
    labels = {}
    for item in (item for section in sections for item in section.items):
        word = "Table" if isinstance(item, Table) else "Figure"
        numbered = item.key.startswith(word.lower())
        place = item.key.removeprefix(word.lower()) if numbered else next(letters[word])
        labels[item.key] = f"{word} {place}"
    return labels


def _sections(
    results: Results,
    planned: Sequence[Planned],
    runs: Sequence[Run],
    data: dict[str, Any],
    faces: Faces | None,
    fer2013: bool,
) -> list[Section]:
    trained = [run for run in runs if run.history()]
    sections = []
    if results.arms:
        sections.append(Section("accuracy", "Accuracy", _accuracy_items(results, fer2013)))
        sections.append(Section("emotions", "By emotion", _emotion_items(results, fer2013)))
    sections.append(Section("faces", "The faces", _face_items(runs, data, faces)))
    if trained:
        curves = tuple(_curves(trained, quantity) for quantity in ("accuracy", "loss"))
        sections.append(Section("training", "Training", curves))
    if results.arms:
        sections.append(Section("calibration", "Calibration", _calibration_items(results)))
    sections.append(Section("runs", "What was run", (study_tables.runs_table(planned),)))
    return [section for section in sections if section.items]


def _accuracy_items(results: Results, fer2013: bool) -> tuple[Table | Picture, ...]:
    items: list[Table | Picture] = [study_tables.accuracy_table(results, fer2013)]
    if results.comparisons:
        caption = (
            "Accuracy of each method minus that of the baseline, same model and same test faces, "
            "with 95 % intervals. An interval across zero is no difference that this test split "
            "can show."
        )
        alt = " ".join(words.verdicts(results.comparisons))
        png = figures.differences(results.comparisons, fer2013)
        items.append(Picture("differences", "Change of accuracy", caption, alt, png))
        items.append(study_tables.pairs_table(results))
    items.append(study_tables.augmentation_table(results))
    return tuple(items)


def _emotion_items(results: Results, fer2013: bool) -> tuple[Table | Picture, ...]:
    items: list[Table | Picture] = []
    if results.perturb:
        items.append(study_tables.change_table(results.perturb, fer2013))
    items.append(study_tables.emotion_table(results))
    shown = [arm for arm in results.arms if arm.method != "attention"] or list(results.arms)
    caption = (
        "Of the faces with the label at the left, the percentage that was given the emotion below. "
        "Rows add up to 100, up to rounding; with several seeds, faces of all seeds together."
    )
    alt = "One matrix per model and method; the table of accuracy per emotion has its diagonal."
    png = figures.confusion_matrices(shown)
    return (*items, Picture("confusion", "Confusion matrices", caption, alt, png))


def _calibration_items(results: Results) -> tuple[Table | Picture, ...]:
    caption = (
        "Accuracy of the faces in each of 15 bins of confidence, after the temperature fitted on "
        "validation. Points grow with the number of faces; bins with fewer than ten are left out. "
        "Below the dashed line the model is surer than it is right."
    )
    alt = "Accuracy by confidence for each model and method; the table of calibration sums it up."
    png = figures.reliability(results.arms)
    picture = Picture("reliability", "Reliability", caption, alt, png)
    return (study_tables.calibration_table(results), picture)


def _face_items(
    runs: Sequence[Run], data: dict[str, Any], faces: Faces | None
) -> tuple[Picture, ...]:
    pictures = []
    counts = data.get("counts") or (faces.counts() if faces is not None else None)
    if counts:
        totals = {e: sum(counts[split][e] for split in counts) for e in EMOTIONS}
        alt = ", ".join(f"{emotion} {n:,}" for emotion, n in totals.items())
        caption = "Faces per emotion, by split, with each emotion's share of all faces."
        title, png = "Distribution of the emotions", figures.class_distribution(counts)
        pictures.append(Picture("figure3", title, caption, alt, png))
    maps = _cluster_maps(runs)
    if maps:
        pictures.append(_cluster_picture(maps, faces))
    return tuple(pictures)


def _cluster_maps(runs: Sequence[Run]) -> dict[str, np.ndarray]:
    """The cluster map of the best epoch, of the first seed of every model that has one."""
    maps: dict[str, np.ndarray] = {}
    for run in sorted(runs, key=lambda r: (r.config.model.name, r.config.seed)):
        found = run.cluster_maps() if run.done else None
        if found is not None and len(found):
            best = min(int(run.record()["best_epoch"]), len(found)) - 1
            maps.setdefault(run.config.model.name, found[best])
    return maps


def _cluster_picture(maps: dict[str, np.ndarray], faces: Faces | None) -> Picture:
    caption = "Each row: the face, the clusters over it, and the face without each cluster. "
    mark = ""
    height, width = next(iter(maps.values())).shape
    image = torch.full((height, width), 150, dtype=torch.uint8)
    example = _example(faces) if faces is not None else None
    if example is None:
        caption += "No face was given, so a plain grey one stands in. "
    else:
        image, name = example
        caption += f"The first test face labelled happy ({name}). "
        mark = "" if faces is None or faces.kind == "synthetic" else PRIVATE
    caption += "Cluster map of the best epoch of the first seed."
    alt = f"A face with each attention cluster left out in turn, for {', '.join(maps)}."
    png = figures.clusters_left_out(image, maps, mark)
    return Picture("figure4", "A face with each cluster left out", caption, alt, png)


def _example(faces: Faces) -> tuple[torch.Tensor, str] | None:
    """The first test face labelled happy, or failing that the first face, and its name."""
    if not len(faces):
        return None
    test = faces.split("test")
    happy = torch.nonzero(test.labels == EMOTIONS.index("happy")).flatten()
    if len(happy):
        return test.images[happy[0]], test.names[int(happy[0])]
    return faces.images[0], faces.names[0]


def _curves(runs: Sequence[Run], quantity: str) -> Picture:
    caption = (
        f"{quantity.capitalize()} by epoch: validation bold, training thin and dashed; one line "
        "per seed. A dot marks the epoch that was kept. Training values are taken on augmented "
        "faces (and on views, for the Perturb Scheme), so they can lie on the other side of the "
        "validation values."
    )
    alt = "; ".join(
        f"{run.folder.name}: best epoch {run.record()['best_epoch']} of {run.config.recipe.epochs}"
        for run in runs
        if run.done
    )
    png = figures.training_curves(runs, quantity)
    return Picture(f"training_{quantity}", f"Training curves: {quantity}", caption, alt, png)


def _page(
    study: dict[str, Any],
    results: Results,
    planned: Sequence[Planned],
    data: dict[str, Any],
    sections: Sequence[Section],
    fer2013: bool,
    private: bool,
) -> str:
    records = [plan.run.record() for plan in planned if plan.run is not None and plan.run.done]
    test_faces = sum(data["counts"]["test"].values()) if data.get("counts") else 0
    tensions = list(paper.TENSIONS)
    if fer2013 and test_faces:
        tensions.append(paper.weighting_tension(data["counts"]["test"]))
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    template = resources.files("ferturb.report").joinpath("page.html.j2").read_text("utf-8")
    return environment.from_string(template).render(
        preset=study.get("preset", "study"),
        data=data,
        test_faces=test_faces,
        finished=max((record["finished"] for record in records), default="")[:10],
        planned=planned,
        waiting=[plan for plan in planned if plan.state != "done"],
        minutes=sum(record["seconds"] for record in records) / 60,
        hardware=_hardware(records),
        versions=records[0]["versions"] if records else {},
        results=results,
        headline=words.headline(results),
        best=words.best_sentence(results),
        verdicts=words.verdicts(results.perturb),
        caveats=words.caveats(results),
        protocol=[words.PROTOCOL, *([words.FER2013_PROTOCOL] if fer2013 else [])],
        sections=sections,
        labels=item_labels(sections),
        resamples=RESAMPLES,
        tensions=tensions if fer2013 else [],
        paper=paper,
        private=PRIVATE if private else "",
        table_html=lambda table: Markup(table.to_html()),
        data_uri=lambda png: "data:image/png;base64," + base64.b64encode(png).decode(),
    )


def _hardware(records: Sequence[dict[str, Any]]) -> list[str]:
    """One line per different machine."""
    lines = []
    for record in records:
        h = record["hardware"]
        lines.append(
            f"{h['processor']}, {h['cores']} cores, {h['threads']} threads, "
            f"{h['memory_gib']} GiB; device {h['device']}, {h['precision']}"
        )
    return list(dict.fromkeys(lines))
