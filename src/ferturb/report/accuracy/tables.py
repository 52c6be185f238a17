"""The tables of a study: Tables 2 and 3 of the paper, and what a reader needs to trust them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation import metrics
from ferturb.evaluation.other_data import TESTED
from ferturb.evaluation.significance import holm
from ferturb.report import published
from ferturb.report.form.captions import INTERVALS, family_of
from ferturb.report.form.tables import Cell, Column, Table, p_text, slug
from ferturb.report.groups import AUGMENTATIONS, Comparison, Group
from ferturb.report.model_results import ModelResult


def accuracy_table(group: Group, with_paper: bool) -> Table:
    """Table 2: accuracy and F1 of every model and method, beside the paper's."""
    columns = [
        Column("model", "Model"),
        Column("method", "Method"),
        Column("seeds", "Seeds"),
        Column("accuracy", "Accuracy, %", scale=100),
        Column("macro_recall", "Macro recall, %", scale=100),
        Column("macro_f1", "Macro-F1", digits=3),
    ]
    if with_paper:
        columns += [
            Column("paper_macro_recall", "Macro recall, %", "Paper", scale=100),
            Column("paper_f1", "F1", "Paper", digits=3),
        ]
    rows: list[tuple[Cell, ...]] = []
    for result in group.models:
        s = result.scores
        row: tuple[Cell, ...] = (result.model, result.method, len(result.seeds))
        row += (s.accuracy, s.macro_recall, s.macro_f1)
        if with_paper:
            row += _paper_numbers(result)
        rows.append(row)
    note = f"Test split, test-time augmentation: {group.augmentation}. {INTERVALS}"
    if with_paper:
        note += f" {published.MEASURE}"
    ensembles = {result.model: result.members for result in group.models if result.is_ensemble}
    for name, members in ensembles.items():
        note += f" {name} = sum of the logits of {', '.join(members)}."
    return Table("table2", "Accuracy and F1 by model and method", tuple(columns), tuple(rows), note)


def change_table(comparisons: Sequence[Comparison], with_paper: bool) -> Table:
    """Table 3: change of each emotion's accuracy with the Perturb Scheme, in points."""
    columns = [Column("emotion", "Emotion")]
    shown: list[tuple[Comparison, str | None]] = []
    for c in comparisons:
        plain = c.other.method == "perturb"
        name = c.other.model if plain else f"{c.other.model}, {c.other.method}"
        key = slug(name)
        columns.append(Column(key, "change", name, scale=100, signed=True))
        family = published.family(c.other.model) if with_paper and plain else None
        if family and family not in published.TABLE_3[EMOTIONS[0]]:
            family = None
        if family:
            columns.append(Column(f"{key}_paper", "paper", name, signed=True))
        shown.append((c, family))
    rows: list[tuple[Cell, ...]] = []
    for i, emotion in enumerate(EMOTIONS):
        row: list[Cell] = [emotion]
        for c, family in shown:
            row.append(c.change.per_emotion[i])
            row += [published.TABLE_3[emotion][family]] if family else []
        rows.append(tuple(row))
    for title, attribute in (
        ("all (macro recall)", "macro_recall"),
        ("all (accuracy)", "accuracy"),
        ("macro-F1 × 100", "macro_f1"),
    ):
        row = [title]
        for c, family in shown:
            row.append(getattr(c.change, attribute))
            theirs = published.change(family) if family and attribute == "macro_recall" else None
            row += [theirs] if family else []
        rows.append(tuple(row))
    row = ["McNemar p"]
    for c, family in shown:
        row.append(_p_range([test.p for _, _, test in c.by_seed]))
        row += [None] if family else []
    rows.append(tuple(row))
    return Table(
        "table3",
        "Change per emotion with the Perturb Scheme, in points",
        tuple(columns),
        tuple(rows),
        f"Perturb Scheme − baseline, same test faces. {INTERVALS} An interval that holds zero "
        "means that the test split cannot tell the two apart. McNemar's p is for the accuracy over "
        "all faces; with several seeds, the smallest and largest."
        + (f" {published.MEASURE}" if with_paper else ""),
    )


def pairs_table(group: Group) -> Table:
    """Every method against the baseline, seed by seed, with McNemar's test."""
    tests = [(c, seed, change, test) for c in group.comparisons for seed, change, test in c.by_seed]
    adjusted = holm([test.p for *_, test in tests])
    rows: list[tuple[Cell, ...]] = [
        (
            *(c.other.model, c.other.method, str(seed), change),
            *(test.only_first, test.only_second),
            *(test.p, p, "exact" if test.exact else "chi-squared"),
        )
        for (c, seed, change, test), p in zip(tests, adjusted, strict=True)
    ]
    return Table(
        "paired",
        "Each method against the baseline, face by face",
        (
            Column("model", "Model"),
            Column("method", "Method"),
            Column("seed", "Seed"),
            Column("change", "Change, points", scale=100, signed=True),
            Column("only_baseline", "Baseline only"),
            Column("only_method", "Method only"),
            Column("p", "McNemar p", p_value=True),
            Column("p_holm", "p, Holm", p_value=True),
            Column("test", "Test"),
        ),
        tuple(rows),
        "Change of accuracy; faces that the baseline alone, or the method alone, got right. "
        f"Holm's correction is over the {len(rows)} tests of this table.",
    )


def emotion_table(group: Group) -> Table:
    """Per-emotion accuracy of every model and method."""
    labels = group.models[0].labels if group.models else np.zeros(0, np.int64)
    faces = np.bincount(labels, minlength=len(EMOTIONS))
    columns = [Column("model", "Model"), Column("method", "Method")]
    columns += [
        Column(emotion, f"{emotion} ({int(n):,})", scale=100)
        for emotion, n in zip(EMOTIONS, faces, strict=True)
    ]
    rows: list[tuple[Cell, ...]] = [
        (result.model, result.method, *result.scores.per_emotion) for result in group.models
    ]
    note = f"Share of each emotion's faces that are recognised, %; faces in brackets. {INTERVALS}"
    return Table("emotions", "Accuracy per emotion", tuple(columns), tuple(rows), note)


def augmentation_table(group: Group) -> Table:
    """Accuracy on validation and test under each stored test-time augmentation."""
    singles = [result for result in group.models if not result.is_ensemble]
    names = [
        a
        for a in reversed(AUGMENTATIONS)
        if all((split, a) in run.logits for m in singles for run in m.runs for split in TESTED)
    ]
    splits = (("validation", "Validation"), ("test", "Test"))
    columns = [Column("model", "Model"), Column("method", "Method")]
    columns += [
        Column(f"{split}_{name.replace('-', '_')}", name, f"{title}, %", scale=100)
        for split, title in splits
        for name in names
    ]
    rows: list[tuple[Cell, ...]] = []
    for result in singles:
        row: list[Cell] = [result.model, result.method]
        for split, _ in splits:
            for name in names:
                values = [metrics.accuracy(*run.logits[split, name]) for run in result.runs]
                row.append(float(np.mean(values)))
        rows.append(tuple(row))
    title = "Accuracy by test-time augmentation"
    return Table("augmentation", title, tuple(columns), tuple(rows), "Mean over seeds.")


def calibration_table(group: Group) -> Table:
    """Calibration error and likelihood, as they come and after one temperature per run."""
    rows: list[tuple[Cell, ...]] = []
    for result in group.models:
        raw = [(result.labels, z) for z in result.logits]
        scaled = [
            (result.labels, z / t) for z, t in zip(result.logits, result.temperatures, strict=True)
        ]
        row: list[Cell] = [result.model, result.method, float(np.mean(result.temperatures))]
        for pairs in (raw, scaled):
            row.append(float(np.mean([metrics.ece(*pair) for pair in pairs])))
            row.append(float(np.mean([metrics.nll(*pair) for pair in pairs])))
        rows.append(tuple(row))
    return Table(
        "calibration",
        "Calibration",
        (
            Column("model", "Model"),
            Column("method", "Method"),
            Column("temperature", "Temperature", digits=2),
            Column("ece", "ECE, %", "As trained", scale=100),
            Column("nll", "NLL", "As trained", digits=3),
            Column("ece_scaled", "ECE, %", "With temperature", scale=100),
            Column("nll_scaled", "NLL", "With temperature", digits=3),
        ),
        tuple(rows),
        "Expected calibration error over 15 bins and mean negative log-likelihood on the test "
        "split, mean over seeds. Summed logits (ensembles, and the Perturb Scheme's views) are "
        "larger and so look surer than they are; the temperature, fitted on validation, takes "
        "that out.",
    )


def _paper_numbers(result: ModelResult) -> tuple[Cell, Cell]:
    found = published.TABLE_2.get((family_of(result) or "", result.method))
    return found if found else (None, None)


def _p_range(values: Sequence[float]) -> str | None:
    if not values:
        return None
    low, high = p_text(min(values)), p_text(max(values))
    return low if low == high else f"{low} to {high}"
