"""One run, here and now: train from where it stands, judge the best epoch, store the logits."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ferturb.config import RunConfig, choose
from ferturb.data.faces import Faces
from ferturb.errors import FerturbError
from ferturb.evaluation.predictions import predict_logits
from ferturb.features.copies import altered_copies
from ferturb.models.backbones import check_backbone
from ferturb.models.classifier import Classifier
from ferturb.perturb.methods import METHODS, trained_as
from ferturb.perturb.training_views import TrainingViews
from ferturb.perturb.view_classifier import ViewClassifier
from ferturb.runs import (
    Run,
    describe_data,
    describe_hardware,
    describe_software,
    run_folder_name,
)
from ferturb.storage import alone, remove_leftovers
from ferturb.training.batches import seed_of
from ferturb.training.loop import Step, Training, adopt, best_epoch, train
from ferturb.training.teaching import Teacher


def execute_run(
    run: Run,
    faces: Faces,
    device: torch.device | None = None,
    on_step: Callable[[Step], None] = lambda _: None,
    pause_after: int = 0,
) -> bool:
    """Train a run from where it stands to its end and store its logits; True when it is done.

    A finished run is left alone; one that another process trains raises `FerturbError`. A method
    that differs from another at test time alone is given that one's network, if the run has one
    to start from. After `pause_after` epochs of this call it stops, to be resumed.
    """
    if run.done:
        return True
    with alone(run.folder, "training"):
        return _execute(run, faces, device or torch.device("cpu"), on_step, pause_after)


def _execute(
    run: Run,
    faces: Faces,
    device: torch.device,
    on_step: Callable[[Step], None],
    pause_after: int,
) -> bool:
    config = run.config
    classifier = _first_classifier(run)
    views = _views(run, faces)
    remove_leftovers(run.folder)
    run.begin(describe_software())
    training = Training(
        classifier,
        faces,
        views,
        config.recipe,
        config.seed,
        run.folder,
        config.fingerprint(),
        device,
        _teacher(run, device),
    )
    start = run.start()
    if start is not None and trained_as(config.method) is not None:
        history = [adopt(training, start.best_epoch())]
    else:
        history = train(training, _reporting(run, on_step), pause_after)
        if len(history) < config.recipe.epochs:
            run.write_history(history)
            return False
    run.write_history(history)
    best = best_epoch(history, config.recipe.keep)
    record = run.record() | {
        "parameters": classifier.parameter_count,
        "data": describe_data(faces),
        "hardware": describe_hardware(device, config.recipe.precision),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": sum(e.seconds for e in history),
        "epochs": len(history),
        "best_epoch": best.epoch,
        "validation_accuracy": best.validation_accuracy,
    }
    run.write_record(record)
    run.finish(_stored_logits(run, faces, device))
    return True


def prepare_process(device: str, threads: int | None = None) -> torch.device:
    """Set up this process for training: the device, torch's threads, denormal numbers off.

    Denormal numbers (below 1e-38) are computed tens of times slower on most CPUs and carry
    nothing a network learns from. An unknown or missing device raises `FerturbError`.
    """
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise FerturbError(
            f"can't use device {device!r} ({str(error).splitlines()[0]}); "
            "give cpu, or cuda where torch sees a GPU"
        ) from error
    torch.set_flush_denormal(True)
    if threads is not None:
        torch.set_num_threads(threads)
    return chosen


def new_classifier(config: RunConfig) -> Classifier:
    """A fresh network whose weights follow from the run's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config.seed, "weights"))
        return Classifier(config.model)


def _first_classifier(run: Run) -> Classifier:
    """The network before the first epoch: fresh, or with another run's weights."""
    classifier, start = new_classifier(run.config), run.start()
    if start is None:
        return classifier
    trained = start.load_classifier()
    if trained.config != run.config.model:
        raise FerturbError(
            f"{run.name} trains {run.config.model}, but {run.config.start} holds {trained.config}; "
            "start from a run of the same network"
        )
    classifier.load_state_dict(trained.state_dict())
    return classifier


def _views(run: Run, faces: Faces) -> TrainingViews:
    method = run.config.method
    build = choose("method", method.name, METHODS)
    copies = altered_copies(run.config.dataset) if build.shows_copies else None
    return build(method, run.load_attention(), faces.split("train").images, copies)


def _teacher(run: Run, device: torch.device) -> Teacher | None:
    """The runs whose ensemble teaches this one, if there are any."""
    models, recipe = run.load_teachers(), run.config.recipe
    if not models:
        return None
    return Teacher(
        models,
        recipe.distillation,
        recipe.distillation_temperature,
        recipe.precision,
        device,
        remember=recipe.distillation_views > 0,
    )


def _reporting(run: Run, on_step: Callable[[Step], None]) -> Callable[[Step], None]:
    """Pass steps on, and keep history.csv and progress.json fresh for other processes."""
    last = 0.0

    def report(step: Step) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 2 or step.step == step.steps:
            last = now
            if step.history:
                run.write_history(step.history)
            run.write_progress(
                {
                    "epoch": step.epoch,
                    "epochs": step.epochs,
                    "step": step.step,
                    "steps": step.steps,
                    "faces_per_second": step.faces_per_second,
                }
            )
        on_step(step)

    return report


def _stored_logits(run: Run, faces: Faces, device: torch.device) -> dict[str, NDArray[np.generic]]:
    model = run.load_model().to(device)
    arrays: dict[str, NDArray[np.generic]] = {}
    for split in ("validation", "test"):
        chosen = faces.split(split)
        arrays[f"labels_{split}"] = chosen.labels.numpy()
        for name in run.config.recipe.evaluate:
            logits = predict_logits(model, chosen.images, name, device=device)
            arrays[f"{split}_{name}"] = logits.numpy()
            if isinstance(model, ViewClassifier):
                logits = predict_logits(model.classifier, chosen.images, name, device=device)
                arrays[f"whole_{split}_{name}"] = logits.numpy()
    return arrays


def prepare(parent: Path, config: RunConfig) -> Run:
    """The run folder of a config inside a parent folder, made where needed.

    What can't be trained raises `FerturbError` and leaves no folder.
    """
    check_backbone(config.model.name)
    choose("method", config.method.name, METHODS)
    if config.method.name == "attention" and not config.model.attention:
        raise FerturbError(
            "method 'attention' trains a network with spatial attention; "
            "give ModelConfig(attention=True)"
        )
    if bool(config.teachers) != bool(config.recipe.distillation):
        raise FerturbError(
            "teachers and the recipe's distillation go together: got "
            f"{len(config.teachers)} teachers and distillation {config.recipe.distillation:g}"
        )
    return Run.create(parent / run_folder_name(config), config)
