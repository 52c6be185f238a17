"""The benchmark in print: summary, profile, and every number of every condition."""

from __future__ import annotations

from collections.abc import Sequence

from ferturb.base.emotions import EMOTIONS
from ferturb.evaluation.benchmark.protocol import (
    ANSWERS_FROM,
    CONDITIONS,
    HARD,
    SUMMARIES,
    TITLE,
)
from ferturb.evaluation.benchmark.scores import Entry
from ferturb.evaluation.significance import Interval
from ferturb.report.benchmark.figures import MOST, heading, profile, severities
from ferturb.report.form.models_page import Page
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Cell, Column, Table, number, plain_columns, signed_points
from ferturb.report.section import Section

_SHARE = Column("share", "share", scale=100)
_MEASURES = (
    Column("accuracy", "Accuracy, %", scale=100),
    Column("macro_recall", "Macro recall, %", scale=100),
    Column("ece", "Calibration error, %", scale=100),
    Column("answered", "Answered, %", scale=100),
    Column("right", "of these right, %", scale=100),
    Column("change", "Against whole faces", scale=100, signed=True),
    Column("excess", "Against the control", scale=100, signed=True),
)


def benchmark_page(entries: Sequence[Entry]) -> Page:
    """The page of one entry, or of several beside each other."""
    names = ", ".join(entry.name for entry in entries)
    first = entries[0]
    split = first.data.get("split", "test")
    source = (first.data.get("data") or {}).get("source", "")
    return Page(
        title=f"{TITLE}: {names}" if len(entries) < 4 else f"{TITLE}: {len(entries)} models",
        about=f"{names}; {first.n:,} {split} faces of {source}. Made by ferturb.",
        sections=tuple(sections(entries)),
        answer=headline(first),
        facts={
            "Whole faces": _plain(first.whole.accuracy),
            "Mean relative accuracy": _plain(first.relative_accuracy),
            "Excess, points": signed_points(first.excess.estimate),
            "Answered, hidden or corrupted": _plain_share(first, "answered"),
        },
        notes=notes_on(entries),
        how=(
            *SUMMARIES.values(),
            f"A model answers where its largest probability is at least {ANSWERS_FROM:g}; it is "
            "asked once about each face, without test-time augmentation. Calibration error: the "
            "expected one, over 15 bins of confidence.",
        ),
    )


def sections(entries: Sequence[Entry]) -> list[Section]:
    """The sections of the page."""
    found = [
        Section("profile", "At a glance", (summary_table(entries), _profile(entries))),
        Section("severity", "How much is left out", (_severities(entries),)),
        Section(
            "conditions",
            "Every condition",
            (accuracy_table(entries),),
            (measures_table(entries), emotions_table(entries)),
        ),
    ]
    listed = listed_table(entries)
    if listed.rows:
        found.insert(2, Section("listed", "Really hidden, really turned", (listed,)))
    return found


def headline(entry: Entry) -> str:
    """What an entry comes to, in two sentences."""
    worst = min(HARD, key=lambda c: entry.conditions[c.key].accuracy.estimate)
    least = entry.conditions[worst.key].accuracy.estimate
    return (
        f"{entry.name} names the emotion of {_plain(entry.whole.accuracy)} of whole faces as it "
        f"is labelled, and keeps {_plain(entry.relative_accuracy)} of that on average where "
        f"something is hidden or corrupted. It is right least often under “{heading(worst)}”, in "
        f"{100 * least:.1f} %."
    )


def summary_table(entries: Sequence[Entry]) -> Table:
    """One row a model, narrow enough for a column of print; the CSV has more."""
    columns = (
        Column("model", "Model"),
        Column("n", "n", in_print=False),
        Column("whole", "Whole, %", scale=100),
        Column("macro_recall", "Macro recall, %", scale=100, in_print=False),
        Column("relative_accuracy", "Relative, %", scale=100),
        Column("excess", "Excess", scale=100, signed=True),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (e.name, e.n, e.whole.accuracy, e.whole.macro_recall, e.relative_accuracy, e.excess)
        for e in entries
    )
    return Table("benchmark_summary", f"{TITLE} at a glance", columns, rows, _summary_note())


def accuracy_table(entries: Sequence[Entry]) -> Table:
    """Accuracy: a row a condition, a column a model."""
    columns = (
        Column("condition", "Faces"),
        *(Column(f"model_{i}", e.name, scale=100) for i, e in enumerate(entries, 1)),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (heading(c), *(e.conditions[c.key].accuracy for e in entries)) for c in CONDITIONS
    )
    note = "Accuracy, %. “at random”: as many pixels left out anywhere in the same face."
    return Table("benchmark_accuracy", "Accuracy under every condition", columns, rows, note)


def measures_table(entries: Sequence[Entry]) -> Table:
    """A row for each model and condition, with all that is measured over all emotions."""
    columns = (*plain_columns("model"), Column("condition", "Faces"), *_MEASURES)
    rows: list[tuple[Cell, ...]] = []
    for entry in entries:
        for c in CONDITIONS:
            score = entry.conditions[c.key]
            values: list[Cell] = [_known(getattr(score, column.key)) for column in _MEASURES]
            rows.append((entry.name, heading(c), *values))
    title = "Calibration, abstention and controls under every condition"
    return Table("benchmark_measures", title, columns, tuple(rows))


def emotions_table(entries: Sequence[Entry]) -> Table:
    """A row for each model and condition, a column an emotion."""
    columns = (
        *plain_columns("model"),
        Column("condition", "Faces"),
        *(Column(emotion, emotion, scale=100) for emotion in EMOTIONS),
    )
    rows = tuple(
        (e.name, heading(c), *(_known(v) for v in e.conditions[c.key].emotions.values()))
        for e in entries
        for c in CONDITIONS
    )
    title = "Accuracy per emotion under every condition, %"
    return Table("benchmark_emotions", title, columns, rows)


def listed_table(entries: Sequence[Entry]) -> Table:
    """Faces of published lists, where they were given."""
    columns = (
        *plain_columns("model", "list", "faces"),
        Column("n", "n"),
        Column("accuracy", "Accuracy, %", scale=100),
    )
    rows = tuple(
        (e.name, str(row["list"]), str(row["faces"]), int(row["n"]), Interval(*row["accuracy"]))
        for e in entries
        for row in e.listed
    )
    note = "By the majority of FER+'s ten people; contempt counts as an error."
    title = "Faces that are really occluded or turned away"
    return Table("benchmark_listed", title, columns, rows, note)


def terminal_rows(entries: Sequence[Entry]) -> list[list[str]]:
    """The rows of a terminal's table: model, whole, relative, excess, n."""
    return [
        [
            e.name,
            *(_spread(v, _SHARE) for v in (e.whole.accuracy, e.relative_accuracy)),
            _spread(e.excess, Column("excess", "excess", scale=100, signed=True)),
            f"{e.n:,}",
        ]
        for e in entries
    ]


def _profile(entries: Sequence[Entry]) -> Picture:
    caption = (
        "Accuracy with its 95 % interval; of what is left out, the largest area (20 % of the "
        "face). Hollow: as many pixels left out at random in the same face." + _first_of(entries)
    )
    alt = " ".join(headline(entry) for entry in entries[:MOST])
    return Picture("benchmark_profile", "Profile", caption, alt, prints_of(profile(entries)))


def _severities(entries: Sequence[Entry]) -> Picture:
    caption = (
        "Accuracy where a facial feature is left out, from its middle outwards, and (dashed) where "
        "as much is left out at random." + _first_of(entries)
    )
    alt = f"Seven panels, one a facial feature; {headline(entries[0])}"
    title = "Accuracy by the share of the face that is left out"
    return Picture("benchmark_severities", title, caption, alt, prints_of(severities(entries)))


def notes_on(entries: Sequence[Entry]) -> tuple[str, ...]:
    """What to know before a number is quoted."""
    said = [
        "Hidden parts and masks are drawn, and corruptions are made; only published lists of faces "
        "show real ones.",
        "A relative accuracy is a share of the model's own accuracy: one that guesses keeps all of "
        "it. Read it beside the accuracy on whole faces.",
    ]
    sets = {(e.n, (e.data.get("data") or {}).get("hash")) for e in entries}
    if len(sets) > 1:
        said.append("These models were not all asked about the same faces: don't compare them.")
    return tuple(said)


def _summary_note() -> str:
    return (
        f"Relative: accuracy under {len(HARD)} conditions over that on whole faces. Excess: points "
        "against as many pixels left out at random; below zero, facial features are needed more."
    )


def _first_of(entries: Sequence[Entry]) -> str:
    if len(entries) <= MOST:
        return ""
    return f" The first {MOST} of {len(entries)} models; the tables have all."


def _plain(value: Interval) -> str:
    return f"{100 * value.estimate:.1f} %"


def _plain_share(entry: Entry, measure: str) -> str:
    values = [getattr(entry.conditions[c.key], measure).estimate for c in HARD]
    return f"{100 * sum(values) / len(values):.1f} %"


def _spread(value: Interval, column: Column) -> str:
    estimate, low, high = (number(v, column) for v in (value.estimate, value.low, value.high))
    return f"{estimate} [{low}, {high}]"


def _known(value: Interval) -> Interval | None:
    return None if value.estimate != value.estimate else value
