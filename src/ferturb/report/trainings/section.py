"""What was trained: the faces, the curves of training, and every run."""

from __future__ import annotations

from ferturb.base.emotions import EMOTIONS
from ferturb.report.form.style import Picture, png_of
from ferturb.report.results import StudyResults
from ferturb.report.section import Section, section_of
from ferturb.report.trainings import figures
from ferturb.report.trainings.tables import runs_table


def faces(results: StudyResults) -> Section | None:
    """Figure 3: how many faces there are of each emotion."""
    known = results.faces
    counts = results.data.get("counts") or (known.counts() if known is not None else None)
    if not counts:
        return None
    totals = {e: sum(counts[split][e] for split in counts) for e in EMOTIONS}
    alt = ", ".join(f"{emotion} {n:,}" for emotion, n in totals.items())
    caption = "Faces per emotion, by split, with each emotion's share of all faces."
    title, png = "Distribution of the emotions", png_of(figures.class_distribution(counts))
    return section_of("faces", "The faces", [Picture("figure3", title, caption, alt, png)])


def curves(results: StudyResults) -> Section | None:
    """Accuracy and loss by epoch of the main runs, finished or not."""
    if not any(run.history for run in results.main.runs):
        return None
    pictures = [_curve(results, quantity) for quantity in ("accuracy", "loss")]
    return section_of("training", "Training", pictures)


def runs(results: StudyResults) -> Section | None:
    """One row a planned run."""
    return section_of("runs", "What was run", [runs_table(results.planned)])


def _curve(results: StudyResults, quantity: str) -> Picture:
    shown = [run for run in results.main.runs if run.history]
    caption = (
        f"{quantity.capitalize()} by epoch: validation bold, training thin and dashed; one line "
        "per seed. A dot marks the epoch that was kept. Training values are taken on augmented "
        "faces (and on views, for the Perturb Scheme), so they can lie on the other side of the "
        "validation values."
    )
    alt = "; ".join(
        f"{run.name}: best epoch {run.best_epoch} of {run.config.recipe.epochs}"
        for run in shown
        if run.done
    )
    png = png_of(figures.training_curves(shown, quantity))
    return Picture(f"training_{quantity}", f"Training curves: {quantity}", caption, alt, png)
