"""The sections of the page: what each shows, in order; a section without items is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ferturb.base.emotions import EMOTIONS
from ferturb.data.faces import Faces
from ferturb.evaluation.saliency.mass import Explanation
from ferturb.report import sentences
from ferturb.report.ablation.items import ablation_items
from ferturb.report.accuracy import figures, tables
from ferturb.report.accuracy.tables import Planned
from ferturb.report.clusters.items import cluster_items
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Table
from ferturb.report.masks.items import mask_items
from ferturb.report.masks.pairs import MaskGroup
from ferturb.report.results import Results, main_group
from ferturb.report.saliency.faithfulness import faithfulness_items
from ferturb.report.saliency.items import saliency_items
from ferturb.runs.run import Run


@dataclass(frozen=True)
class Section:
    """One heading of the page, with its tables and pictures in order."""

    key: str
    title: str
    items: tuple[Table | Picture, ...]


def make_sections(
    results: Results,
    masks: Sequence[MaskGroup],
    planned: Sequence[Planned],
    data: dict[str, Any],
    faces: Faces | None,
    fer2013: bool,
) -> list[Section]:
    """Every section that has something to show, from the readable runs of a study.

    `data` is what the main runs say of their data, `fer2013` whether the paper's numbers stand
    beside theirs, `faces` are for pictures of faces.
    """
    runs = [plan.run for plan in planned if plan.run is not None]
    trained = main_group([run for run in runs if run.history()])
    main = main_group([run for run in runs if run.done])
    sections = []
    if results.arms:
        sections.append(Section("accuracy", "Accuracy", _accuracy_items(results, fer2013)))
        sections.append(Section("emotions", "By emotion", _emotion_items(results, fer2013)))
    sections.append(Section("masks", "Face masks", mask_items(masks)))
    sections.append(Section("features", "Facial features", ablation_items(runs)))
    sections.append(Section("saliency", "Where the models look", _saliency_items(runs, faces)))
    clusters = cluster_items(results, main, faces, fer2013)
    sections.append(Section("clusters", "Attention and clusters", clusters))
    sections.append(Section("faces", "The faces", _face_items(data, faces)))
    if trained:
        curves = tuple(_curves(trained, quantity) for quantity in ("accuracy", "loss"))
        sections.append(Section("training", "Training", curves))
    if results.arms:
        sections.append(Section("calibration", "Calibration", _calibration_items(results)))
    sections.append(Section("runs", "What was run", (tables.runs_table(planned),)))
    return [section for section in sections if section.items]


def _saliency_items(runs: Sequence[Run], faces: Faces | None) -> tuple[Table | Picture, ...]:
    """What was found out about the runs that were explained, whatever their faces."""
    explained = [run for run in runs if run.done and Explanation.kept(run)]
    return (*saliency_items(explained, faces), *faithfulness_items(runs))


def _accuracy_items(results: Results, fer2013: bool) -> tuple[Table | Picture, ...]:
    items: list[Table | Picture] = [tables.accuracy_table(results, fer2013)]
    if results.comparisons:
        caption = (
            "Accuracy of each method minus that of the baseline, same model and same test faces, "
            "with 95 % intervals. An interval across zero is no difference that this test split "
            "can show."
        )
        alt = " ".join(sentences.verdicts(results.comparisons))
        png = figures.differences(results.comparisons, fer2013)
        items.append(Picture("differences", "Change of accuracy", caption, alt, png))
        items.append(tables.pairs_table(results))
    items.append(tables.augmentation_table(results))
    return tuple(items)


def _emotion_items(results: Results, fer2013: bool) -> tuple[Table | Picture, ...]:
    items: list[Table | Picture] = []
    if results.perturb:
        items.append(tables.change_table(results.perturb, fer2013))
    items.append(tables.emotion_table(results))
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
    return (tables.calibration_table(results), picture)


def _face_items(data: dict[str, Any], faces: Faces | None) -> tuple[Picture, ...]:
    counts = data.get("counts") or (faces.counts() if faces is not None else None)
    if not counts:
        return ()
    totals = {e: sum(counts[split][e] for split in counts) for e in EMOTIONS}
    alt = ", ".join(f"{emotion} {n:,}" for emotion, n in totals.items())
    caption = "Faces per emotion, by split, with each emotion's share of all faces."
    title, png = "Distribution of the emotions", figures.class_distribution(counts)
    return (Picture("figure3", title, caption, alt, png),)


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
