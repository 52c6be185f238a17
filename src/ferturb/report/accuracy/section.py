"""How well the models do: over all faces, by emotion, and how well they know it."""

from __future__ import annotations

from ferturb.report import sentences
from ferturb.report.accuracy import figures, tables
from ferturb.report.form.style import Picture, png_of
from ferturb.report.form.tables import Table
from ferturb.report.results import StudyResults
from ferturb.report.section import Section, section_of


def section(results: StudyResults) -> Section | None:
    """Table 2 and every method against the baseline."""
    main = results.main
    if not main.models:
        return None
    items: list[Table | Picture] = [tables.accuracy_table(main, results.fer2013)]
    if main.comparisons:
        items += [_differences(results), tables.pairs_table(main)]
    return section_of("accuracy", "Accuracy", [*items, tables.augmentation_table(main)])


def emotions(results: StudyResults) -> Section | None:
    """Table 3, the accuracy of each emotion, and confusion matrices."""
    main = results.main
    if not main.models:
        return None
    items: list[Table | Picture] = []
    if main.perturb:
        items.append(tables.change_table(main.perturb, results.fer2013))
    shown = [model for model in main.models if model.method != "attention"] or main.models
    caption = (
        "Of the faces with the label at the left, the percentage that was given the emotion below. "
        "Rows add up to 100, up to rounding; with several seeds, faces of all seeds together."
    )
    alt = "One matrix per model and method; the table of accuracy per emotion has its diagonal."
    png = png_of(figures.confusion_matrices(shown))
    picture = Picture("confusion", "Confusion matrices", caption, alt, png)
    return section_of("emotions", "By emotion", [*items, tables.emotion_table(main), picture])


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
    png = png_of(figures.reliability(main.models))
    picture = Picture("reliability", "Reliability", caption, alt, png)
    return section_of("calibration", "Calibration", [tables.calibration_table(main), picture])


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
    png = png_of(figures.differences(comparisons, results.fer2013))
    return Picture("differences", "Change of accuracy", caption, alt, png)
