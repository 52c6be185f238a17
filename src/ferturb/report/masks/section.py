"""Face masks: Table 1 of the paper in both its readings, and the two by two behind it (`pairs`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation.significance import Interval
from ferturb.report import published
from ferturb.report.form import style
from ferturb.report.form.captions import INTERVALS, SCORES, family_of
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Cell, Column, Table, slugs
from ferturb.report.masks.pairs import MaskGroup, MaskPair, Phrases, contrasts
from ferturb.report.masks.sentences import mask_sentences
from ferturb.report.model_results import Scores, relative_change, scores_difference
from ferturb.report.results import StudyResults
from ferturb.report.section import Section, section_of

Readings = dict[str, tuple[Interval, ...]]
"""What a column says of training and test faces -> the changes of `relative_change`."""


def section(results: StudyResults) -> Section | None:
    """Table 1 and all four cells of every network trained on whole faces and with face masks."""
    items: list[Table | Picture] = []
    for group in results.masks:
        table_1, *others = mask_tables(group)
        items += [table_1, *_mask_pictures(group), *others]
    return section_of("masks", "Face masks", items)


def mask_tables(group: MaskGroup) -> tuple[Table, ...]:
    """Table 1, the four cells, and their differences."""
    both = (group.pairs, group.phrases)
    return _table_1(*both), _cells_table(*both), _changes_table(*both), _gain_table(*both)


def _mask_pictures(group: MaskGroup) -> tuple[Picture, ...]:
    """Table 1 as a picture, and the four cells as one."""
    pairs, phrases = group.pairs, group.phrases
    lines = Picture(
        f"masks_two_by_two{phrases.suffix}",
        f"Accuracy with and without {phrases.masks}, in training and at test time",
        f"Accuracy on the test split, 95 % intervals. Each line is one training, tested on both "
        f"kinds of faces. Dashed: from trained and tested on {phrases.whole} to trained and tested "
        f"on {phrases.masks}, the first reading of Table 1.",
        " ".join(mask_sentences(pairs, phrases)),
        prints_of(two_by_two(pairs, phrases.whole, phrases.masks)),
    )
    theirs = [_paper_column(pair, phrases) for pair in pairs]
    readings = [_readings(pair, phrases) for pair in pairs]
    by_emotion = Picture(
        f"masks_by_emotion{phrases.suffix}",
        f"Change per emotion, {phrases.masks} against {phrases.whole}",
        "Change in percent of the accuracy without masks, with 95 % intervals: Table 1 as a "
        "picture." + (" Hollow: the paper's." if any(theirs) else ""),
        "The table above has the numbers.",
        prints_of(change_by_emotion([pair.name for pair in pairs], readings, theirs)),
    )
    return by_emotion, lines


def _readings(pair: MaskPair, phrases: Phrases) -> Readings:
    """Both readings of Table 1, as far as they were measured, each against whole faces alone."""
    w, m = phrases.whole, phrases.masks
    cells = {f"{m} → {m}": pair.masks_masks, f"{w} → {m}": pair.whole_masks}
    return {title: relative_change(pair.whole_whole, cell) for title, cell in cells.items() if cell}


def _table_1(pairs: Sequence[MaskPair], phrases: Phrases) -> Table:
    columns = [Column("emotion", "Emotion")]
    values: list[Sequence[Cell]] = [(*EMOTIONS, "all (macro recall)", "all (accuracy)")]
    for pair, key in zip(pairs, slugs([pair.name for pair in pairs]), strict=True):
        readings = _readings(pair, phrases)
        for end, title in zip(("", "_tested"), readings, strict=False):
            columns.append(Column(key + end, f"{title}, %", pair.name, scale=100, signed=True))
            values.append(readings[title])
        if theirs := _paper_column(pair, phrases):
            columns.append(Column(f"{key}_paper", "paper, %", pair.name, digits=0, signed=True))
            values.append((*(theirs[emotion] for emotion in EMOTIONS), None, None))
    w, m = phrases.whole, phrases.masks
    return Table(
        "table1" if not phrases.suffix else f"masks_change{phrases.suffix}",
        f"Change of accuracy with {m} against {w}, percent",
        tuple(columns),
        tuple(zip(*values, strict=True)),
        f"Training → test faces; (accuracy − accuracy trained and tested on {w}) / the latter, on "
        f"the same test faces. The paper's table can be read in two ways: its text says that the "
        f"networks were trained on masked faces ({m} → {m}), an earlier version that networks "
        f"trained on whole faces were tested on masked ones ({w} → {m}). {INTERVALS} The same "
        "in points, and the other cells, are in the tables below.",
    )


def _cells_table(pairs: Sequence[MaskPair], phrases: Phrases) -> Table:
    columns = [
        *(Column("model", "Model"), Column("trained", "Trained on"), Column("tested", "Tested on")),
        *SCORES,
        *(Column(emotion, emotion, scale=100) for emotion in EMOTIONS),
    ]
    w, m = phrases.whole, phrases.masks
    rows: list[tuple[Cell, ...]] = [
        (pair.name, trained, tested, *(_row(result.scores) if result else (None,) * 10))
        for pair in pairs
        for trained, tested, result in (
            (w, w, pair.whole_whole),
            (w, m, pair.whole_masks),
            (m, w, pair.masks_whole),
            (m, m, pair.masks_masks),
        )
    ]
    title = f"Accuracy by what the faces wear: {w}, {m}"
    note = f"Test split; emotions: share of their faces that are recognised, %. {INTERVALS}"
    return Table(f"masks_cells{phrases.suffix}", title, tuple(columns), tuple(rows), note)


def _changes_table(pairs: Sequence[MaskPair], phrases: Phrases) -> Table:
    heads = {"accuracy": "Accuracy", "macro_recall": "Macro recall", "macro_f1": "Macro-F1 × 100"}
    heads |= {emotion: emotion for emotion in EMOTIONS}
    columns = [Column("model", "Model"), Column("change", "What changes")]
    columns += [Column(key, head, scale=100, signed=True) for key, head in heads.items()]
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


def _gain_table(pairs: Sequence[MaskPair], phrases: Phrases) -> Table:
    """What training on face masks gains on them, as a share, beside Han's claim."""
    columns = [Column("model", "Model"), Column("trained", "Trained on")]
    columns += [
        Column("before", f"Accuracy on {phrases.masks}, trained on {phrases.whole}", scale=100),
        Column("after", "Accuracy, trained so", scale=100),
        Column("gain", "Relative gain, %", scale=100, signed=True),
    ]
    rows: list[tuple[Cell, ...]] = []
    for pair in pairs:
        trained = {phrases.masks: pair.masks_masks, "both, half of each": pair.both_masks}
        for name, result in trained.items():
            if result is not None and pair.whole_masks is not None:
                gain = relative_change(pair.whole_masks, result)[-1]
                before, after = (r.scores.accuracy for r in (pair.whole_masks, result))
                rows.append((pair.name, name, before, after, gain))
    return Table(
        f"masks_gain{phrases.suffix}",
        f"What training on {phrases.masks} gains there",
        tuple(columns),
        tuple(rows),
        "Han, “Masked FER-2013” (IEEE VRW 2023), reports a relative gain of up to 46 % for a CNN, "
        f"VGG or ResNet on face masks of its own, not these. {INTERVALS}",
    )


def _row(scores: Scores) -> tuple[Cell, ...]:
    return (scores.accuracy, scores.macro_recall, scores.macro_f1, *scores.per_emotion)


def _paper_column(pair: MaskPair, phrases: Phrases) -> dict[str, float]:
    """The paper's change per emotion, in percent; {} where it has none for this network."""
    known = phrases.with_paper and pair.method == "baseline"
    family = family_of(pair.whole_whole) if known else None
    return {e: float(row[family]) for e, row in published.TABLE_1.items()} if family else {}


_BESIDE = 0.06
_CLOSE = 3.0
_APART = 0.16


def two_by_two(pairs: Sequence[MaskPair], whole: str, masks: str) -> Figure:
    """Accuracy on whole faces and on masked ones, one line a training, one panel a network."""
    with style.new_panels([pair.name for pair in pairs], 2.9, sharey=True) as (panels, figure):
        for axes, pair in zip(panels, pairs, strict=True):
            for colour, cells, shift in (
                (style.BLUE, (pair.whole_whole, pair.whole_masks), -_BESIDE),
                (style.VERMILLION, (pair.masks_whole, pair.masks_masks), _BESIDE),
            ):
                known = {x: cell.scores.accuracy for x, cell in enumerate(cells) if cell}
                shares = [100 * score.estimate for score in known.values()]
                axes.plot([x + shift for x in known], shares, color=colour, linewidth=1.8)
                for (x, score), share in zip(known.items(), shares, strict=True):
                    ends = [100 * score.low, 100 * score.high]
                    axes.plot([x + shift] * 2, ends, color=colour, linewidth=3, alpha=0.35)
                    axes.plot(x + shift, share, "o", color=colour, markersize=6)
                    _print_share(axes, pair, x, colour, share)
            first, last = pair.whole_whole.scores.accuracy, pair.masks_masks.scores.accuracy
            diagonal = [100 * first.estimate, 100 * last.estimate]
            axes.plot([-_BESIDE, 1 + _BESIDE], diagonal, zorder=1, **style.DASHED)
            axes.set_xticks([0, 1], [f"tested on\n{whole}", f"tested on\n{masks}"])
            axes.set_xlim(-0.45, 1.45)
            axes.grid(visible=False, axis="x")
            axes.margins(y=0.12)
            axes.set_title(pair.name)
        panels[0].set_ylabel("accuracy, %")
        colours = {f"trained on {whole}": style.BLUE, f"trained on {masks}": style.VERMILLION}
        style.add_legend(figure, {**colours, "Table 1, first reading": None})
    return figure


def _print_share(axes: Axes, pair: MaskPair, x: int, colour: str, share: float) -> None:
    """A number beside its dot; where two would meet, the higher one above, the lower one below."""
    column = ((pair.whole_whole, pair.masks_whole), (pair.whole_masks, pair.masks_masks))[x]
    shares = [100 * cell.scores.accuracy.estimate for cell in column if cell]
    close = len(shares) == 2 and abs(shares[0] - shares[1]) < _CLOSE
    vertical = ("bottom" if share == max(shares) else "top") if close else "center"
    near, side = (x - 2 * _BESIDE, "right") if x == 0 else (x + 2 * _BESIDE, "left")
    axes.text(near, share, f"{share:.1f}", ha=side, va=vertical, color=colour, fontsize=8)


def change_by_emotion(
    names: Sequence[str],
    readings: Sequence[Mapping[str, tuple[Interval, ...]]],
    theirs: Sequence[Mapping[str, float]],
) -> Figure:
    """Change of each emotion's accuracy, macro recall and accuracy, percent; one panel a network.

    `readings` has, by its title, nine intervals as shares for each reading of Table 1; `theirs` the
    paper's numbers in percent.
    """
    rows = (*EMOTIONS, "macro recall", "accuracy")
    ends = [100 * end for r in readings for c in r.values() for i in c for end in (i.low, i.high)]
    ends = [end for end in ends if not math.isnan(end)]
    ends += [0.0, *(value for numbers in theirs for value in numbers.values())]
    titles = dict.fromkeys(title for reading in readings for title in reading)
    colours = dict(zip(titles, (style.VERMILLION, style.BLUE), strict=False))
    with style.new_panels(names, 3.2, sharey=True) as (panels, figure):
        for axes, name, reading, numbers in zip(panels, names, readings, theirs, strict=True):
            axes.axvline(0, color=style.INK, linewidth=1)
            for title, change in reading.items():
                shift = (list(titles).index(title) - (len(titles) - 1) / 2) * 2 * _APART
                for y, interval in enumerate(change):
                    style.draw_interval(axes, interval, y + shift, colours[title], 2, 5)
            for y, row in enumerate(rows):
                if row in numbers:
                    axes.plot(numbers[row], y, "D", ms=5, **style.HOLLOW)
            axes.set_yticks(range(len(rows)), rows)
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_xlim(min(ends) - 3, max(ends) + 3)
            axes.grid(visible=False, axis="y")
            axes.set_title(name)
            axes.set_xlabel("change, %")
        for title, colour in colours.items():
            panels[0].plot([], [], "o-", color=colour, label=title)
        if any(theirs):
            panels[0].plot([], [], "D", label="paper", ls="", **style.HOLLOW)
        figure.legend(loc="outside upper left", ncols=3)
    return figure
