"""One run, here and now: train from where it stands, measure the best epoch, store the logits."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ferturb.base.checks import require_kind, require_path, require_whole
from ferturb.base.config import RunConfig, choose
from ferturb.base.errors import FerturbError
from ferturb.base.leftovers import remove_leftovers
from ferturb.base.locks import alone
from ferturb.base.seeds import generator_of, seed_of
from ferturb.base.storage import writing
from ferturb.data.faces import Faces
from ferturb.models.backbones import check_backbone
from ferturb.models.classifier import Classifier
from ferturb.models.published import start_from_published
from ferturb.models.test_time import AUGMENTATIONS, predict_logits
from ferturb.perturb.methods import check_method, training_inputs
from ferturb.perturb.view_classifier import ViewClassifier
from ferturb.runs.provenance import (
    begun,
    changed_data,
    describe_data,
    describe_hardware,
    describe_software,
)
from ferturb.runs.reporting import reporting
from ferturb.runs.run import Run, run_folder_name
from ferturb.training.checkpoint import Epoch
from ferturb.training.distillation import Teacher
from ferturb.training.files import CHECKPOINT
from ferturb.training.fitting import fit, is_fitted
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
from ferturb.training.team import PLAIN, How


def execute_run(
    run: Run,
    faces: Faces,
    device: torch.device | None = None,
    on_step: Callable[[Step], None] = lambda _: None,
    pause_after: int = 0,
    accept_changed_faces: bool = False,
    how: How = PLAIN,
) -> bool:
    """Train a run from where it stands to its end and store its logits; True when it is done.

    A finished run is left alone; one that another process trains raises `FerturbError`, and so
    does one that was begun on other faces, unless `accept_changed_faces`. A method that differs
    from another at test time alone is given that one's network, if the run has one to start from.
    After `pause_after` epochs of this call it stops, to be resumed. A training that is complete,
    but whose logits or record are damaged or missing, is measured again. All processes of a team
    (`how`) call this; its first one alone writes.
    """
    if not how.team.first:
        return _help(run, faces, device or torch.device("cpu"), how)
    data = describe_data(require_kind("faces", faces, Faces))
    require_whole("pause_after", pause_after, 0)
    if device is not None:
        require_kind("device", device, torch.device)
    if require_kind("run", run, Run).done:
        require_same_faces(run, run.record(), data, accept_changed_faces)
        return how.team.agreed(False) or how.team.agreed(True)
    config, device = run.config, device or torch.device("cpu")
    with alone(run.folder, "training"):
        remove_leftovers(run.folder)
        record = _record_if_sound(run)
        if run.has_model:
            require_same_faces(run, record or {}, data, accept_changed_faces)
        training = _training(run, faces, device, how)
        run.write_record(begun(record, describe_software(), data, run.has_model, how.notes))
        evaluated = run.evaluated()
        history = [] if evaluated is not None else run.complete_history()
        if evaluated is None and not history and is_fitted(config.recipe):
            how.team.agreed(False)
            history = fit(training)
        elif how.team.agreed(evaluated is None and not history):
            check_config(config)  # a folder of an earlier version may hold another
            history = train(training, reporting(run, on_step), how.team.agreed(pause_after))
        elif evaluated is not None:
            history = [_evaluate(training, evaluated.best_epoch())]
        run.write_history(history)
        if evaluated is None and len(history) < config.recipe.epochs:
            return how.team.agreed(False)
        _finish(run, training, history)
    return how.team.agreed(True)


def _help(run: Run, faces: Faces, device: torch.device, how: How) -> bool:
    """What a team's other processes do: they train along, and write nothing."""
    if how.team.agreed(False):
        train(_training(run, faces, device, how), pause_after=how.team.agreed(0))
    return how.team.agreed(False)


def _training(run: Run, faces: Faces, device: torch.device, how: How) -> Training:
    """Everything the training of a run needs."""
    return Training(
        _first_classifier(run),
        faces,
        training_inputs(run.config.method, faces, run.load_attention()),
        run.config.recipe,
        run.config.seed,
        run.training_files(how.team.first),
        device,
        _teacher(run, device),
        how,
    )


def _record_if_sound(run: Run) -> dict[str, Any] | None:
    """run.json, or None where it is missing or damaged: then it is begun anew."""
    with contextlib.suppress(FerturbError):
        return run.record()
    return None


def require_same_faces(
    run: Run, record: Mapping[str, Any], data: Mapping[str, Any], accepted: bool = False
) -> None:
    """Raise `FerturbError` if a run's record names other faces than `data`, unless accepted."""
    if (changed := changed_data(record, data)) is not None and not accepted:
        raise FerturbError(
            f"{run.folder} was begun on other faces than {data['source']} has now ({changed}); "
            "put the old ones back, train in another folder, or accept them on purpose with "
            "--accept-changed-faces"
        )


def _finish(run: Run, training: Training, history: list[Epoch]) -> None:
    """Write down how the training went, and what its best epoch predicts."""
    config, faces, device = run.config, training.faces, training.device
    best = best_epoch(history, config.recipe.keep)
    record = run.record() | {
        "parameters": training.classifier.parameter_count,
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
        return Classifier(config.model, config.dataset.raster)


def _first_classifier(run: Run) -> Classifier:
    """The network before the first epoch: fresh, another run's, or with a package's weights."""
    classifier, earlier = new_classifier(run.config), run.evaluated() or run.initial()
    published = run.config.published_weights
    goes_on = (run.folder / CHECKPOINT).exists() or run.complete_history()
    if published is not None and not goes_on:
        start_from_published(classifier, Path(published))
    if earlier is None:
        return classifier
    trained = earlier.load_classifier()
    if (trained.config, trained.raster) != (classifier.config, classifier.raster):
        raise FerturbError(
            f"{run.name} trains {classifier.config} for {classifier.raster} faces, but "
            f"{earlier.name} holds {trained.config} for {trained.raster} faces; start from a run "
            "of the same network"
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


@contextlib.contextmanager
def prepared(parent: Path, config: RunConfig) -> Iterator[Run]:
    """`prepare`, for a training that follows at once.

    Where that is refused before its first epoch, the folders made for it are removed again.
    """
    made = [p for p in (parent / run_folder_name(config), parent) if not p.exists()]
    run = prepare(parent, config)
    try:
        yield run
    except FerturbError:
        begun_with = {"config.json", "run.json", "progress.json"}
        with contextlib.suppress(OSError):  # others may have put something beside the run
            if run.folder in made and begun_with.issuperset(p.name for p in run.folder.iterdir()):
                shutil.rmtree(run.folder)
                if parent in made:
                    parent.rmdir()
        raise


def prepare(parent: Path, config: RunConfig) -> Run:
    """The run folder of a config inside a parent folder, made where needed.

    What can't be trained raises `FerturbError` and leaves no folder. A damaged config.json is
    written again, since the folder's name says which it was.
    """
    check_config(require_kind("config", config, RunConfig))
    folder = require_path("the parent folder", parent) / run_folder_name(config)
    try:
        _ = Run(folder).config
    except FerturbError:  # missing or damaged
        with writing(folder):
            (folder / "config.json").unlink(missing_ok=True)
    return Run.create(folder, config)


def check_config(config: RunConfig) -> None:
    """Raise `FerturbError` for a config that can't be trained, whatever the faces."""
    check_backbone(config.model.name, config.model.shape)
    check_method(config.method, config.recipe.trained)
    for name in (*config.recipe.evaluate, config.recipe.validate_with):
        choose("test-time augmentation", name, AUGMENTATIONS)
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
