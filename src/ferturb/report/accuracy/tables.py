"""The tables of a study: Tables 2 and 3 of the paper, and what a reader needs to trust them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.evaluation import metrics
from ferturb.evaluation.significance import holm
from ferturb.report import published
from ferturb.report.form.captions import INTERVALS, family_of
from ferturb.report.form.tables import Cell, Column, Table, p_text
from ferturb.report.results import (
    AUGMENTATIONS,
    Arm,
    Comparison,
    Results,
    alteration,
    describe,
)
from ferturb.runs.run import Run


@dataclass(frozen=True)
class Planned:
    """One run that a study has or should have."""

    name: str
    run: Run | None
    state: str
    """"done", "unfinished (epoch 3 of 12)", "not started" or "unreadable: …"."""


def accuracy_table(results: Results, with_paper: bool) -> Table:
    """Table 2: accuracy and F1 of every arm, beside the paper's."""
    columns = [
        Column("model", "Model"),
        Column("method", "Method"),
        Column("seeds", "Seeds"),
        Column("accuracy", "Accuracy, %", scale=100),
        Column("macro_f1", "Macro-F1", digits=3),
        Column("balanced_accuracy", "Balanced accuracy, %", scale=100),
    ]
    if with_paper:
        columns += [
            Column("paper_accuracy", "Accuracy, %", "Paper", scale=100),
            Column("paper_f1", "F1", "Paper", digits=3),
        ]
    rows: list[tuple[Cell, ...]] = []
    for arm in results.arms:
        s = arm.scores
        row: tuple[Cell, ...] = (arm.model, arm.method, len(arm.seeds))
        row += (s.accuracy, s.macro_f1, s.balanced_accuracy)
        if with_paper:
            row += _paper_accuracy(arm)
        rows.append(row)
    note = f"Test split, test-time augmentation: {results.augmentation}. {INTERVALS}"
    ensembles = {arm.model: arm.members for arm in results.arms if arm.is_ensemble}
    for name, members in ensembles.items():
        note += f" {name} = sum of the logits of {', '.join(members)}."
    return Table("table2", "Accuracy and F1 by model and method", tuple(columns), tuple(rows), note)


def change_table(comparisons: Sequence[Comparison], with_paper: bool) -> Table:
    """Table 3: change of each emotion's accuracy with the Perturb Scheme, in points."""
    columns = [Column("emotion", "Emotion")]
    shown: list[tuple[Comparison, str | None]] = []
    for c in comparisons:
        plain = c.other.method == "perturb"
        group = c.other.model if plain else f"{c.other.model}, {c.other.method}"
        key = "".join(x if x.isalnum() else "_" for x in group)
        columns.append(Column(key, "change", group, scale=100, signed=True))
        family = published.family(c.other.model) if with_paper and plain else None
        if family and family not in published.TABLE_3[EMOTIONS[0]]:
            family = None
        if family:
            columns.append(Column(f"{key}_paper", "paper", group, signed=True))
        shown.append((c, family))
    rows: list[tuple[Cell, ...]] = []
    for i, emotion in enumerate(EMOTIONS):
        row: list[Cell] = [emotion]
        for c, family in shown:
            row.append(c.change.per_emotion[i])
            row += [published.TABLE_3[emotion][family]] if family else []
        rows.append(tuple(row))
    for title, attribute in (("all (accuracy)", "accuracy"), ("macro-F1 × 100", "macro_f1")):
        row = [title]
        for c, family in shown:
            row.append(getattr(c.change, attribute))
            row += [published.change(family) if attribute == "accuracy" else None] if family else []
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
        "all faces; with several seeds, the smallest and largest.",
    )


def pairs_table(results: Results) -> Table:
    """Every method against the baseline, seed by seed, with McNemar's test."""
    tests = [
        (c, seed, change, test) for c in results.comparisons for seed, change, test in c.by_seed
    ]
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


def emotion_table(results: Results) -> Table:
    """Per-emotion accuracy of every arm."""
    labels = results.arms[0].labels if results.arms else np.zeros(0, np.int64)
    faces = np.bincount(labels, minlength=len(EMOTIONS))
    columns = [Column("model", "Model"), Column("method", "Method")]
    columns += [
        Column(emotion, f"{emotion} ({int(n):,})", scale=100)
        for emotion, n in zip(EMOTIONS, faces, strict=True)
    ]
    rows: list[tuple[Cell, ...]] = [
        (arm.model, arm.method, *arm.scores.per_emotion) for arm in results.arms
    ]
    note = f"Share of each emotion's faces that are recognised, %; faces in brackets. {INTERVALS}"
    return Table("emotions", "Accuracy per emotion", tuple(columns), tuple(rows), note)


def augmentation_table(results: Results) -> Table:
    """Accuracy on validation and test under each stored test-time augmentation."""
    arms = [arm for arm in results.arms if not arm.is_ensemble]
    names = [
        a
        for a in reversed(AUGMENTATIONS)
        if all(a in run.augmentations() for arm in arms for run in arm.runs)
    ]
    splits = (("validation", "Validation"), ("test", "Test"))
    columns = [Column("model", "Model"), Column("method", "Method")]
    columns += [
        Column(f"{split}_{name.replace('-', '_')}", name, f"{title}, %", scale=100)
        for split, title in splits
        for name in names
    ]
    rows: list[tuple[Cell, ...]] = []
    for arm in arms:
        row: list[Cell] = [arm.model, arm.method]
        for split, _ in splits:
            for name in names:
                values = [metrics.accuracy(*run.logits(split, name)) for run in arm.runs]
                row.append(float(np.mean(values)))
        rows.append(tuple(row))
    title = "Accuracy by test-time augmentation"
    return Table("augmentation", title, tuple(columns), tuple(rows), "Mean over seeds.")


def calibration_table(results: Results) -> Table:
    """Calibration error and likelihood, as they come and after one temperature per run."""
    rows: list[tuple[Cell, ...]] = []
    for arm in results.arms:
        raw = [(arm.labels, z) for z in arm.logits]
        scaled = [(arm.labels, z / t) for z, t in zip(arm.logits, arm.temperatures, strict=True)]
        row: list[Cell] = [arm.model, arm.method, float(np.mean(arm.temperatures))]
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


def runs_table(planned: Sequence[Planned]) -> Table:
    """What was run: one row per planned run, finished or not."""
    rows: list[tuple[Cell, ...]] = [_run_row(plan) for plan in planned]
    return Table(
        "runs",
        "What was run",
        (
            Column("run", "Run"),
            Column("state", "State"),
            Column("model", "Model"),
            Column("method", "Method"),
            Column("faces", "Faces"),
            Column("recipe", "Recipe"),
            Column("seed", "Seed"),
            Column("epochs", "Epochs"),
            Column("best_epoch", "Best epoch"),
            Column("validation_accuracy", "Validation, %", scale=100),
            Column("parameters", "Parameters"),
            Column("minutes", "Minutes"),
            Column("finished", "Finished"),
            Column("commit", "Commit"),
            Column("data_hash", "Data hash"),
        ),
        tuple(rows),
        "Best epoch: the one with the highest validation accuracy, whose weights are evaluated. "
        "Minutes: training time, summed over interruptions. A + after the commit: the checkout had "
        "uncommitted changes.",
    )


def _run_row(plan: Planned) -> tuple[Cell, ...]:
    if plan.run is None:
        return (plan.name, plan.state) + (None,) * 13
    config = plan.run.config
    head: tuple[Cell, ...] = (plan.name, plan.state, config.model.name, config.method.name)
    head += (describe(alteration(plan.run)),)
    head += (config.recipe.name, str(config.seed), config.recipe.epochs)
    if not plan.run.done:
        return head + (None,) * 7
    try:
        record = plan.run.record()
    except FerturbError:
        return head + (None,) * 7
    commit = record.get("commit")
    finished = datetime.datetime.fromisoformat(record["finished"])
    return (
        *head,
        int(record["best_epoch"]),
        float(record["validation_accuracy"]),
        int(record["parameters"]),
        record["seconds"] / 60,
        f"{finished:%Y-%m-%d %H:%M}",
        f"{commit[:9]}{'+' if record.get('dirty') else ''}" if commit else None,
        str(record["data"]["hash"])[:12],
    )


def _paper_accuracy(arm: Arm) -> tuple[Cell, Cell]:
    found = published.TABLE_2.get((family_of(arm) or "", arm.method))
    return found if found else (None, None)


def _p_range(values: Sequence[float]) -> str | None:
    if not values:
        return None
    low, high = p_text(min(values)), p_text(max(values))
    return low if low == high else f"{low} to {high}"
