"""The verbs `ferturb study` and `ferturb report`: many runs, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ferturb.base.config import RunConfig
from ferturb.base.config.changes import Changes
from ferturb.base.config.fields import in_range
from ferturb.base.errors import FerturbError
from ferturb.cli.options import Device, Json, absolute, read_faces

if TYPE_CHECKING:
    from ferturb.study.study import Outcome


@dataclass(frozen=True)
class TrainingOptions:
    """How the runs are trained."""

    workers: int | None = None
    """Runs at a time."""
    device: Device = "cpu"
    accept_changed_faces: bool = False
    """Go on with runs that were begun on other faces than the source has now (they note it), and
    keep those that are finished."""

    def __post_init__(self) -> None:
        if self.workers is not None:
            in_range("workers", self.workers, 1, 1024)


def study(
    preset: Positional[Annotated[str, arg(metavar="PRESET")]] = "quick",
    /,
    *,
    changes: OmitArgPrefixes[Changes],
    out: Path = Path("study"),
    training: OmitArgPrefixes[TrainingOptions],
    dry_run: bool = False,
    quiet: bool = False,
    json: Json = False,
) -> None:
    """Train what is missing of a study and write its report.

    Presets: `quick` (minutes, on the synthetic faces), `cpu` (all five architectures and
    their ensemble, hours on two cores), `masks` (table 1: with and without face masks),
    `masked-fer2013` (after Han, 2023: also trained on both), `clusters`, `controls`,
    `leaving-out` (with `--sizes`, `--arms`, `--replicates`; days on two cores),
    `paper` (200 epochs, for a GPU), `released` (as the released program). Runs and
    analyses that are done are kept; give the same command again after a stop and it goes on.

    Example: ferturb study cpu --data fer2013.zip --out study --seeds 2

    Args:
        preset: `quick`, `cpu`, `masks`, `masked-fer2013`, `clusters`, `controls`,
            `leaving-out`, `paper` or `released`.
        changes: What is studied, in place of what the preset says.
        out: The study's folder: runs/, study.json, report/index.html.
        training: How the runs are trained.
        dry_run: Show what would be run, and run nothing.
        quiet: Say nothing but errors.
    """
    from ferturb.base.storage import require_folder
    from ferturb.cli import terminal
    from ferturb.study.adapting import adapt
    from ferturb.study.plan import choose_preset, datasets, plan
    from ferturb.study.study import run_study

    votes = None if changes.votes is None else absolute(changes.votes)
    changes = replace(changes, data=absolute(changes.data), votes=votes)
    wanted = adapt(choose_preset(preset), changes)
    if dry_run:
        _show(f"study {preset}", plan(wanted), json)
        return
    require_folder(out)
    noted, quiet = not quiet, quiet or json
    for other in datasets(wanted):  # what takes minutes is made here, with a progress bar
        read_faces(other, quiet, noted=False)
    faces = read_faces(wanted.dataset, quiet, noted=noted)
    with terminal.study(quiet) as shown:
        done = run_study(
            wanted,
            out,
            faces,
            training.device,
            training.workers,
            *shown,
            accept_changed_faces=training.accept_changed_faces,
        )
    _tell(done, quiet, json)


def _tell(done: Outcome, quiet: bool, json: bool) -> None:
    """What came of a study; what failed of it is an error."""
    from ferturb.cli import terminal

    if json:
        terminal.print_json(done.to_dict())
    elif not quiet:
        terminal.facts({"report": str(done.report)})
    if done.failed:
        name, error = next(iter(done.failed.items()))
        raise FerturbError(
            f"{len(done.failed)} of the study's runs or analyses failed; first {name}: {error}"
        )


def _show(title: str, runs: list[RunConfig], json: bool) -> None:
    """The runs of a plan as a table, or as JSON."""
    from ferturb.cli import terminal

    if json:
        terminal.print_json([run.to_dict() for run in runs])
        return
    rows = [
        [
            r.model.name,
            r.method.name,
            r.dataset.training_faces or "all",
            r.dataset.face_masks or "none",
            r.seed,
            r.recipe.epochs,
        ]
        for r in runs
    ]
    headings = ["model", "method", "faces", "face masks", "seed", "epochs"]
    terminal.table(title, headings, rows)


def report(folder: Positional[Path], /, *, json: Json = False) -> None:
    """Write the report of a study again, from its run folders.

    Example: ferturb report study

    Args:
        folder: The folder that `ferturb study --out` wrote.
    """
    from ferturb.cli import terminal
    from ferturb.study.study import rebuild_report

    page = rebuild_report(folder)
    if json:
        terminal.print_json({"report": str(page)})
    else:
        terminal.facts({"report": str(page)})
