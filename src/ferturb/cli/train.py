"""The verb `ferturb train`: one network, kept in a run folder."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes, Suppress
from tyro.extras import SubcommandApp

from ferturb.base.config import RECIPES, DatasetConfig, MethodConfig, ModelConfig, RunConfig, choose
from ferturb.cli.options import Device, absolute, read_faces

if TYPE_CHECKING:
    from ferturb.runs.run import Run


def register(app: SubcommandApp) -> None:
    """Add this verb to the command line."""
    app.command(train)


@dataclass(frozen=True)
class MethodOptions(MethodConfig):
    """The options of a method, without its name, which is `--method`."""

    name: Suppress[str] = "baseline"


DEFAULT_OPTIONS = MethodOptions()


def train(
    *,
    data: str = "synthetic",
    model: str = "compact",
    method: str = "baseline",
    recipe: str = "fast",
    epochs: int | None = None,
    learning_rate: float | None = None,
    small_faces: float | None = None,
    seed: int = 0,
    out: Path = Path("runs"),
    perturb: OmitArgPrefixes[MethodOptions] = DEFAULT_OPTIONS,
    attention_epochs: int | None = None,
    clean: bool = False,
    fer_plus: Path | None = None,
    training_faces: int | None = None,
    subset_seed: int = 0,
    face_masks: str | None = None,
    left_out: str | None = None,
    left_out_fill: str = "mean",
    left_out_control: bool = False,
    alteration_seed: int = 0,
    teachers: tuple[Path, ...] = (),
    distillation: float = 0.7,
    distillation_views: int = 0,
    start_from: Path | None = None,
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
        recipe: `fast`, `full-size` (the same without epochs on smaller faces), `mixed` (that with
            mixup and CutMix, for long training), `bare` (flips alone, the last epoch kept, to see
            what a method adds) or `paper`.
        epochs: In place of the recipe's.
        learning_rate: In place of the recipe's.
        small_faces: Share of the epochs, the first ones, that train on faces of 32 × 32 pixels
            at half the time, in place of the recipe's; 0 for none.
        seed: Every random decision follows from it.
        out: Folder of run folders.
        perturb: Of the Perturb Scheme, its controls and variants, and `robust`.
        attention_epochs: Epochs of phase 1 (default: a third of the epochs).
        clean: Leave out validation and test faces that have an exact copy in training.
        fer_plus: fer2013new.csv, for the FER+ labels.
        training_faces: Train on this many of the training faces, drawn at random.
        subset_seed: Of that draw.
        face_masks: Train and test on faces that wear face masks: `surgical`, `cloth`, `n95`,
            `mixed`, or `glasses`, `hand`, `random`.
        left_out: Train and test on faces without this facial feature, e.g. `mouth`.
        left_out_fill: What stands in its place: `black`, `mean`, `blur`, `noise` or `inpaint`.
        left_out_control: Leave out a random region of the same area in its place.
        alteration_seed: Of face masks, noise and random regions.
        teachers: Finished runs whose ensemble teaches this one.
        distillation: Weight of what the teachers say against the labels, 0 to 1.
        distillation_views: Repeat this many augmentations of each face, so that the teachers are
            asked about each but once; 0 draws new ones every epoch and asks every time.
        start_from: A finished run of the same network whose weights this one starts from.
        resume: A run folder to go on with; all other options but the last three are ignored.
        threads: Threads of torch.
        quiet: Say nothing but errors.
        device: `cpu`, `cuda`, …
    """
    from ferturb.models.device import prepare_process
    from ferturb.runs.execute import prepare
    from ferturb.runs.run import Run
    from ferturb.study.plan import chain

    if resume is not None:
        _train(Run.open(resume), threads, device, quiet)
        return
    prepare_process(device)
    chosen = choose("recipe", recipe, RECIPES)
    if epochs is not None:
        chosen = replace(chosen, epochs=epochs)
    if learning_rate is not None:
        chosen = replace(chosen, learning_rate=learning_rate)
    if small_faces is not None:
        chosen = replace(chosen, sizes=((small_faces, 32),) if small_faces else ())
    if teachers:
        chosen = replace(chosen, distillation=distillation, distillation_views=distillation_views)
    run = RunConfig(
        DatasetConfig(
            absolute(data),
            clean,
            None if fer_plus is None else str(fer_plus),
            face_masks=face_masks,
            left_out=left_out,
            left_out_fill=left_out_fill,
            left_out_control=left_out_control,
            alteration_seed=alteration_seed,
            training_faces=training_faces,
            subset_seed=subset_seed,
        ),
        ModelConfig(model, attention=method == "attention"),
        MethodConfig(**(asdict(perturb) | {"name": method})),
        chosen,
        seed,
        teachers=tuple(os.path.relpath(teacher, out) for teacher in teachers),
        initial_weights=None if start_from is None else os.path.relpath(start_from, out),
    )
    first_epochs = attention_epochs or max(1, chosen.epochs // 3)
    read_faces(run.dataset, quiet)
    for config in chain(run, first_epochs):
        _train(prepare(out, config), threads, device, quiet)


def _train(run: Run, threads: int | None, device: str, quiet: bool) -> None:
    from ferturb.cli import terminal
    from ferturb.models.device import prepare_process
    from ferturb.runs.execute import execute_run

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
