"""The verbs `ferturb study` and `ferturb report`: many runs, and what they say together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg
from tyro.extras import SubcommandApp

from ferturb.base.errors import FerturbError
from ferturb.cli.options import Device, Json, absolute, read_faces


def register(app: SubcommandApp) -> None:
    """Add these verbs to the command line."""
    app.command(study)
    app.command(report)


def study(
    preset: Positional[Annotated[str, arg(metavar="PRESET")]] = "quick",
    /,
    *,
    data: str = "synthetic",
    out: Path = Path("study"),
    models: tuple[str, ...] = (),
    methods: tuple[str, ...] = (),
    epochs: int | None = None,
    seeds: int | None = None,
    face_masks: tuple[str, ...] = (),
    clean: bool = False,
    workers: int | None = None,
    device: Device = "cpu",
    dry_run: bool = False,
    quiet: bool = False,
    json: Json = False,
) -> None:
    """Train what is missing of a study and write its report.

    Presets: `quick` (minutes, on the synthetic faces), `cpu` (all five architectures and
    their ensemble, hours on two cores), `masks` (table 1: with and without face masks),
    `clusters`, `controls`, `paper` (200 epochs, as published, for a GPU). Runs and analyses that
    are done are kept; give the same command again after a stop and it goes on.

    Example: ferturb study cpu --data fer2013.zip --out study --seeds 2

    Args:
        preset: `quick`, `cpu`, `masks`, `clusters`, `controls` or `paper`.
        data: A path, or `synthetic`.
        out: The study's folder: runs/, study.json, report/index.html.
        models: In place of the preset's.
        methods: In place of the preset's, by name.
        epochs: In place of the recipe's.
        seeds: How many (0, 1, …), in place of the preset's.
        face_masks: What the faces wear that is trained on, each in turn, in place of the
            preset's; `none` is nothing, e.g. `none mixed`.
        clean: Leave out validation and test faces that have an exact copy in training.
        workers: Runs at a time.
        device: `cpu`, `cuda`, …
        dry_run: Show what would be run, and run nothing.
        quiet: Say nothing but errors.
        json: Print the plan's outcome as JSON.
    """
    from ferturb.cli import terminal
    from ferturb.study.plan import adapt, choose_preset, datasets, plan
    from ferturb.study.study import run_study

    wanted = adapt(
        choose_preset(preset),
        source=absolute(data),
        clean=clean,
        models=models,
        methods=methods,
        epochs=epochs,
        seeds=seeds,
        face_masks=face_masks,
    )
    if dry_run:
        rows = [
            [
                c.model.name,
                c.method.name,
                c.dataset.face_masks or "none",
                c.seed,
                c.recipe.epochs,
            ]
            for c in plan(wanted)
        ]
        if json:
            terminal.print_json([c.to_dict() for c in plan(wanted)])
        else:
            columns = ["model", "method", "face masks", "seed", "epochs"]
            terminal.table(f"study {preset}", columns, rows)
        return
    for other in datasets(wanted):  # what takes minutes is made here, with a progress bar
        read_faces(other, quiet=quiet or json)
    faces = read_faces(wanted.dataset, quiet=quiet or json)
    with terminal.study(quiet or json) as (on_change, on_analysis):
        done = run_study(wanted, out, faces, device, workers, on_change, on_analysis)
    if json:
        terminal.print_json(done.to_dict())
    elif not quiet:
        terminal.facts({"report": str(done.report)})
    if done.failed:
        name, error = next(iter(done.failed.items()))
        raise FerturbError(
            f"{len(done.failed)} of the study's runs or analyses failed; first {name}: {error}"
        )


def report(folder: Positional[Path], /, *, json: Json = False) -> None:
    """Write the report of a study again, from its run folders.

    Example: ferturb report study

    Args:
        folder: The folder that `ferturb study --out` wrote.
        json: Print the page's path as JSON.
    """
    from ferturb.cli import terminal
    from ferturb.study.study import rebuild_report

    page = rebuild_report(folder)
    if json:
        terminal.print_json({"report": str(page)})
    else:
        terminal.facts({"report": str(page)})
