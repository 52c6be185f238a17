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
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ferturb.base.errors import FerturbError
from ferturb.base.storage import read_json, write_bytes, write_text
from ferturb.data.faces import Faces
from ferturb.evaluation.significance import RESAMPLES
from ferturb.report import published, sentences
from ferturb.report.accuracy.tables import Planned
from ferturb.report.form import captions
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table
from ferturb.report.masks.pairs import MaskGroup, mask_groups, mask_sentences
from ferturb.report.results import Results, collect, main_group
from ferturb.report.sections import Section, make_sections
from ferturb.runs.run import Run, find_runs

PRIVATE = captions.PRIVATE
LONG_TABLE = 100
"""A table with more rows than this is given as files only."""


def build_report(study_folder: Path, faces: Faces | None = None) -> Path:
    """Write STUDY/report and return the path of its index.html.

    `faces` are for pictures of faces, and of what networks see in them; without them these are
    left out or drawn. Raises `FerturbError` when the folder holds no study.
    """
    study = _read_study(study_folder)
    planned = plan_states(study_folder, study.get("runs", ()))
    readable = [plan.run for plan in planned if plan.run is not None]
    results = collect(readable)
    data = _data(readable)
    fer2013 = data.get("kind") == "fer2013" and not _relabelled(readable)
    masks = mask_groups(readable, fer2013)
    sections = make_sections(results, masks, planned, data, faces, fer2013)
    folder = study_folder / "report"
    page = _page(study, results, masks, planned, data, sections, fer2013)
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
    """What the first finished run of the main group says of its data; {} before there is one."""
    main = main_group([run for run in runs if run.done])
    return dict(main[0].record()["data"]) if main else {}


def _relabelled(runs: Sequence[Run]) -> bool:
    return any(run.config.dataset.fer_plus for run in runs)


def item_labels(sections: Sequence[Section]) -> dict[str, str]:
    """Key -> label in print: the paper's number, or the next free letter.

    >>> table = Table("emotions", "Accuracy per emotion", (), ())
    >>> item_labels([Section("a", "A", (Table("table2", "Accuracy", (), ()), table))])
    {'table2': 'Table 2', 'emotions': 'Table A'}
    """
    letters = {word: _letters() for word in ("Table", "Figure")}
    labels = {}
    for item in (item for section in sections for item in section.items):
        word = "Table" if isinstance(item, Table) else "Figure"
        numbered = item.key.startswith(word.lower())
        place = item.key.removeprefix(word.lower()) if numbered else next(letters[word])
        labels[item.key] = f"{word} {place}"
    return labels


def _letters() -> Iterator[str]:
    """A, B, … Z, AA, AB, …"""
    yield from ascii_uppercase
    for first in ascii_uppercase:
        yield from (first + second for second in ascii_uppercase)


def _page(
    study: dict[str, Any],
    results: Results,
    masks: Sequence[MaskGroup],
    planned: Sequence[Planned],
    data: dict[str, Any],
    sections: Sequence[Section],
    fer2013: bool,
) -> str:
    records = [plan.run.record() for plan in planned if plan.run is not None and plan.run.done]
    test_faces = sum(data["counts"]["test"].values()) if data.get("counts") else 0
    tensions = list(published.TENSIONS)
    if fer2013 and test_faces:
        tensions.append(published.weighting_tension(data["counts"]["test"]))
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
        question=sentences.question(results, masks),
        headline=sentences.headline(results, masks),
        best=sentences.best_sentence(results),
        verdicts=[
            *sentences.verdicts(results.perturb),
            *(sentence for group in masks for sentence in mask_sentences(group.pairs, group.words)),
        ],
        caveats=[*sentences.caveats(results, masks), *sentences.altered_runs(planned)],
        protocol=[sentences.PROTOCOL, *([sentences.FER2013_PROTOCOL] if fer2013 else [])],
        sections=sections,
        labels=item_labels(sections),
        resamples=RESAMPLES,
        long_table=LONG_TABLE,
        tensions=tensions if fer2013 else [],
        paper=published,
        private=PRIVATE if _shows_dataset_images(sections) else "",
        table_html=lambda table: Markup(table.to_html()),
        data_uri=lambda png: "data:image/png;base64," + base64.b64encode(png).decode(),
    )


def _shows_dataset_images(sections: Sequence[Section]) -> bool:
    pictures = [item for section in sections for item in section.items if isinstance(item, Picture)]
    return any(PRIVATE.lower() in picture.caption.lower() for picture in pictures)


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
