"""Where the models look: faces with maps, mass per facial feature, whether maps are true."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import numpy as np

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.evaluation.saliency.mass import Explanation, Mass, mass_by_emotion
from ferturb.evaluation.saliency.parts import PARTS
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Cell, Column, Table
from ferturb.report.results import StudyResults
from ferturb.report.run_results import run_names
from ferturb.report.saliency.explain import paper_figures
from ferturb.report.saliency.faithfulness import judged_items
from ferturb.report.saliency.figures import mass_heatmaps
from ferturb.report.section import Section, section_of

COLUMNS = (*EMOTIONS, "all")
_PANELS = 6
_WHO = (Column("model", "Model"), Column("saliency", "Saliency"))

Found = Mapping[tuple[str, str], Explanation]
"""(model, saliency method and what is special about the faces) -> what was found."""


def section(results: StudyResults) -> Section | None:
    """Figures 1 and 6 (with faces), the mass per facial feature and the faithfulness that are kept
    with the runs, whatever their faces."""
    explained = [run for run in results.done if run.explanations]
    items: list[Table | Picture] = []
    if results.faces is not None:
        with contextlib.suppress(FerturbError):  # a network that saliency can't explain
            items += paper_figures(explained, results.faces)
    mass = {
        (name, analysis.removeprefix(f"{Explanation.KIND}-")): explanation
        for name, run in zip(run_names(explained), explained, strict=True)
        for analysis, explanation in run.explanations.items()
    }
    judged = {
        f"{name}{analysis.removeprefix('faithfulness').replace('-', ' ')}": judgement
        for name, run in zip(run_names(results.runs), results.runs, strict=True)
        for analysis, judgement in run.judgements.items()
    }
    heatmap, *tables = mass_items(mass) or (None,)
    items += [heatmap] if heatmap is not None else []
    items += judged_items(judged)
    return section_of("saliency", "Where the models look", items, tables)


def mass_items(found: Found) -> tuple[Table | Picture, ...]:
    """A heatmap and two tables of the mass per facial feature; () where nothing was found."""
    if not found:
        return ()
    mass = {key: mass_by_emotion(one) for key, one in found.items()}
    return (_mass_picture(mass), mass_table(found, mass), emotion_table(found, mass))


def mass_table(found: Found, mass: Mapping[tuple[str, str], list[Mass]]) -> Table:
    """Mass per facial feature over all faces: one row per model, saliency method and feature."""
    rows: list[tuple[Cell, ...]] = [
        (*key, m.part, m.n, m.area, m.share, m.enrichment)
        for key in found
        for m in mass[key]
        if m.emotion == "all"
    ]
    columns = (
        *_WHO,
        Column("feature", "Feature"),
        Column("n", "Faces"),
        Column("area", "Area, %", scale=100),
        Column("share", "Mass, %", scale=100),
        Column("enrichment", "Mass / area", digits=2),
    )
    note = (
        "Share of each face's saliency on each part of it, averaged over faces; parts add up to "
        "100 %. Mass / area is 1 for a map that says nothing. 95 % intervals over faces. Faces "
        f"were drawn at random, {_counts(found)} of each emotion at most; each counts the same."
        f"{_silence(found)}"
    )
    return Table("saliency_mass", "Saliency per facial feature", columns, tuple(rows), note)


def emotion_table(found: Found, mass: Mapping[tuple[str, str], list[Mass]]) -> Table:
    """Mass over area, with intervals: one row per model, saliency method and emotion."""
    rows: list[tuple[Cell, ...]] = [
        (*key, emotion, own[0].n, *(m.enrichment for m in own))
        for key in found
        for emotion in COLUMNS
        if (own := [m for m in mass[key] if m.emotion == emotion])
    ]
    columns = (
        *_WHO,
        Column("emotion", "Emotion"),
        Column("n", "Faces"),
        *(Column(part, part, group="mass / area", digits=2) for part in PARTS),
    )
    note = "95 % intervals over faces. 1: no more than the feature's pixels are due."
    title = "Saliency per facial feature and emotion"
    return Table("saliency_emotions", title, columns, tuple(rows), note)


def enrichment_rows(mass: Sequence[Mass]) -> list[list[str]]:
    """Rows of a terminal's table: the feature, then mass over area by emotion and over all."""
    values = {(m.part, m.emotion): m.enrichment.estimate for m in mass}
    return [
        [part, *(f"{values[part, e]:.2f}" if (part, e) in values else "–" for e in COLUMNS)]
        for part in PARTS
    ]


def _mass_picture(mass: Mapping[tuple[str, str], list[Mass]]) -> Picture:
    shown = list(mass)[:_PANELS]
    panels, parts = {}, []
    for key in shown:
        values = {(m.part, m.emotion): m.enrichment.estimate for m in mass[key]}
        matrix = [[values.get((part, e), np.nan) for e in COLUMNS] for part in PARTS]
        panels[", ".join(key)] = np.array(matrix)
        most = max(PARTS, key=lambda part: values.get((part, "all"), 0.0))
        parts.append(f"{', '.join(key)}: most on the {most}, {values[most, 'all']:.1f} times.")
    caption = (
        "Share of the saliency on each facial feature over the feature's share of the pixels, by "
        "emotion. 1 (without colour): no more than its pixels are due; orange more, purple less."
    )
    if len(mass) > len(shown):
        caption += f" The first {len(shown)} of {len(mass)}; the table has all."
    title = "Saliency per facial feature and emotion"
    prints = prints_of(mass_heatmaps(panels, COLUMNS))
    return Picture("saliency_heatmap", title, caption, " ".join(parts), prints)


def _silence(found: Found) -> str:
    """A sentence on the faces for which a method found nothing; empty where there are none."""
    silent = {key: one for key, one in found.items() if one.record.get("silent")}
    said = [f"{', '.join(k)}: {o.record['silent']} of {len(o.labels)}" for k, o in silent.items()]
    if not said:
        return ""
    return (
        " Faces in which a method finds nothing that speaks for the emotion count as mass spread "
        f"evenly, which draws mass / area towards 1 ({'; '.join(said)})."
    )


def _counts(found: Found) -> str:
    counts = sorted({int(one.record["faces_per_emotion"]) for one in found.values()})
    return " or ".join(map(str, counts))
