"""Face masks: Table 1 of the paper in both its readings, and the two by two behind it (`pairs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation.significance import Interval
from ferturb.report import published
from ferturb.report.form.captions import INTERVALS, family_of
from ferturb.report.form.style import Picture, png_of
from ferturb.report.form.tables import Cell, Column, Table, slug
from ferturb.report.masks import figures
from ferturb.report.masks.pairs import MaskGroup, MaskPair, Phrases, contrasts
from ferturb.report.model_results import Scores, relative_change, scores_difference
from ferturb.report.results import StudyResults
from ferturb.report.section import Section, section_of
from ferturb.report.sentences import mask_sentences

Readings = dict[str, tuple[Interval, ...]]
"""What a column says of training and test faces -> the changes of `relative_change`."""


def section(results: StudyResults) -> Section | None:
    """Table 1 and all four cells of every network trained on whole faces and with face masks."""
    items: list[Table | Picture] = []
    for group in results.masks:
        table_1, *others = mask_tables(group)
        items += [table_1, *mask_pictures(group), *others]
    return section_of("masks", "Face masks", items)


def mask_tables(group: MaskGroup) -> tuple[Table, ...]:
    """Table 1, the four cells, and their differences."""
    pairs, phrases = group.pairs, group.phrases
    return _table_1(pairs, phrases), _cells_table(pairs, phrases), _changes_table(pairs, phrases)


def mask_pictures(group: MaskGroup) -> tuple[Picture, ...]:
    """Table 1 as a picture, and the four cells as one."""
    pairs, phrases = group.pairs, group.phrases
    two_by_two = Picture(
        f"masks_two_by_two{phrases.suffix}",
        f"Accuracy with and without {phrases.masks}, in training and at test time",
        f"Accuracy on the test split, 95 % intervals. Each line is one training, tested on both "
        f"kinds of faces. Dashed: from trained and tested on {phrases.whole} to trained and tested "
        f"on {phrases.masks}, the first reading of Table 1.",
        " ".join(mask_sentences(pairs, phrases)),
        png_of(figures.two_by_two(pairs, phrases.whole, phrases.masks)),
    )
    theirs = [_paper_column(pair, phrases) for pair in pairs]
    readings = [_readings(pair, phrases) for pair in pairs]
    by_emotion = Picture(
        f"masks_by_emotion{phrases.suffix}",
        f"Change per emotion, {phrases.masks} against {phrases.whole}",
        "Change in percent of the accuracy without masks, with 95 % intervals: Table 1 as a "
        "picture." + (" Hollow: the paper's." if any(theirs) else ""),
        "The table above has the numbers.",
        png_of(figures.change_by_emotion([pair.name for pair in pairs], readings, theirs)),
    )
    return by_emotion, two_by_two


def _readings(pair: MaskPair, phrases: Phrases) -> Readings:
    """Both readings of Table 1, as far as they were measured, each against whole faces alone."""
    w, m = phrases.whole, phrases.masks
    cells = {f"{m} → {m}": pair.masks_masks, f"{w} → {m}": pair.whole_masks}
    return {
        title: relative_change(pair.whole_whole, cell)
        for title, cell in cells.items()
        if cell is not None
    }


def _table_1(pairs: Sequence[MaskPair], phrases: Phrases) -> Table:
    columns = [Column("emotion", "Emotion")]
    values: list[Mapping[str, Cell]] = []
    rows = (*EMOTIONS, "all (macro recall)", "all (accuracy)")
    for pair in pairs:
        key = slug(pair.name)
        for (title, change), end in zip(
            _readings(pair, phrases).items(), ("", "_tested"), strict=False
        ):
            columns.append(Column(f"{key}{end}", f"{title}, %", pair.name, scale=100, signed=True))
            values.append(dict(zip(rows, change, strict=True)))
        if theirs := _paper_column(pair, phrases):
            columns.append(Column(f"{key}_paper", "paper, %", pair.name, digits=0, signed=True))
            values.append(theirs)
    cells: list[tuple[Cell, ...]] = [(row, *(column.get(row) for column in values)) for row in rows]
    w, m = phrases.whole, phrases.masks
    return Table(
        "table1" if not phrases.suffix else f"masks_change{phrases.suffix}",
        f"Change of accuracy with {m} against {w}, percent",
        tuple(columns),
        tuple(cells),
        f"Training → test faces; (accuracy − accuracy trained and tested on {w}) / the latter, on "
        f"the same test faces. The paper's table can be read in two ways: its text says that the "
        f"networks were trained on masked faces ({m} → {m}), an earlier version that networks "
        f"trained on whole faces were tested on masked ones ({w} → {m}). {INTERVALS} The same "
        "in points, and the other cells, are in the tables below.",
    )


def _cells_table(pairs: Sequence[MaskPair], phrases: Phrases) -> Table:
    columns = [
        *(Column("model", "Model"), Column("trained", "Trained on"), Column("tested", "Tested on")),
        Column("accuracy", "Accuracy, %", scale=100),
        Column("macro_recall", "Macro recall, %", scale=100),
        Column("macro_f1", "Macro-F1", digits=3),
        *(Column(emotion, emotion, scale=100) for emotion in EMOTIONS),
    ]
    rows: list[tuple[Cell, ...]] = []
    for pair in pairs:
        for trained, tested, result in (
            (phrases.whole, phrases.whole, pair.whole_whole),
            (phrases.whole, phrases.masks, pair.whole_masks),
            (phrases.masks, phrases.whole, pair.masks_whole),
            (phrases.masks, phrases.masks, pair.masks_masks),
        ):
            head: tuple[Cell, ...] = (pair.name, trained, tested)
            rows.append((*head, *(_row(result.scores) if result else (None,) * 10)))
    title = f"Accuracy by what the faces wear: {phrases.whole}, {phrases.masks}"
    note = f"Test split; emotions: share of their faces that are recognised, %. {INTERVALS}"
    return Table(f"masks_cells{phrases.suffix}", title, tuple(columns), tuple(rows), note)


def _changes_table(pairs: Sequence[MaskPair], phrases: Phrases) -> Table:
    columns = [
        *(Column("model", "Model"), Column("change", "What changes")),
        Column("accuracy", "Accuracy", scale=100, signed=True),
        Column("macro_recall", "Macro recall", scale=100, signed=True),
        Column("macro_f1", "Macro-F1 × 100", scale=100, signed=True),
        *(Column(emotion, emotion, scale=100, signed=True) for emotion in EMOTIONS),
    ]
    rows: list[tuple[Cell, ...]] = [
        (pair.name, title, *_row(scores_difference(first, second)))
        for pair in pairs
        for title, first, second in contrasts(pair, phrases)
    ]
    w, m = phrases.whole, phrases.masks
    return Table(
        f"masks_changes{phrases.suffix}",
        "What face masks change, in points",
        tuple(columns),
        tuple(rows),
        f"Differences of the cells above, on the same faces. {INTERVALS} Table 1 in points: its "
        f"first reading is “both {w} → both {m}”, its second “trained on {w}: test {w} → {m}”.",
    )


def _row(scores: Scores) -> tuple[Cell, ...]:
    return (scores.accuracy, scores.macro_recall, scores.macro_f1, *scores.per_emotion)


def _paper_column(pair: MaskPair, phrases: Phrases) -> dict[str, float]:
    """The paper's change per emotion, in percent; {} where it has none for this network."""
    known = phrases.with_paper and pair.method == "baseline"
    family = family_of(pair.whole_whole) if known else None
    return {e: float(row[family]) for e, row in published.TABLE_1.items()} if family else {}
