"""What was planted in the drawn faces and what is found: by ablation, then by saliency.

On drawn faces it is known which feature carries which emotion, so that every matrix and every
saliency method can be judged by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferturb.data.drawn.action_units import FEATURES_OF_EMOTION
from ferturb.evaluation.ablation.planted import CARRIED
from ferturb.evaluation.saliency.benchmark import Benchmark, chance_of_naming, summarise
from ferturb.report.ablation.section import QUANTITIES
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Cell, Column, Table, plain_columns
from ferturb.report.planted.figures import truth_grid
from ferturb.report.planted.truth import JudgedMatrix, judged_matrices, taken_for
from ferturb.report.results import StudyResults
from ferturb.report.run_results import run_names
from ferturb.report.section import Section, section_of


def section(results: StudyResults) -> Section | None:
    """The grids of the first network, what each emotion's are, all tallies, and saliency."""
    every = judged_matrices(results)
    if not every:
        return None
    first = [one for one in every if one.shown is every[0].shown]
    items: list[Table | Picture] = [_grid(one) for one in first]
    items += [emotions_table(first[-1]), tally_table(every)]
    named = {
        name: judgement
        for name, run in zip(run_names(results.runs), results.runs, strict=True)
        for judgement in run.judgements.values()
        if len(judgement.planted)
    }
    items += [ranking_table(named)] if named else []
    return section_of("planted", "What was planted", items)


def _grid(one: JudgedMatrix) -> Picture:
    counts = one.counts
    caption = (
        f"Change of {QUANTITIES[one.measure]} in points without the feature at the left "
        f"({one.shown.title}; {one.shown.ablation.labels.size:,} test faces). Blue: the features "
        "whose action units show the emotion. Found: the change is significantly worse than "
        "without as many pixels at random."
    )
    alt = (
        f"{counts['hit']} of {counts['hit'] + counts['miss']} planted features are found, with "
        f"{counts['false alarm']} false alarms; the table below names them."
    )
    changes = {(c.feature, c.emotion): c.change.estimate for c in one.cells}
    title = f"Planted and found, by {one.measure}"
    prints = prints_of(truth_grid(one.verdicts, changes))
    return Picture(f"planted_{one.measure}", title, caption, alt, prints)


def emotions_table(one: JudgedMatrix) -> Table:
    """One row an emotion: what was planted, what is found, what is named without being planted."""

    def features(emotion: str, verdict: str) -> list[str]:
        return [f for (f, e), v in one.verdicts.items() if e == emotion and v == verdict]

    rows: list[tuple[Cell, ...]] = []
    for emotion in CARRIED:
        alarms = [
            f"{f} (taken for {taken_for(one.shown.ablation, f, emotion)})"
            for f in features(emotion, "false alarm")
        ]
        lists = (FEATURES_OF_EMOTION[emotion], features(emotion, "hit"), alarms)
        rows.append((emotion, *(", ".join(names) or "–" for names in lists)))
    note = (
        f"By {QUANTITIES[one.measure]}, {one.shown.title}. What a feature doesn't show tells "
        "emotions apart as well: fear leaves the nose smooth, and disgust does not. So a false "
        "alarm need not be an error of the network; in brackets what the emotion is taken for then."
    )
    columns = plain_columns("emotion", "planted", "found")
    columns.append(Column("false_alarms", "Found, not planted"))
    title = "Which feature carries which emotion"
    return Table("planted_emotions", title, tuple(columns), tuple(rows), note)


def tally_table(every: Sequence[JudgedMatrix]) -> Table:
    """One row a matrix: how much of what was planted it finds."""
    rows = tuple(
        (one.shown.title, QUANTITIES[one.measure], c["hit"], c["miss"], c["false alarm"])
        for one in every
        for c in [one.counts]
    )
    columns = plain_columns("model", "measure", "found", "missed", "false_alarms")
    note = (
        "Seven facial features by six emotions; neutral, which no feature carries, is not judged. "
        "A network that never saw a hole is surprised by one (baseline); one that was trained on "
        "faces without each feature (features-left-out) loses what the feature told it. Missed can "
        "be what other features show as well: an emotion that shows in four is seen in three."
    )
    title = "Planted features found, by network and measure"
    return Table("planted_tally", title, tuple(columns), rows, note)


def ranking_table(named: dict[str, Benchmark]) -> Table:
    """Saliency methods by how often they name a feature that carries the emotion."""
    rows: list[tuple[Cell, ...]] = []
    for name, judgement in named.items():
        scores = [s for s in summarise(judgement) if s.names_right is not None]
        scores.sort(key=lambda s: -s.names_right.estimate if s.names_right else 0.0)
        rows += [(name, s.method, s.n, s.names_right, s.points_right) for s in scores]
    chances = [c for j in named.values() if (c := chance_of_naming(j)) is not None]
    columns = (
        *plain_columns("model", "saliency"),
        Column("n", "Faces"),
        Column("names_right", "names, %", group="carrying feature", scale=100, digits=0),
        Column("points_right", "points to, %", group="carrying feature", scale=100, digits=0),
    )
    note = (
        "Names: the feature with the most mass for its area carries the face's emotion. Points to: "
        f"the maximum does. A random feature does in {100 * sum(chances) / len(chances):.0f} %; "
        "“random” and “centre” are maps that know nothing of the model."
    )
    title = "Saliency methods, ranked by the same truth"
    return Table("planted_saliency", title, columns, tuple(rows), note)
