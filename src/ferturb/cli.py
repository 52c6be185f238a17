"""The command line: one function a verb, no logic.

Every verb parses its options, calls the library, and shows what came back. Bad input is one line
on standard error and exit code 2; Ctrl-C is exit code 130.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg
from tyro.extras import SubcommandApp

from ferturb import cli_features
from ferturb.cli_data import Json, data, read_faces
from ferturb.config import (
    RECIPES,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RunConfig,
    choose,
)
from ferturb.errors import FerturbError

if TYPE_CHECKING:
    from ferturb.runs import Run

app = SubcommandApp()

DEFAULT_METHOD = MethodConfig()
Device = Annotated[str, arg(help="`cpu`, `cuda`, `cuda:1`, …")]


@app.command
def train(
    *,
    data: str = "synthetic",
    model: str = "compact",
    method: str = "baseline",
    recipe: str = "fast",
    epochs: int | None = None,
    seed: int = 0,
    out: Path = Path("runs"),
    options: OmitArgPrefixes[MethodConfig] = DEFAULT_METHOD,
    attention_epochs: int | None = None,
    clean: bool = False,
    fer_plus: Path | None = None,
    resume: Path | None = None,
    threads: int | None = None,
    device: Device = "cpu",
    quiet: bool = False,
) -> None:
    """Train one network and keep everything about it in a run folder.

    The epoch is chosen on the validation split; the test split is only reported. A run that was
    stopped (Ctrl-C, kill -9, a power cut) goes on from its last epoch, to the same weights bit
    for bit, when the same command is given again.

    Example: ferturb train --data fer2013.zip --model resnet18 --method perturb --out runs

    Args:
        data: A path, or `synthetic`.
        model: `compact`, `vgg16`, `resnet18`, `densenet121`, `dpn26`, `resmasking`, …, or any timm
            name.
        method: `baseline`, `perturb`, or `attention` (phase 1 of the Perturb Scheme; trained on
            its own when `perturb` needs it).
        recipe: `fast` or `paper`.
        epochs: In place of the recipe's.
        seed: Every random decision follows from it.
        out: Folder of run folders.
        options: Options of the method.
        attention_epochs: Epochs of phase 1 (default: a third of the epochs).
        clean: Leave out validation and test faces that have an exact copy in training.
        fer_plus: fer2013new.csv, for the FER+ labels.
        resume: A run folder to go on with; all other options but the last three are ignored.
        threads: Threads of torch.
        quiet: Say nothing but errors.
        device: `cpu`, `cuda`, …
    """
    from ferturb.runs import Run
    from ferturb.study.execute import prepare, prepare_process
    from ferturb.study.plan import chain

    if resume is not None:
        _train(Run.open(resume), threads, device, quiet)
        return
    prepare_process(device)
    chosen = choose("recipe", recipe, RECIPES)
    if epochs is not None:
        chosen = replace(chosen, epochs=epochs)
    run = RunConfig(
        DatasetConfig(_absolute(data), clean, None if fer_plus is None else str(fer_plus)),
        ModelConfig(model, attention=method == "attention"),
        replace(options, name=method),
        chosen,
        seed,
    )
    first_epochs = attention_epochs or max(1, chosen.epochs // 3)
    read_faces(run.dataset, quiet)
    for config in chain(run, first_epochs):
        _train(prepare(out, config), threads, device, quiet)


@app.command
def evaluate(
    runs: Positional[tuple[Path, ...]],
    /,
    *,
    split: Literal["validation", "test"] = "test",
    augmentation: str = "flip",
    ensemble: bool = False,
    json: Json = False,
) -> None:
    """Accuracy, F1, calibration and per-emotion accuracy of trained runs, with intervals.

    Example: ferturb evaluate runs/* --ensemble --augmentation flip

    Args:
        runs: Run folders.
        split: `validation` to choose on, `test` to report.
        augmentation: Test-time augmentation: `none`, `flip` or `ten-crop`, as stored by the run.
        ensemble: Also judge the sum of all runs' logits.
        json: Print JSON for a script in place of tables.
    """
    from ferturb import terminal
    from ferturb.evaluation.judge import judge_runs

    judged = judge_runs(runs, split, augmentation, ensemble)
    if json:
        terminal.print_json([dataclasses.asdict(row) for row in judged])
        return
    terminal.table(
        f"{split}, {augmentation} (95 % intervals over faces)",
        ["run", "accuracy %", "macro-F1", "balanced %", "ECE %", "n"],
        [row.cells() for row in judged],
    )
    from ferturb.emotions import EMOTIONS

    terminal.table(
        "accuracy per emotion, %",
        ["run", *EMOTIONS],
        [[row.name, *(f"{100 * v:.1f}" for v in row.per_emotion.values())] for row in judged],
    )


@app.command
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
    clean: bool = False,
    workers: int | None = None,
    device: Device = "cpu",
    dry_run: bool = False,
    quiet: bool = False,
    json: Json = False,
) -> None:
    """Train what is missing of a study and write its report.

    Presets: `quick` (five minutes on the synthetic faces), `cpu` (all five architectures and
    their ensemble, hours on two cores), `paper` (200 epochs, as published, for a GPU). Runs that
    are done are kept; give the same command again after a stop and it goes on.

    Example: ferturb study cpu --data fer2013.zip --out study --seeds 2

    Args:
        preset: `quick`, `cpu` or `paper`.
        data: A path, or `synthetic`.
        out: The study's folder: runs/, study.json, report/index.html.
        models: In place of the preset's.
        methods: In place of the preset's, by name.
        epochs: In place of the recipe's.
        seeds: How many (0, 1, …), in place of the preset's.
        clean: Leave out validation and test faces that have an exact copy in training.
        workers: Runs at a time.
        device: `cpu`, `cuda`, …
        dry_run: Show what would be run, and run nothing.
        quiet: Say nothing but errors.
        json: Print the plan's outcome as JSON.
    """
    from ferturb import terminal
    from ferturb.study.plan import adapt, choose_preset, plan
    from ferturb.study.study import run_study

    wanted = adapt(
        choose_preset(preset),
        source=_absolute(data),
        clean=clean,
        models=models,
        methods=methods,
        epochs=epochs,
        seeds=seeds,
    )
    if dry_run:
        rows = [[c.model.name, c.method.name, c.seed, c.recipe.epochs] for c in plan(wanted)]
        if json:
            terminal.print_json([c.to_dict() for c in plan(wanted)])
        else:
            terminal.table(f"study {preset}", ["model", "method", "seed", "epochs"], rows)
        return
    faces = read_faces(wanted.dataset, quiet=quiet or json)
    with terminal.study(quiet or json) as on_change:
        done = run_study(wanted, out, faces, device, workers, on_change)
    if json:
        terminal.print_json(done.to_dict())
    elif not quiet:
        terminal.facts({"report": str(done.report)})
    if done.failed:
        name, error = next(iter(done.failed.items()))
        raise FerturbError(f"{len(done.failed)} of the study's runs failed; first {name}: {error}")


@app.command
def report(folder: Positional[Path], /, *, json: Json = False) -> None:
    """Write the report of a study again, from its run folders.

    Example: ferturb report study

    Args:
        folder: The folder that `ferturb study --out` wrote.
        json: Print the page's path as JSON.
    """
    from ferturb import terminal
    from ferturb.study.study import rebuild_report

    page = rebuild_report(folder)
    if json:
        terminal.print_json({"report": str(page)})
    else:
        terminal.facts({"report": str(page)})


cli_features.register(app)
app.command(data, name="data", help="Look at face datasets, fetch them, draw them.")


def _train(run: Run, threads: int | None, device: str, quiet: bool) -> None:
    from ferturb import terminal
    from ferturb.study.execute import execute_run, prepare_process

    chosen = prepare_process(device, threads)
    faces = read_faces(run.config.dataset, quiet)
    with terminal.training(run.name, quiet) as on_step:
        execute_run(run, faces, chosen, on_step)
    if not quiet:
        record = run.record()
        terminal.facts(
            {
                "run": str(run.folder),
                "best epoch": f"{record['best_epoch']} of {record['epochs']}",
                "validation accuracy": f"{record['validation_accuracy']:.2%}",
                "minutes": f"{record['seconds'] / 60:.1f}",
            }
        )


def _absolute(source: str) -> str:
    """A path as the run's config keeps it: absolute, so that it holds from any folder."""
    return source if source == "synthetic" else str(Path(source).expanduser().resolve())


def main(arguments: list[str] | None = None) -> None:
    """The entry point of `ferturb`."""
    from ferturb import terminal

    try:
        app.cli(
            prog="ferturb",
            description="Which facial features does an emotion classifier need, and does leaving "
            "some behind make it better?",
            args=arguments,
            config=(FlagCreatePairsOff,),
        )
    except FerturbError as error:
        terminal.errors.print("[red]error[/red] ", end="")
        terminal.errors.print(str(error), markup=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        terminal.errors.print("stopped; give the same command again to go on")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
