"""The training loop.

One pass: draw the batch's faces from the tensor that holds them all, augment them, let the
method make its views, mix them if the recipe does, step. After each epoch the averaged weights are
judged on the validation split, the best so far are kept, and a checkpoint is written from which
the next epoch continues bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.config import RecipeConfig
from ferturb.data.faces import Faces
from ferturb.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.models.inference import logits_of
from ferturb.perturb.training_views import TrainingViews
from ferturb.storage import load_tensors, save_tensors
from ferturb.training.augment import augment, augment_with_maps, same_draws
from ferturb.training.batches import batches, generator_of, seed_of, steps_per_epoch
from ferturb.training.checkpoint import Epoch, load_checkpoint, save_checkpoint
from ferturb.training.forward import Forward
from ferturb.training.mixing import Mixing, draw_mixing
from ferturb.training.optimizer import (
    AveragedWeights,
    build_optimizer,
    learning_rate,
    set_learning_rate,
)
from ferturb.training.teaching import Teacher

CHECKPOINT, MODEL, CLUSTERS = (
    "checkpoint.safetensors",
    "model.safetensors",
    "clusters.safetensors",
)
"""What a training leaves in its folder."""

LOSS_CHECK = 32
"""Steps between two looks at the loss (each look waits for the device)."""


@dataclass(frozen=True)
class Step:
    """What a progress display is told."""

    epoch: int
    epochs: int
    step: int
    steps: int
    faces_per_second: float
    history: tuple[Epoch, ...]


@dataclass(frozen=True)
class Training:
    """Everything one training needs; `train` runs it."""

    classifier: Classifier
    faces: Faces
    views: TrainingViews
    recipe: RecipeConfig
    seed: int
    folder: Path
    """Where checkpoint.safetensors, model.safetensors and clusters/ are kept."""
    fingerprint: str
    device: torch.device
    teacher: Teacher | None = None
    """Whom the network learns from beside the labels."""


def train(
    training: Training, on_step: Callable[[Step], None] = lambda _: None, pause_after: int = 0
) -> list[Epoch]:
    """Train to the recipe's last epoch, from the checkpoint in the folder if there is one.

    Leaves the best epoch's weights (by validation accuracy; of equals the later) in
    model.safetensors and returns the history. A loss that is no number raises `FerturbError`
    and leaves the last good checkpoint and the best model in place. `pause_after` stops after
    that many epochs of this call, for those who want to go on later; 0 never stops.
    """
    t = training
    model = t.classifier.to(t.device).to(memory_format=torch.channels_last)
    average = AveragedWeights(model, t.recipe.average)
    optimizer = build_optimizer(model, t.recipe)
    checkpoint = t.folder / CHECKPOINT
    history: list[Epoch] = []
    if checkpoint.exists():
        history = load_checkpoint(checkpoint, model, average, optimizer, t.fingerprint)
    images, labels = _training_split(t)
    done_before = len(history)
    forward = Forward(model, t.recipe.precision, t.device)
    for epoch in range(len(history) + 1, t.recipe.epochs + 1):
        progress = (epoch - 1) / t.recipe.epochs
        t.views.start_epoch(epoch, generator_of(t.seed, epoch, "views"), progress)
        history.append(
            _epoch(t, model, forward, average, optimizer, images, labels, epoch, history, on_step)
        )
        if best_epoch(history, t.recipe.keep) is history[-1]:
            _kept(average.model).save(t.folder / MODEL)
        _record_cluster_map(t, epoch)
        save_checkpoint(checkpoint, model, average, optimizer, history, t.fingerprint)
        if pause_after and epoch - done_before >= pause_after:
            break
    return history


def adopt(training: Training, trained: Epoch) -> Epoch:
    """Keep a trained network as it is and judge it as its method uses it.

    `trained` is its best epoch as it was trained. Leaves what `train` leaves after one epoch.
    """
    start = time.perf_counter()
    t = training
    model = t.classifier.to(t.device).to(memory_format=torch.channels_last)
    t.views.start_epoch(1, generator_of(t.seed, 1, "views"), 1.0)
    loss, accuracy = validate(t, model)
    _check_loss(loss, 1, 0, 0.0)
    model.save(t.folder / MODEL)
    _record_cluster_map(t, 1)
    return replace(
        trained,
        epoch=1,
        validation_loss=loss,
        validation_accuracy=accuracy,
        seconds=time.perf_counter() - start,
    )


def best_epoch(history: list[Epoch], keep: str = "best") -> Epoch:
    """The epoch with the highest validation accuracy, of equals the later; or the last one."""
    if keep == "last":
        return history[-1]
    return max(history, key=lambda e: (e.validation_accuracy, e.epoch))


def _record_cluster_map(t: Training, epoch: int) -> None:
    """Append this epoch's cluster map, if the method has one, to clusters.safetensors, and how
    many attention maps were degenerate."""
    current = t.views.cluster_map()
    if current is None:
        return
    path = t.folder / CLUSTERS
    maps = current.unsqueeze(0).to(torch.uint8).cpu()
    degenerate = torch.tensor([t.views.degenerate()])
    if epoch > 1:
        before = load_tensors(path)[0]
        maps = torch.cat([before["maps"][: epoch - 1], maps])
        earlier = before.get("degenerate", torch.zeros(epoch - 1, dtype=torch.int64))
        degenerate = torch.cat([earlier[: epoch - 1], degenerate])
    tensors = {"maps": maps, "degenerate": degenerate}
    save_tensors(path, tensors, {"format": "ferturb-clusters-1"})


def _kept(model: nn.Module) -> Classifier:
    assert isinstance(model, Classifier)
    return model


def _training_split(t: Training) -> tuple[Tensor, Tensor]:
    chosen = t.faces.split("train")
    if not len(chosen) or not len(t.faces.split("validation")):
        raise FerturbError(
            f"{t.faces.source}: training needs faces in train and validation, "
            f"got {len(chosen)} and {len(t.faces.split('validation'))}"
        )
    return chosen.images.to(t.device), chosen.labels.to(t.device)


def training_size(recipe: RecipeConfig, epoch: int, side: int) -> int:
    """The side in pixels at which an epoch (from 1) trains: progressive resizing, else `side`."""
    for share, size in recipe.sizes:
        if epoch <= share * recipe.epochs:
            return size
    return side


def _epoch(
    t: Training,
    model: Classifier,
    forward: Forward,
    average: AveragedWeights,
    optimizer: torch.optim.SGD,
    images: Tensor,
    labels: Tensor,
    epoch: int,
    history: list[Epoch],
    on_step: Callable[[Step], None],
) -> Epoch:
    """One epoch of steps and its validation."""
    start = time.perf_counter()
    draws = _draws(t.recipe, epoch)
    generator = generator_of(t.seed, draws, "augment")
    pictures = generator_of(t.seed, epoch, "pictures")
    steps = steps_per_epoch(len(images), t.recipe.batch_size)
    past = [e.validation_accuracy for e in history]
    size = training_size(t.recipe, epoch, images.shape[-1])
    loss_sum = torch.zeros((), device=t.device)
    correct = torch.zeros((), device=t.device)
    rate, seen = 0.0, 0
    model.train()
    with torch.random.fork_rng(devices=[t.device] if t.device.type == "cuda" else []):
        torch.manual_seed(seed_of(t.seed, epoch, "dropout"))
        for step, index in enumerate(batches(len(images), t.recipe.batch_size, t.seed, draws)):
            number = (epoch - 1) * steps + step
            rate = learning_rate(t.recipe, number, steps, past)
            set_learning_rate(optimizer, rate)
            again = same_draws(generator)
            inputs = _inputs(t, images, index, generator, pictures, size)
            target = labels[index.to(t.device)].repeat_interleave(len(inputs) // len(index))
            mixing = draw_mixing(
                t.recipe.augment,
                len(index),
                inputs.shape[-1],
                generator_of(t.seed, draws, "mixing", step),
            )
            if mixing is not None:
                inputs = mixing.faces(inputs)
            logits = forward(inputs)
            loss = _loss(logits, target, mixing, t.recipe.label_smoothing)
            if t.teacher is not None:
                whole = partial(_whole, images[index.to(t.device)], t.recipe, again, mixing)
                loss = t.teacher.blend(loss, logits, t.teacher.answer((draws, step), whole))
            extra = t.views.extra_loss(logits, len(index))
            loss = loss if extra is None else loss + extra
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            average.update(model, number)
            loss_sum += loss.detach() * len(target)
            correct += (logits.detach().argmax(1) == target).sum()
            seen += len(target)
            if step % LOSS_CHECK == LOSS_CHECK - 1 or step == steps - 1:
                _check_loss(loss_sum, epoch, step, rate)
            elapsed = time.perf_counter() - start
            on_step(
                Step(
                    epoch,
                    t.recipe.epochs,
                    step + 1,
                    steps,
                    (step + 1) * t.recipe.batch_size / elapsed,
                    tuple(history),
                )
            )
    loss_value = accuracy = math.nan
    if epoch % t.recipe.validate_every == 0 or epoch == t.recipe.epochs:
        loss_value, accuracy = validate(t, average.model)
        _check_loss(loss_value, epoch, steps - 1, rate)
    return Epoch(
        epoch=epoch,
        train_loss=float(loss_sum) / seen,
        train_accuracy=float(correct) / seen,
        validation_loss=loss_value,
        validation_accuracy=accuracy,
        learning_rate=rate,
        seconds=time.perf_counter() - start,
    )


def _loss(logits: Tensor, labels: Tensor, mixing: Mixing | None, smoothing: float) -> Tensor:
    """By the labels of the faces, or of both faces in each input."""
    if mixing is not None:
        return mixing.cross_entropy(logits, labels, smoothing)
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def _whole(
    images: Tensor, recipe: RecipeConfig, generator: torch.Generator, mixing: Mixing | None
) -> Tensor:
    """What teachers are shown: whole faces, mixed as the network sees them."""
    faces = augment(images, recipe.augment, generator)
    return faces if mixing is None else mixing.faces(faces)


def _draws(recipe: RecipeConfig, epoch: int) -> int:
    """The epoch whose order and augmentations this one repeats; itself where none repeats."""
    repeated = recipe.distillation_views
    return (epoch - 1) % repeated + 1 if repeated else epoch


def _inputs(
    t: Training,
    images: Tensor,
    index: Tensor,
    generator: torch.Generator,
    pictures: torch.Generator,
    size: int,
) -> Tensor:
    """What the network sees in one step, (v, 1, h, w)."""
    shown = t.views.pictures_of(index, pictures)
    maps = t.views.maps_of(index)
    faces, maps = augment_with_maps(
        images[index.to(t.device)] if shown is None else shown.to(t.device),
        None if maps is None else maps.to(t.device),
        t.recipe.augment,
        generator,
        _resize(t.recipe, size),
    )
    return t.views(faces, generator, maps)


def _resize(recipe: RecipeConfig, size: int) -> int | None:
    """No resizing after a crop: the crop's side is the size then."""
    return None if recipe.augment.crop is not None else size


def _check_loss(loss: Tensor | float, epoch: int, step: int, rate: float) -> None:
    if not math.isfinite(float(loss)):
        raise FerturbError(
            f"the loss is no number at epoch {epoch}, step {step + 1} (learning rate {rate:.4g}); "
            "the last good state is kept: lower learning_rate in the recipe, or precision=float32"
        )


def validate(t: Training, model: nn.Module) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over the whole validation split, as used at test time."""
    chosen = t.faces.split("validation")
    tested = t.views.at_test_time(model).to(t.device)
    logits = logits_of(tested, chosen.images, precision=t.recipe.precision, device=t.device)
    loss = float(F.cross_entropy(logits, chosen.labels))
    return loss, float((logits.argmax(1) == chosen.labels).double().mean())
