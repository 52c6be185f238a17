"""A study folder -> one offline HTML page, with its tables as CSV and LaTeX and its figures.

    STUDY/study.json, STUDY/runs/*    read
    STUDY/report/index.html           the page, figures embedded, nothing loaded from elsewhere
    STUDY/report/tables/*.csv, *.tex
    STUDY/report/figures/*.png

The page depends on the study folder (and the given faces) alone: built twice, it is the same
page, beside the same files. Runs that are planned but not finished are listed; those that are
finished are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferturb.base.checks import require_kind, require_path
from ferturb.base.storage import write_text
from ferturb.data.faces import Faces
from ferturb.evaluation.significance import RESAMPLES
from ferturb.report import published, sentences, trainings
from ferturb.report.ablation import section as ablation
from ferturb.report.accuracy import section as accuracy
from ferturb.report.clusters import section as clusters
from ferturb.report.earlier import remove_earlier
from ferturb.report.form.captions import PRIVATE
from ferturb.report.form.files import write_items
from ferturb.report.form.page import rendered
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table
from ferturb.report.masks import section as masks
from ferturb.report.masks.sentences import mask_sentences
from ferturb.report.planted import section as planted
from ferturb.report.planted.sentences import planted_found
from ferturb.report.planted.truth import judged_matrices
from ferturb.report.results import StudyResults, read_study
from ferturb.report.saliency import section as saliency
from ferturb.report.section import Section

STORIES = (
    planted.section,
    accuracy.section,
    accuracy.emotions,
    masks.section,
    ablation.section,
    saliency.section,
    clusters.section,
    trainings.faces,
    trainings.curves,
    accuracy.calibration,
    trainings.runs,
)
"""What the page tells, in order; each makes its section of the results, or None."""


def build_report(study_folder: Path, faces: Faces | None = None) -> Path:
    """Write STUDY/report and return the path of its index.html.

    `faces` are for pictures of faces, and of what networks see in them; without them these are
    left out or drawn. Raises `FerturbError` when the folder holds no study.
    """
    study_folder = require_path("study_folder", study_folder)
    if faces is not None:
        require_kind("faces", faces, Faces)
    results = read_study(study_folder, faces)
    sections = [section for story in STORIES if (section := story(results)) is not None]
    items = [item for section in sections for item in section.everything]
    folder = study_folder / "report"
    page = render_page(results, sections)
    tables = write_items([item for item in items if isinstance(item, Table)], folder / "tables")
    figures = write_items([item for item in items if isinstance(item, Picture)], folder / "figures")
    remove_earlier(folder, [*tables, *figures])
    write_text(folder / "index.html", page)
    return folder / "index.html"


def leading(sections: Sequence[Section]) -> tuple[Picture, ...]:
    """The pictures that open the page, two at most: those of the first section that has some."""
    found = ([i for i in section.items if isinstance(i, Picture)] for section in sections)
    return tuple(next(filter(None, found), []))[:2]


def render_page(results: StudyResults, sections: Sequence[Section]) -> str:
    """The page as HTML, everything embedded."""
    records = [run.record for run in results.done]
    data, main = results.data, results.main
    items = [item for section in sections for item in section.everything]
    captions = [item.caption for item in items if isinstance(item, Picture)]
    return rendered(
        "page.html.j2",
        sections,
        results=results,
        main=main,
        data=data,
        test_faces=sum(data["counts"]["test"].values()) if data.get("counts") else 0,
        finished=max((str(record.get("finished", "")) for record in records), default="")[:10],
        waiting=[plan for plan in results.planned if plan.state != "done"],
        minutes=sum(record.get("seconds", 0.0) for record in records) / 60,
        hardware=_hardware(records),
        versions=records[0].get("versions", {}) if records else {},
        sentences=sentences,
        planted=planted_found([(m.measure, m.counts) for m in judged_matrices(results)[:2]]),
        verdicts=[
            *sentences.verdicts(main.perturb, results.fer2013),
            *(text for g in results.masks for text in mask_sentences(g.pairs, g.phrases)),
        ],
        caveats=[*sentences.caveats(results), *results.warnings],
        lead=leading(sections),
        resamples=RESAMPLES,
        paper=published,
        private=PRIVATE if any(PRIVATE.lower() in caption.lower() for caption in captions) else "",
    )


def _hardware(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per different machine."""
    form = "{processor}, {cores} cores, {threads} threads, {memory_gib} GiB; "
    form += "device {device}, {precision}"
    known = [record["hardware"] for record in records if "hardware" in record]
    return list(dict.fromkeys(form.format(**hardware) for hardware in known))
