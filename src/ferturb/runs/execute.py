"""One run, here and now: train from where it stands, measure the best epoch, store the logits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ferturb.base.config import RunConfig, choose
from ferturb.base.errors import FerturbError
from ferturb.base.seeds import generator_of, seed_of
from ferturb.base.storage import alone, remove_leftovers
from ferturb.data.faces import Faces
from ferturb.models.backbones import check_backbone
from ferturb.models.classifier import Classifier
from ferturb.models.test_time import predict_logits
from ferturb.perturb.methods import METHODS, training_inputs
from ferturb.perturb.view_classifier import ViewClassifier
from ferturb.runs.provenance import describe_data, describe_hardware, describe_software
from ferturb.runs.run import Run, run_folder_name
from ferturb.training.checkpoint import Epoch
from ferturb.training.distillation import Teacher
from ferturb.training.loop import (
    Step,
    Training,
    best_epoch,
    check_finite,
    network_of,
    train,
    validate,
)
from ferturb.training.targets import split_heads


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
    config, device = run.config, device or torch.device("cpu")
    with alone(run.folder, "training"):
        training = Training(
            _first_classifier(run),
            faces,
            training_inputs(config.method, faces, run.load_attention()),
            config.recipe,
            config.seed,
            run.training_files(),
            device,
            _teacher(run, device),
        )
        remove_leftovers(run.folder)
        run.begin(describe_software())
        evaluated = run.evaluated()
        if evaluated is not None:
            history = [_evaluate(training, evaluated.best_epoch())]
        else:
            history = train(training, _reporting(run, on_step), pause_after)
        run.write_history(history)
        if evaluated is None and len(history) < config.recipe.epochs:
            return False
        _finish(run, training, history)
    return True


def _finish(run: Run, training: Training, history: list[Epoch]) -> None:
    """Write down how the training went, and what its best epoch predicts."""
    config, faces, device = run.config, training.faces, training.device
    best = best_epoch(history, config.recipe.keep)
    record = run.record() | {
        "parameters": training.classifier.parameter_count,
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


def new_classifier(config: RunConfig) -> Classifier:
    """A fresh network whose weights follow from the run's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(config.seed, "weights"))
        return Classifier(config.model)


def _first_classifier(run: Run) -> Classifier:
    """The network before the first epoch: fresh, or another run's."""
    classifier, earlier = new_classifier(run.config), run.evaluated() or run.initial()
    if earlier is None:
        return classifier
    trained = earlier.load_classifier()
    if trained.config != run.config.model:
        raise FerturbError(
            f"{run.name} trains {run.config.model}, but {earlier.name} holds {trained.config}; "
            "start from a run of the same network"
        )
    classifier.load_state_dict(trained.state_dict())
    return classifier


def _evaluate(training: Training, trained: Epoch) -> Epoch:
    """Measure a trained network as the method uses it, and keep it as a training's only epoch.

    `trained` is its best epoch as it was trained.
    """
    start, t = time.perf_counter(), training
    network = network_of(t)
    t.inputs.start_epoch(1, generator_of(t.seed, 1, "views"), 1.0)
    loss, accuracy = validate(t, network)
    check_finite(loss, "on the validation split")
    t.files.save_model(network)
    t.files.append(1, t.inputs.epoch_record())
    return replace(
        trained,
        epoch=1,
        validation_loss=loss,
        validation_accuracy=accuracy,
        seconds=time.perf_counter() - start,
    )


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
            shown = ("epoch", "epochs", "step", "steps", "faces_per_second")
            run.write_progress({name: getattr(step, name) for name in shown})
        on_step(step)

    return report


def _stored_logits(run: Run, faces: Faces, device: torch.device) -> dict[str, NDArray[np.generic]]:
    model = run.load_model(None).to(device)  # all heads
    models = {"": model}
    if isinstance(model, ViewClassifier):
        models["whole_"] = model.classifier
    arrays: dict[str, NDArray[np.generic]] = {}
    for split in ("validation", "test"):
        chosen = faces.split(split)
        arrays[f"labels_{split}"] = chosen.labels.numpy()
        if chosen.votes is not None:
            arrays[f"votes_{split}"] = chosen.votes.numpy()
        for name in run.config.recipe.evaluate:
            for prefix, one in models.items():
                logits = predict_logits(one, chosen.images, name, device=device)
                network = run.config.model
                for head, own in zip(network.heads, split_heads(logits), strict=True):
                    arrays[f"{prefix}{network.prefix(head)}{split}_{name}"] = own.numpy()
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
