"""Which facial features the models need: heatmaps, the matrix with intervals, and every cell.

Of what `ferturb ablate` and studies stored with the runs, and by retraining where there are runs
without a feature.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ferturb.base.tabular import Rows
from ferturb.evaluation.ablation.matrix import COLUMNS, MEASURES, Cell, matrix
from ferturb.evaluation.ablation.measure import Ablation
from ferturb.evaluation.significance import Interval
from ferturb.report.ablation.figures import NEEDED, SPARED, heatmap, mark_of
from ferturb.report.form.style import Picture, prints_of
from ferturb.report.form.tables import Column, Table, plain_columns, signed_points
from ferturb.report.results import StudyResults
from ferturb.report.run_results import Configured, method_labels
from ferturb.report.section import Section, section_of
from ferturb.report.sentences import strongest

QUANTITIES = {"accuracy": "accuracy", "probability": "the true emotion's probability"}

HOW = (
    "In brackets the same with as many pixels left out at random in the same face, which is what "
    f"hiding that much of a face costs anyway. {NEEDED} marks a change significantly worse than "
    f"that, {SPARED} one significantly better (paired t-test over the faces, p < 0.05 after "
    "Holm's correction for all cells). The row heads are drawn, not faces of the dataset."
)


@dataclass(frozen=True)
class Shown:
    """One ablation and how it is called in the report."""

    key: str
    """What files and tables are called after, unique."""
    title: str
    """The model, in print."""
    ablation: Ablation
    run: str
    """The name of the run, for one by retraining that on whole faces."""
    by_retraining: bool = False

    @property
    def fill(self) -> str:
        """What stands where a feature is left out."""
        return str(self.ablation.record.get("fill", "mean"))

    def items(self) -> tuple[list[Table | Picture], list[tuple[str, Cell]]]:
        """The heatmap of each measure and the table of the first; and all cells with the title."""
        found = list(matrices(self.ablation).values())
        pictures = [_heatmap_picture(self, cells) for cells in found]
        cells = [(self.title, cell) for some in found for cell in some]
        return [*pictures, _matrix_table(self, found[0])], cells


@functools.lru_cache(maxsize=32)
def matrices(ablation: Ablation) -> dict[str, Rows[Cell]]:
    """Measure -> all cells, computed once for each ablation."""
    return {measure: matrix(ablation, measure) for measure in MEASURES}


def section(results: StudyResults) -> Section | None:
    """The heatmap of accuracy of every ablation; folded, that of probability and the matrix with
    intervals, and at the end one table with every cell of all of them."""
    items: list[Table | Picture] = []
    folded: list[Table | Picture] = []
    cells: list[tuple[str, Cell]] = []
    for shown in shown_ablations(results):
        (first, *more), its_cells = shown.items()
        items.append(first)
        folded += more
        cells += its_cells
    folded += [cells_table(cells)] if cells else []
    return section_of("features", "Facial features", items, folded)


def run_items(run: Configured, ablation: Ablation) -> tuple[Table | Picture, ...]:
    """Pictures and tables of one ablation, called "ablation" whatever the run is."""
    return model_items(_titles([run])[run.name], ablation, run.name)


def model_items(title: str, ablation: Ablation, name: str) -> tuple[Table | Picture, ...]:
    """The same of any model: `title` in print, `name` wherever a run has its own."""
    shown = Shown(Ablation.KIND, title + _unusual(ablation), ablation, name)
    items, cells = shown.items()
    return (*items, cells_table(cells))


def terminal_tables(cells: Sequence[Cell]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, headings and rows of the terminal's tables: the changes, and their controls'."""
    emotions = list(dict.fromkeys(cell.emotion for cell in cells))
    changes: dict[str, list[str]] = {}
    controls: dict[str, list[str]] = {}
    for cell in cells:
        name = cell.feature.replace("_", " ")
        changes.setdefault(name, [name]).append(_plain(cell, cell.change) + mark_of(cell))
        controls.setdefault(name, [name]).append(_plain(cell, cell.control))
    what = f"change of {QUANTITIES[cells[0].measure]}, points"
    headings = ["left out", *emotions]
    tables = [(what, headings, list(changes.values()))]
    if any(not math.isnan(cell.control.estimate) for cell in cells):
        random = ["as many pixels", *emotions]
        tables.append(("the same at random places in the face", random, list(controls.values())))
    return tables


def shown_ablations(results: StudyResults) -> list[Shown]:
    """Every ablation stored with finished runs, then every one by retraining."""
    titles, found = _titles(results.done), []
    for run in results.done:
        for name, ablation in run.ablations.items():
            key = f"{run.name}{name.removeprefix(Ablation.KIND)}".replace("-", "_")
            title = titles[run.name] + _unusual(ablation)
            found.append(Shown(f"ablation_{key}", title, ablation, run.name))
    titles = _titles([run for run, _ in results.retrained])  # what is left out is in the rows
    for run, ablation in results.retrained:
        key = f"{run.name}_{ablation.record['fill']}".replace("-", "_")
        title = titles[run.name]
        found.append(Shown(f"retrained_{key}", title, ablation, run.name, by_retraining=True))
    return found


def _heatmap_picture(shown: Shown, cells: Sequence[Cell]) -> Picture:
    """The heatmap of one matrix, with its caption."""
    measure = cells[0].measure
    where = (
        "Networks trained and tested without the facial feature at the left, against the network "
        "trained and tested on whole faces"
        if shown.by_retraining
        else "The facial feature at the left left out of the test faces"
    )
    split = shown.ablation.record.get("split", "test")
    whole = next((c.whole for c in cells if c.emotion == COLUMNS[-1]), math.nan)
    caption = (
        f"{where} (filled: {shown.fill}): change of {QUANTITIES[measure]} in points, by emotion, "
        f"on {shown.ablation.labels.size:,} {split} faces; on whole faces it is "
        f"{100 * whole:.1f} % over all. {HOW}"
    )
    word = "Retrained without it" if shown.by_retraining else "Left out at test time"
    title = f"{word}: {QUANTITIES[measure]}, {shown.title}"
    prints = prints_of(heatmap(cells, shown.fill))
    return Picture(f"{shown.key}_{measure}", title, caption, strongest(cells), prints)


def _matrix_table(shown: Shown, cells: Sequence[Cell]) -> Table:
    """Rows: facial features; columns: emotions and all; changes with their intervals."""
    features = list(dict.fromkeys(cell.feature for cell in cells))
    emotions = list(dict.fromkeys(cell.emotion for cell in cells))
    by = {(cell.feature, cell.emotion): cell for cell in cells}
    columns = [
        Column("feature", "Left out"),
        *(Column(e, e, scale=100, signed=True) for e in emotions),
    ]
    rows = [
        (f.replace("_", " "), *(None if by[f, e].few else by[f, e].change for e in emotions))
        for f in features
    ]
    how = "networks retrained" if shown.by_retraining else "left out at test time"
    worse = "; ".join(
        f"{emotion} without {', '.join(found)}"
        for emotion in emotions
        if (found := [f.replace("_", " ") for f in features if by[f, emotion].needed])
    )
    note = (
        f"Points, with 95 % intervals over the faces ({how}, filled: {shown.fill}). Significantly "
        f"worse than as many pixels left out at random: {worse or 'no cell'}."
    )
    title = f"Change of {QUANTITIES[cells[0].measure]} without each facial feature, {shown.title}"
    return Table(f"{shown.key}_matrix", title, tuple(columns), tuple(rows), note)


def cells_table(cells: Iterable[tuple[str, Cell]]) -> Table:
    """One row a cell, of any number of matrices, each with its model's name."""
    columns = (
        *plain_columns("model", "measure"),
        Column("feature", "Left out"),
        Column("emotion", "Emotion"),
        Column("n", "n"),
        Column("pixels", "Pixels", digits=0),
        Column("whole", "Whole, %", scale=100),
        Column("change", "Change", "points", scale=100, signed=True),
        Column("control", "Control", "points", scale=100, signed=True),
        Column("excess", "Excess", "points", scale=100, signed=True),
        Column("p", "p", "of the excess", p_value=True),
        Column("p_holm", "p, Holm", "of the excess", p_value=True),
        Column("remark", "Remark"),
    )
    rows = tuple(
        (
            *(name, c.measure, c.feature, c.emotion, c.n, c.pixels or None, c.whole),
            *(_known(c.change), _known(c.control), _known(c.excess)),
            *(None if math.isnan(p) else p for p in (c.p, c.p_holm)),
            "too few faces" if c.few else "",
        )
        for name, c in cells
    )
    note = (
        "Change: without the feature against whole faces. Control: without as many pixels at "
        "random. Excess: change minus control, paired by face."
    )
    return Table("ablation_cells", "Every cell of the ablation matrices", columns, rows, note)


def _plain(cell: Cell, value: Interval) -> str:
    if cell.few:
        return f"n = {cell.n}"
    return "–" if math.isnan(value.estimate) else signed_points(value.estimate)


def _titles(runs: Sequence[Configured]) -> dict[str, str]:
    """Run name -> model, method and, where that is not enough, seed."""
    labels = method_labels(runs)
    titles = [f"{run.config.model.name}, {labels[run.name]}" for run in runs]
    return {
        run.name: title if titles.count(title) == 1 else f"{title}, seed {run.config.seed}"
        for run, title in zip(runs, titles, strict=True)
    }


def _unusual(ablation: Ablation) -> str:
    """What a title must say besides the model."""
    record = ablation.record
    usual = {"split": "test", "fill": "mean", "augmentation": "none"}
    return "".join(f", {record[key]}" for key, value in usual.items() if record[key] != value)


def _known(interval: Interval) -> Interval | None:
    return None if math.isnan(interval.estimate) else interval
