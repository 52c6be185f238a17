"""How well the models do: over all faces, by emotion, and how well they know it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation import metrics
from ferturb.evaluation.other_data import TESTED
from ferturb.evaluation.significance import holm
from ferturb.report import published, sentences
from ferturb.report.accuracy import figures
from ferturb.report.form.captions import INTERVALS, SCORES, family_of
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Cell, Column, Table, p_text, plain_columns, slugs
from ferturb.report.groups import AUGMENTATIONS, Comparison, Group
from ferturb.report.model_results import ModelResult
from ferturb.report.results import StudyResults
from ferturb.report.section import Section, section_of


def section(results: StudyResults) -> Section | None:
    """Table 2 and every method against the baseline."""
    main = results.main
    if not main.models:
        return None
    items: list[Table | Picture] = [accuracy_table(main, results.fer2013)]
    if main.comparisons:
        items += [_differences(results), pairs_table(main)]
    return section_of("accuracy", "Accuracy", items, [augmentation_table(main)])


def emotions(results: StudyResults) -> Section | None:
    """Table 3, the accuracy of each emotion, and confusion matrices."""
    main = results.main
    if not main.models:
        return None
    items: list[Table | Picture] = []
    if main.perturb:
        items.append(change_table(main.perturb, results.fer2013))
    shown = [model for model in main.models if model.method != "attention"] or main.models
    caption = (
        "Of the faces with the label at the left, the percentage that was given the emotion below. "
        "Rows add up to 100, up to rounding; with several seeds, faces of all seeds together."
    )
    alt = "One matrix per model and method; the table of accuracy per emotion has its diagonal."
    prints = prints_of(figures.confusion_matrices(shown))
    picture = Picture("confusion", "Confusion matrices", caption, alt, prints)
    return section_of("emotions", "By emotion", [*items, emotion_table(main), picture])


def calibration(results: StudyResults) -> Section | None:
    """Whether the models are as right as they are sure."""
    main = results.main
    if not main.models:
        return None
    caption = (
        "Accuracy of the faces in each of 15 bins of confidence, after the temperature fitted on "
        "validation. Points grow with the number of faces; bins with fewer than ten are left out. "
        "Below the dashed line the model is surer than it is right."
    )
    alt = "Accuracy by confidence for each model and method; the table of calibration sums it up."
    prints = prints_of(figures.reliability(main.models))
    picture = Picture("reliability", "Reliability", caption, alt, prints)
    return section_of("calibration", "Calibration", [calibration_table(main), picture])


def _differences(results: StudyResults) -> Picture:
    comparisons = results.main.comparisons
    caption = (
        "Accuracy of each method minus that of the baseline, same model and same test faces, "
        "with 95 % intervals. An interval across zero is no difference that this test split "
        "can show."
    )
    if results.fer2013:
        caption += " Below it the same in macro recall, which is what the paper reports."
    alt = " ".join(sentences.verdicts(comparisons, results.fer2013))
    prints = prints_of(figures.differences(comparisons, results.fer2013))
    return Picture("differences", "Change of accuracy", caption, alt, prints)


def accuracy_table(group: Group, with_paper: bool) -> Table:
    """Table 2: accuracy and F1 of every model and method, beside the paper's."""
    columns = [*plain_columns("model", "method", "seeds"), *SCORES]
    if with_paper:
        columns += [
            Column("paper_macro_recall", "Macro recall, %", "Paper", scale=100),
            Column("paper_f1", "F1", "Paper", digits=3),
        ]
    rows: list[tuple[Cell, ...]] = []
    for result in group.models:
        s = result.scores
        key = (family_of(result) or "", result.method)
        theirs = published.TABLE_2.get(key, (None, None)) if with_paper else ()
        head = (result.model, result.method, len(result.seeds))
        rows.append((*head, s.accuracy, s.macro_recall, s.macro_f1, *theirs))
    note = f"Test split, test-time augmentation: {group.augmentation}. {INTERVALS}"
    if with_paper:
        note += f" {published.MEASURE}"
    for name, members in {m.model: m.members for m in group.models if m.is_ensemble}.items():
        note += f" {name} = sum of the logits of {', '.join(members)}."
    return Table("table2", "Accuracy and F1 by model and method", tuple(columns), tuple(rows), note)


def change_table(comparisons: Sequence[Comparison], with_paper: bool) -> Table:
    """Table 3: change of each emotion's accuracy with the Perturb Scheme, in points."""
    heads = (*EMOTIONS, "all (macro recall)", "all (accuracy)", "macro-F1 × 100", "McNemar p")
    columns = [Column("emotion", "Emotion")]
    values: list[Sequence[Cell]] = [heads]
    names = [_name_of(c.other) for c in comparisons]
    for c, name, key in zip(comparisons, names, slugs(names), strict=True):
        columns.append(Column(key, "change", name, scale=100, signed=True))
        over_all = (c.change.macro_recall, c.change.accuracy, c.change.macro_f1)
        p = _p_range([test.p for _, _, test in c.by_seed])
        values.append((*c.change.per_emotion, *over_all, p))
        plain = c.other.method == "perturb"
        family = published.family(c.other.model) if with_paper and plain else None
        if family and family in published.TABLE_3[EMOTIONS[0]]:
            columns.append(Column(f"{key}_paper", "paper", name, signed=True))
            theirs = [published.TABLE_3[emotion][family] for emotion in EMOTIONS]
            values.append((*theirs, published.change(family), None, None, None))
    return Table(
        "table3",
        "Change per emotion with the Perturb Scheme, in points",
        tuple(columns),
        tuple(zip(*values, strict=True)),
        f"Perturb Scheme − baseline, same test faces. {INTERVALS} An interval that holds zero "
        "means that the test split cannot tell the two apart. McNemar's p is for the accuracy over "
        "all faces; with several seeds, the smallest and largest."
        + (f" {published.MEASURE}" if with_paper else ""),
    )


def _name_of(result: ModelResult) -> str:
    """A network, and its method where that has settings of its own."""
    return result.model if result.method == "perturb" else f"{result.model}, {result.method}"


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
            *plain_columns("model", "method", "seed"),
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
    faces = np.bincount(group.models[0].labels, minlength=len(EMOTIONS))
    columns = [
        *plain_columns("model", "method"),
        *(
            Column(emotion, f"{emotion} ({int(n):,})", scale=100)
            for emotion, n in zip(EMOTIONS, faces, strict=True)
        ),
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
    columns = plain_columns("model", "method")
    columns += [
        Column(f"{split}_{name.replace('-', '_')}", name, f"{title}, %", scale=100)
        for split, title in splits
        for name in names
    ]
    rows: list[tuple[Cell, ...]] = []
    for result in singles:
        shares = [
            float(np.mean([metrics.accuracy(*run.logits[split, name]) for run in result.runs]))
            for split, _ in splits
            for name in names
        ]
        rows.append((result.model, result.method, *shares))
    title = "Accuracy by test-time augmentation"
    return Table("augmentation", title, tuple(columns), tuple(rows), "Mean over seeds.")


def calibration_table(group: Group) -> Table:
    """Calibration error and likelihood, as they come and after one temperature per run."""
    rows: list[tuple[Cell, ...]] = []
    for result in group.models:
        errors = [
            float(np.mean([measure(result.labels, z) for z in logits]))
            for logits in (result.logits, result.scaled_logits)
            for measure in (metrics.ece, metrics.nll)
        ]
        temperature = float(np.mean(result.temperatures))
        rows.append((result.model, result.method, temperature, *errors))
    return Table(
        "calibration",
        "Calibration",
        (
            *plain_columns("model", "method"),
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


def _p_range(values: Sequence[float]) -> str | None:
    if not values:
        return None
    low, high = p_text(min(values)), p_text(max(values))
    return low if low == high else f"{low} to {high}"
