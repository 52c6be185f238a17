"""The verb `ferturb train`: one network, kept in a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes

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

    from ferturb.base.config import RunConfig
    from ferturb.data.faces import Faces
    from ferturb.runs.run import Run
    from ferturb.training.loop import Step


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
    for bit, when the same command is given again.

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
    from ferturb.runs.execute import check_config, prepared
    from ferturb.runs.run import Run
    from ferturb.study.local import end_with_study
    from ferturb.study.plan import chain

    end_with_study()
    device, quiet = prepare_process(process.device, process.threads), process.quiet
    if process.resume is not None:
        run = Run.open(process.resume)
        _train(run, read_faces(run.config.dataset, quiet, noted=not quiet), device, process)
        return
    require_folder(out)
    if process.config is not None:
        configs = [_stored_config(process.config, seed)]
    else:
        chosen = recipe.config()
        last = run_config(perturb.config(method), seed or 0, out, faces, network, chosen)
        configs = chain(last, recipe.attention_epochs or max(1, chosen.epochs // 3))
    for config in configs:
        check_config(config)
    read = read_faces(configs[-1].dataset, quiet, noted=not quiet)
    for config in configs:
        with prepared(out, config) as run:
            _train(run, read, device, process)


def _stored_config(path: Path, seed: int | None) -> RunConfig:
    """The config of a JSON file, with another seed if one is given."""
    from ferturb.base.config import RunConfig
    from ferturb.base.reading import reading
    from ferturb.base.storage import read_object

    with reading(path, "the config of a run", "give a run's config.json or a search's best.json"):
        config = RunConfig.from_dict(read_object(path))
    return config if seed is None else replace(config, seed=seed)


def _train(run: Run, faces: Faces, device: torch.device, process: ProcessOptions) -> None:
    from ferturb.cli import terminal
    from ferturb.runs.execute import execute_run
    from ferturb.runs.tracking import Tracking

    tracking = Tracking(run, process.track)
    with terminal.training(run.name, process.quiet) as on_step:
        accepted = process.accept_changed_faces

        def shown(step: Step) -> None:
            on_step(step)
            tracking.step(step)

        execute_run(run, faces, device, shown, accept_changed_faces=accepted)
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
