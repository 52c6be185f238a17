"""Face masks: Table 1 of the paper, and the two by two that it leaves out (`mask_pairs`)."""

from __future__ import annotations

from collections.abc import Sequence

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation.significance import Interval
from ferturb.report import published
from ferturb.report.form.captions import INTERVALS, family_of
from ferturb.report.form.style import Picture
from ferturb.report.form.tables import Cell, Column, Table
from ferturb.report.masks import figures
from ferturb.report.masks.pairs import MaskGroup, MaskPair, Words, contrasts, mask_sentences
from ferturb.report.model_results import Scores, relative_change, scores_difference


def mask_items(groups: Sequence[MaskGroup]) -> tuple[Table | Picture, ...]:
    """Table 1 and all four cells of every network trained on whole faces and with face masks."""
    items: list[Table | Picture] = []
    for group in groups:
        table_1, *others = mask_tables(group)
        items += [table_1, *mask_pictures(group), *others]
    return tuple(items)


def mask_tables(group: MaskGroup) -> tuple[Table, ...]:
    """Table 1, the four cells, and their differences."""
    pairs, words = group.pairs, group.words
    return _table_1(pairs, words), _cells_table(pairs, words), _changes_table(pairs, words)


def mask_pictures(group: MaskGroup) -> tuple[Picture, ...]:
    """Table 1 as a picture, and the four cells as one."""
    pairs, words = group.pairs, group.words
    two_by_two = Picture(
        f"masks_two_by_two{words.suffix}",
        f"Accuracy with and without {words.masks}, in training and at test time",
        f"Accuracy on the test split, 95 % intervals. Each line is one training, tested on both "
        f"kinds of faces. Dashed: the two cells that Table 1 compares, trained and tested on "
        f"{words.whole}, and trained and tested on {words.masks}.",
        " ".join(mask_sentences(pairs, words)),
        figures.two_by_two(pairs, words.whole, words.masks),
    )
    theirs = [_paper_column(pair, words) for pair in pairs]
    by_emotion = Picture(
        f"masks_by_emotion{words.suffix}",
        f"Change per emotion, trained and tested on {words.masks} against {words.whole}",
        "Change in percent of the accuracy without masks, with 95 % intervals: Table 1 as a "
        "picture." + (" Hollow: the paper's." if any(theirs) else ""),
        "The table above has the numbers.",
        figures.change_by_emotion([pair.name for pair in pairs], _changes(pairs), theirs),
    )
    return by_emotion, two_by_two


def _changes(pairs: Sequence[MaskPair]) -> list[tuple[Interval, ...]]:
    return [relative_change(pair.whole_whole, pair.masks_masks) for pair in pairs]


def _table_1(pairs: Sequence[MaskPair], words: Words) -> Table:
    changes, theirs = _changes(pairs), [_paper_column(pair, words) for pair in pairs]
    columns = [Column("emotion", "Emotion")]
    for pair, numbers in zip(pairs, theirs, strict=True):
        key = _key(pair.name)
        columns.append(Column(key, "change, %", pair.name, scale=100, signed=True))
        if numbers:
            columns.append(Column(f"{key}_paper", "paper", pair.name, digits=0, signed=True))
    rows: list[tuple[Cell, ...]] = []
    for i, emotion in enumerate((*EMOTIONS, "all (accuracy)")):
        row: list[Cell] = [emotion]
        for change, numbers in zip(changes, theirs, strict=True):
            row.append(change[i])
            row += [numbers.get(emotion)] if numbers else []
        rows.append(tuple(row))
    key = "table1" if not words.suffix else f"masks_change{words.suffix}"
    return Table(
        key,
        f"Change of accuracy, trained on {words.masks} against trained on {words.whole}, percent",
        tuple(columns),
        tuple(rows),
        f"(accuracy trained and tested on {words.masks} − accuracy trained and tested on "
        f"{words.whole}) / the latter; same test faces. The paper does not say on which faces the "
        "networks trained with masks are tested; its explanation (less to see) suggests faces with "
        f"masks, and so it is here. {INTERVALS} The same in points, and the other cells, are in "
        "the tables below.",
    )


def _cells_table(pairs: Sequence[MaskPair], words: Words) -> Table:
    columns = [
        *(Column("model", "Model"), Column("trained", "Trained on"), Column("tested", "Tested on")),
        Column("accuracy", "Accuracy, %", scale=100),
        Column("macro_f1", "Macro-F1", digits=3),
        *(Column(emotion, emotion, scale=100) for emotion in EMOTIONS),
    ]
    rows: list[tuple[Cell, ...]] = []
    for pair in pairs:
        for trained, tested, arm in (
            (words.whole, words.whole, pair.whole_whole),
            (words.whole, words.masks, pair.whole_masks),
            (words.masks, words.whole, pair.masks_whole),
            (words.masks, words.masks, pair.masks_masks),
        ):
            head: tuple[Cell, ...] = (pair.name, trained, tested)
            rows.append((*head, *(_row(arm.scores) if arm else (None,) * 9)))
    title = f"Accuracy by what the faces wear: {words.whole}, {words.masks}"
    note = f"Test split; emotions: share of their faces that are recognised, %. {INTERVALS}"
    return Table(f"masks_cells{words.suffix}", title, tuple(columns), tuple(rows), note)


def _changes_table(pairs: Sequence[MaskPair], words: Words) -> Table:
    columns = [
        *(Column("model", "Model"), Column("change", "What changes")),
        Column("accuracy", "Accuracy", scale=100, signed=True),
        Column("macro_f1", "Macro-F1 × 100", scale=100, signed=True),
        *(Column(emotion, emotion, scale=100, signed=True) for emotion in EMOTIONS),
    ]
    rows: list[tuple[Cell, ...]] = [
        (pair.name, title, *_row(scores_difference(first, second)))
        for pair in pairs
        for title, first, second in contrasts(pair, words)
    ]
    return Table(
        f"masks_changes{words.suffix}",
        "What face masks change, in points",
        tuple(columns),
        tuple(rows),
        f"Differences of the cells above, on the same test faces. {INTERVALS} The last row of each "
        "model is Table 1 in points.",
    )


def _row(scores: Scores) -> tuple[Cell, ...]:
    return (scores.accuracy, scores.macro_f1, *scores.per_emotion)


def _paper_column(pair: MaskPair, words: Words) -> dict[str, float]:
    """The paper's change per emotion, in percent; {} where it has none for this network."""
    family = family_of(pair.whole_whole) if words.with_paper and pair.method == "baseline" else None
    return {e: float(row[family]) for e, row in published.TABLE_1.items()} if family else {}


def _key(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
