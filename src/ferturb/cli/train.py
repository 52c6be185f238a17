"""The verb `ferturb train`: one network, kept in a run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes

from ferturb.base.config import RunConfig
from ferturb.cli.options import read_faces
from ferturb.cli.train_options import (
    FacesOptions,
    MethodOptions,
    NetworkOptions,
    ProcessOptions,
    RecipeOptions,
    run_config,
)

if TYPE_CHECKING:
    import torch

    from ferturb.data.faces import Faces
    from ferturb.runs.run import Run
    from ferturb.training.loop import Step
    from ferturb.training.team import How


def train(
    *,
    method: str = "baseline",
    seed: int | None = None,
    out: Path = Path("runs"),
    network: OmitArgPrefixes[NetworkOptions],
    faces: OmitArgPrefixes[FacesOptions],
    recipe: OmitArgPrefixes[RecipeOptions],
    perturb: OmitArgPrefixes[MethodOptions],
    process: OmitArgPrefixes[ProcessOptions],
) -> None:
    """Train one network and keep everything about it in a run folder.

    The epoch is chosen on the validation split; the test split is only reported. A run that was
    stopped (Ctrl-C, kill -9, a power cut) goes on from its last epoch, to the same weights bit
    for bit, when the same command is given again. `torchrun … -m ferturb train` shares it out.

    Example: ferturb train --data fer2013.zip --model resnet18 --method perturb --out runs

    Args:
        method: `baseline`, `perturb`, or `attention` (phase 1 of the Perturb Scheme; trained on
            its own when `perturb` needs it).
        seed: Every random decision follows from it (default: 0, or that of --config).
        out: Folder of run folders.
        network: The network, where its weights start, and what teaches it beside the labels.
        faces: The faces, and what is done to them first.
        recipe: The recipe, and what is different from it.
        perturb: Of the Perturb Scheme, its controls and variants, and `robust`.
        process: How the training is done.
    """
    from ferturb.base.storage import require_folder
    from ferturb.models.device import prepare_process
    from ferturb.runs.execute import prepared
    from ferturb.runs.run import Run, run_folder_name
    from ferturb.study.process import end_with_study
    from ferturb.training.team import How, joined

    end_with_study()
    with joined(process.device) as (team, name):
        process = replace(process, quiet=process.quiet or not team.first)
        device = prepare_process(name, process.threads)
        how = How(team, process.batch_norm == "synced", process.compile)
        if process.resume is not None:
            run = Run.open(process.resume)
            read = read_faces(run.config.dataset, process.quiet, noted=not process.quiet)
            _train(run, read, device, process, how)
            return
        require_folder(out)
        if process.config is not None:
            wanted = partial(_with_epochs, last := _stored_config(process.config, seed))
        else:
            asked = (seed or 0, out, faces, network, recipe.config())
            last = run_config(perturb.config(method), *asked)
            wanted = partial(_chain, last, recipe.attention_epochs)
        process.require_one(recipe.epochs)
        configs, read, how = _planned(last, wanted, device, how, process, out)
        for config in configs:
            with prepared(out, config) if team.first else contextlib.nullcontext():
                team.agreed(None)  # from here on there is a folder
                _train(Run(out / run_folder_name(config)), read, device, process, how)


def _stored_config(path: Path, seed: int | None) -> RunConfig:
    """The config of a JSON file, with another seed if one is given."""
    from ferturb.base.reading import reading
    from ferturb.base.storage import read_object

    with reading(path, "the config of a run", "give a run's config.json or a search's best.json"):
        config = RunConfig.from_dict(read_object(path))
    return config if seed is None else replace(config, seed=seed)


def _with_epochs(last: RunConfig, epochs: int) -> list[RunConfig]:
    """A run of so many epochs, alone."""
    return [replace(last, recipe=replace(last.recipe, epochs=epochs))]


def _chain(last: RunConfig, attention_epochs: int | None, epochs: int) -> list[RunConfig]:
    """A run of so many epochs with everything that has to be trained before it."""
    from ferturb.study.plan import chain

    (alone,) = _with_epochs(last, epochs)
    return chain(alone, attention_epochs or max(1, epochs // 3))


def _planned(
    last: RunConfig,
    wanted: Callable[[int], list[RunConfig]],
    device: torch.device,
    how: How,
    process: ProcessOptions,
    out: Path,
) -> tuple[list[RunConfig], Faces, How]:
    """What is trained, its faces, and how: with the epochs that fit into --minutes, if given."""
    from ferturb.runs.execute import check_config
    from ferturb.runs.fitting import note_of

    configs, minutes = wanted(last.recipe.epochs), process.minutes
    for config in configs:
        check_config(config)
    faces = read_faces(last.dataset, process.quiet, noted=not process.quiet)
    if minutes is None:
        return configs, faces, how
    epochs = _fitted(last, wanted, faces, device, how, process, out)
    return wanted(epochs), faces, replace(how, said=(note_of(minutes, epochs),))


def _fitted(
    last: RunConfig,
    wanted: Callable[[int], list[RunConfig]],
    faces: Faces,
    device: torch.device,
    how: How,
    process: ProcessOptions,
    out: Path,
) -> int:
    """The epochs that fit into the time given, as an earlier call chose them or as measured."""
    from ferturb.cli import terminal
    from ferturb.runs.fitting import Speeds, epochs_before, most_epochs, note_of, speed_of

    assert process.minutes is not None
    before = how.team.agreed(epochs_before(out, last, process.minutes))
    if before is not None:
        return before
    speeds = Speeds(lambda config: speed_of(config, faces, device, how))
    epochs = most_epochs(process.minutes, lambda count: speeds.seconds(wanted(count)))
    if not process.quiet:
        speed = speeds.of(wanted(epochs)[-1]).faces_per_second(last.recipe.batch_size)
        said = f"{speed:,.0f} faces/s: {note_of(process.minutes, epochs)}"
        terminal.notes([said], terminal.errors)
    return epochs


def _train(run: Run, faces: Faces, device: torch.device, process: ProcessOptions, how: How) -> None:
    from ferturb.cli import terminal
    from ferturb.runs.execute import execute_run
    from ferturb.runs.tracking import Tracking

    tracking = Tracking(run, process.track if how.team.first else ())
    with terminal.training(run.name, process.quiet) as on_step:
        accepted = process.accept_changed_faces

        def shown(step: Step) -> None:
            on_step(step)
            tracking.step(step)

        execute_run(run, faces, device, shown, accept_changed_faces=accepted, how=how)
    tracking.end()
    if process.quiet:
        return
    record = run.record()
    terminal.facts(
        {
            "run": str(run.folder),
            "kept epoch": f"{record['best_epoch']} of {record['epochs']}",
            "validation accuracy": terminal.share(record["validation_accuracy"], 2),
            "minutes": f"{record['seconds'] / 60:.1f}",
        }
    )
    terminal.notes(record.get("notes", ()))
