"""The verbs `ferturb study` and `ferturb report`: many runs, and what they say together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.base.config.changes import Changes
from ferturb.base.config.fields import in_range
from ferturb.base.errors import FerturbError
from ferturb.cli.options import Device, EngineOptions, Json, absolute, read_faces

if TYPE_CHECKING:
    from ferturb.data.faces import Faces
    from ferturb.study.jobs import Executor
    from ferturb.study.plan import Study
    from ferturb.study.study import Outcome


@dataclass(frozen=True)
class TrainingOptions(EngineOptions):
    """How the runs are trained."""

    workers: int | None = None
    """Runs at a time, of the executor `local`, and analyses of finished ones beside them."""
    device: Device = "cpu"
    """Of the executor `local`, and of what is measured afterwards."""
    minutes: float | None = None
    """In place of --epochs, of the executor `local`: measure some steps first, and train for as
    many epochs as fit into this time; analyses and the report come on top."""
    detach: bool = False
    """Ctrl-C leaves the trainings to `ray` or `slurm`; without, it ends them."""
    accept_changed_faces: bool = False
    """Go on with runs that were begun on other faces than the source has now (they note it), and
    keep those that are finished."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.workers is not None:
            in_range("workers", self.workers, 1, 1024)
        if self.minutes is not None:
            in_range("minutes", self.minutes, 0.1, 1e6)
            if self.executor != "local":
                raise FerturbError(
                    f"minutes are measured on this machine, not on {self.executor}; give epochs"
                )

    def require_one(self, epochs: int | None) -> None:
        """Raise `FerturbError` where epochs are given beside minutes."""
        if epochs is not None and self.minutes is not None:
            raise FerturbError("give epochs, or minutes in their place; not both")

    def opened(self, folder: Path) -> AbstractContextManager[Executor]:
        """The executor, for runs below a folder."""
        options = ("--accept-changed-faces",) if self.accept_changed_faces else ()
        return self.engine(self.workers, self.device, self.detach).opened(folder, options)


def study(
    preset: Positional[Annotated[str, arg(metavar="[PRESET]")]] = "quick",
    /,
    *,
    changes: OmitArgPrefixes[Changes],
    out: Path = Path("study"),
    training: OmitArgPrefixes[TrainingOptions],
    status: Path | None = None,
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

    `--executor` trains them on a cluster; `--status FOLDER` says from anywhere how far they are.

    Example: ferturb study cpu --data fer2013.zip --out study --seeds 2

    Args:
        preset: `quick`, `cpu`, `masks`, `masked-fer2013`, `clusters`, `controls`,
            `leaving-out`, `paper` or `released`.
        changes: What is studied, in place of what the preset says.
        out: The study's folder: runs/, study.json, report/index.html.
        training: How the runs are trained.
        status: A study's folder: show how its runs stand, wherever they are trained.
        dry_run: Show what would be run, and run nothing.
        quiet: Say nothing but errors.
    """
    from ferturb.base.storage import require_folder
    from ferturb.study.adapting import adapt
    from ferturb.study.plan import choose_preset, plan

    if status is not None:
        _show_status(status, json)
        return
    wanted = adapt(choose_preset(preset), _from_anywhere(changes))
    if dry_run:
        _show(f"study {preset}", plan(wanted), json)
        return
    require_folder(out)
    training.require_one(changes.epochs)
    _run(wanted, out, training, quiet, json)


def _run(wanted: Study, out: Path, training: TrainingOptions, quiet: bool, json: bool) -> None:
    """Read the faces, train what is missing, and say what came of it."""
    from ferturb.cli import terminal
    from ferturb.study.plan import datasets
    from ferturb.study.study import run_study

    noted, quiet = not quiet, quiet or json
    others = {other: read_faces(other, quiet, noted=False) for other in datasets(wanted)}
    faces = read_faces(wanted.dataset, quiet, noted=noted)
    wanted = _fitted(wanted, others, out, training, quiet)
    with _left(training), training.opened(out) as executor, terminal.study(quiet) as shown:
        done = run_study(
            wanted,
            out,
            faces,
            training.device,
            executor,
            *shown,
            accept_changed_faces=training.accept_changed_faces,
        )
    _tell(done, quiet, json)


def _from_anywhere(changes: Changes) -> Changes:
    """The changes with absolute paths, as runs keep them."""
    votes = None if changes.votes is None else absolute(changes.votes)
    return replace(changes, data=absolute(changes.data), votes=votes)


def _fitted(
    wanted: Study,
    faces: Mapping[DatasetConfig, Faces],
    out: Path,
    training: TrainingOptions,
    quiet: bool,
) -> Study:
    """The study with the epochs that fit into --minutes, if given."""
    from ferturb.cli import terminal
    from ferturb.models.device import prepare_process
    from ferturb.study.fitting import fitted
    from ferturb.study.local import Processes, default_workers

    if training.minutes is None:
        return wanted
    workers = training.workers or default_workers(training.device)
    device = prepare_process(training.device, Processes(workers, training.device).threads)
    found = fitted(wanted, faces, out, training.minutes, workers, device)
    if not quiet:
        said = f"{found.recipe.epochs} epochs fit into {training.minutes:g} minutes of training"
        terminal.notes([f"{said} by {workers} processes"], terminal.errors)
    return found


@contextlib.contextmanager
def _left(training: TrainingOptions) -> Iterator[None]:
    """On Ctrl-C, say where the trainings of a detached study are."""
    from ferturb.cli import terminal

    try:
        yield
    except KeyboardInterrupt:
        if training.detach:
            terminal.errors.print(f"the trainings go on in {training.executor}; ", end="")
            terminal.errors.print("look at them with ferturb study --status FOLDER")
        raise


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


def _show_status(folder: Path, json: bool) -> None:
    """How the runs of a study stand, as a table or as JSON."""
    from ferturb.cli import terminal
    from ferturb.study.status import standings

    runs = standings(folder)
    if json:
        terminal.print_json([asdict(run) for run in runs])
        return
    rows = [
        [
            run.run,
            run.state,
            f"{run.epoch}/{run.epochs}",
            "–" if run.faces_per_second is None else f"{run.faces_per_second:,.0f}",
            terminal.share(run.validation_accuracy, 1),
        ]
        for run in runs
    ]
    done = sum(run.state == "done" for run in runs)
    headings = ["run", "state", "epochs", "faces/s", "validation"]
    terminal.table(f"{done} of {len(runs)} runs are done", headings, rows)
    terminal.notes([f"{run.run}: {run.error}" for run in runs if run.error])


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
