"""The training loop.

One step: a batch of faces, augmented and made into network inputs by the method, mixed if the
recipe does; then forward, loss, backward. After each epoch the averaged weights are measured on
the validation split, the best so far are kept, and a checkpoint is written from which the next
epoch continues bit for bit.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ferturb.base.config import RecipeConfig
from ferturb.base.errors import FerturbError
from ferturb.base.seeds import generator_of, seed_of
from ferturb.data.faces import Faces
from ferturb.models.classifier import Classifier
from ferturb.models.device import sent
from ferturb.models.test_time import predict_logits
from ferturb.training.batches import batches, steps_per_epoch
from ferturb.training.checkpoint import Epoch, State
from ferturb.training.distillation import Teacher
from ferturb.training.files import TrainingFiles
from ferturb.training.forward import Forward
from ferturb.training.frozen import frozen, in_training
from ferturb.training.inputs import Batch, TrainingInputs
from ferturb.training.meter import Meter
from ferturb.training.mixing import Mixing, draw_mixing
from ferturb.training.optimizer import learning_rate, update
from ferturb.training.sides import require_sides, training_size
from ferturb.training.targets import (
    Head,
    cross_entropy,
    heads_of,
    measured,
    split_heads,
    weighted,
)
from ferturb.training.team import PLAIN, How, shared_layers

LOSS_CHECK = 32
"""Steps between two looks at the loss (each look waits for the device)."""


@dataclass(frozen=True)
class Step:
    """How far a training is, for a progress display."""

    epoch: int
    epochs: int
    step: int
    steps: int
    faces_per_second: float
    history: tuple[Epoch, ...]


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Training:
    """Everything one training needs; `train` runs it."""

    classifier: Classifier
    faces: Faces
    inputs: TrainingInputs
    recipe: RecipeConfig
    seed: int
    files: TrainingFiles
    """Where the checkpoint, the kept model and the cluster maps go."""
    device: torch.device
    teacher: Teacher | None = None
    """For distillation; None learns from the labels alone."""
    how: How = PLAIN


def train(
    training: Training, on_step: OnStep = lambda _: None, pause_after: int = 0
) -> list[Epoch]:
    """Train to the recipe's last epoch, from the last checkpoint if there is one.

    Keeps the weights of the best epoch (`best_epoch`) and returns the history. A loss that is not
    finite raises `FerturbError` and leaves the last good checkpoint and the best model in place.
    `pause_after` stops after that many epochs of this call; 0 never stops.
    """
    t = training
    faces = _training_split(t)
    network, team = network_of(t), t.how.team
    require_sides(network, t.recipe, t.faces.images.shape[-1], t.device)
    if team.size > 1:
        shared_layers(network, team, t.device, t.how.synced)
    state = State.fresh(network, t.recipe)
    t.files.resume(state)
    team.require_same(len(state.history), "checkpoints")
    with t.inputs.attached(state.model), frozen(state.model, t.recipe):
        loop = _Loop(t, state, Forward(state.model, t.recipe.precision, t.device, t.how), *faces)
        done_before = len(state.history)
        for epoch in range(done_before + 1, t.recipe.epochs + 1):
            progress = (epoch - 1) / t.recipe.epochs
            t.inputs.start_epoch(epoch, generator_of(t.seed, epoch, "views"), progress)
            state.history.append(_epoch(loop, epoch, on_step))
            if best_epoch(state.history, t.recipe.keep) is state.history[-1]:
                t.files.save_model(state.average.model)
            t.files.append(epoch, t.inputs.epoch_record())
            t.files.save_state(state)
            if pause_after and epoch - done_before >= pause_after:
                break
    return state.history


def network_of(training: Training) -> Classifier:
    """The training's network on its device; all heads answer."""
    return training.classifier.answering(None).to(training.device)


def best_epoch(history: list[Epoch], keep: str = "best") -> Epoch:
    """The epoch with the highest validation accuracy, the later one of two alike; or the last."""
    if keep == "last":
        return history[-1]
    return max(history, key=lambda e: (e.validation_accuracy, e.epoch))


def validate(training: Training, network: nn.Module) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over the validation split, as used at test time, with the
    recipe's test-time augmentation: of two heads their mean, the votes' by FER+'s classes."""
    t, chosen, team = training, training.faces.split("validation"), training.how.team
    model = t.inputs.at_test_time(network).to(t.device)
    images = team.own(chosen.images, len(chosen))
    logits = predict_logits(
        model, images, t.recipe.validate_with, precision=t.recipe.precision, device=t.device
    )
    logits = team.whole(logits.to(t.device), len(chosen)).cpu()
    return measured(_heads(t, chosen), logits)


def _heads(t: Training, faces: Faces) -> tuple[Head, ...]:
    return heads_of(faces, t.classifier.config.heads, t.recipe.votes)


def check_finite(loss: Tensor | float, where: str) -> None:
    """Raise `FerturbError` for a loss that is infinite or NaN; `where` says at which step."""
    if not math.isfinite(float(loss)):
        raise FerturbError(
            f"the loss is not finite {where}; the last good state is kept: lower learning_rate in "
            "the recipe, or precision=float32"
        )


@dataclass(frozen=True)
class _Loop:
    """A training under way."""

    training: Training
    state: State
    forward: Forward
    images: Tensor
    """The training split: on the device, or of over a gigabyte where it lies."""
    heads: tuple[Head, ...]
    """What each head should say of it."""

    def shown(self, index: Tensor, place: Tensor) -> Tensor:
        """The faces of a step on the device; its places on the CPU and there."""
        there = self.images.device == place.device
        return self.images[place] if there else sent(self.images[index], place.device)


@dataclass(frozen=True)
class _Planned:
    """One step: its faces, its rate and where it stands."""

    number: int
    """From 0, within the epoch."""
    total: int
    """From 0, within the training."""
    rate: float
    batch: Batch
    heads: tuple[Head, ...]
    draws: int
    """The epoch whose augmentations this one's are."""


def _epoch(loop: _Loop, epoch: int, on_step: OnStep) -> Epoch:
    """One epoch of steps, and its validation where it is due."""
    t, s = loop.training, loop.state
    own = generator_of(t.seed, epoch, "pictures")
    meter = Meter(t.device)
    in_training(s.model, t.recipe)
    with _dropout_of(t, epoch):
        for step in _steps(loop, epoch):
            inputs = t.inputs(step.batch, own)
            draws = generator_of(t.seed, step.draws, "mixing", step.number)
            mixing = draw_mixing(t.recipe.augment, len(step.batch.index), inputs.shape[-1], draws)
            shown = inputs if mixing is None else mixing.faces(inputs)
            logits = loop.forward(shown, len(step.batch.index))
            loss = _loss(t, step, logits, mixing)
            update(s.optimizer, s.model, loss, step.rate, t.recipe.clip)
            s.average.update(s.model, step.total)
            meter.add(loss, logits, step.heads[0])
            where = f"at epoch {epoch}, step {step.number + 1} (learning rate {step.rate:.4g})"
            if step.number % LOSS_CHECK == LOSS_CHECK - 1:
                check_finite(meter.loss, where)
            on_step(_report(loop, epoch, step, meter))
    check_finite(meter.loss, where)
    t.how.team.share_statistics(s.model, s.average.model)
    loss_value = accuracy = math.nan
    if epoch % t.recipe.validate_every == 0 or epoch == t.recipe.epochs:
        loss_value, accuracy = validate(t, s.average.model)
        check_finite(loss_value, where)
    return Epoch(epoch, *meter.means(), loss_value, accuracy, step.rate, meter.seconds())


def _steps(loop: _Loop, epoch: int) -> Iterator[_Planned]:
    """The steps of an epoch; each draws its augmentation from where the one before ended."""
    t, recipe = loop.training, loop.training.recipe
    repeated = recipe.distillation_views
    draws = (epoch - 1) % repeated + 1 if repeated else epoch
    generator = generator_of(t.seed, draws, "augment")
    side = training_size(recipe, epoch, loop.images.shape[-1])
    size = None if recipe.augment.crop is not None else side  # a crop's side is the size
    count = steps_per_epoch(len(loop.images), recipe.batch_size)
    past = [e.validation_accuracy for e in loop.state.history]
    for number, index in enumerate(batches(len(loop.images), recipe.batch_size, t.seed, draws)):
        place = sent(index, t.device)
        total = (epoch - 1) * count + number
        rate = learning_rate(recipe, total, count, past)
        batch = Batch(index, loop.shown(index, place), recipe.augment, generator, size)
        heads = tuple(head.at(place) for head in loop.heads)
        yield _Planned(number, total, rate, batch, heads, draws)


def _loss(t: Training, step: _Planned, logits: Tensor, mixing: Mixing | None) -> Tensor:
    """Cross-entropy by each head's target (both faces' where mixed), blended with the teacher's
    loss, and what the method adds."""
    faces, taught = len(step.batch.index), None
    entropy = cross_entropy if mixing is None else mixing.cross_entropy
    if t.teacher is not None:
        name, team = (step.draws, step.number), t.how.team
        shown = partial(_teacher_inputs, step.batch, mixing)
        own = t.teacher.answer(name, lambda: team.own(shown(), faces))
        taught = team.whole(own, faces)

    def loss(place: int, head: Head, own: Tensor) -> Tensor:
        found = entropy(own, head.repeated(len(own) // faces).target, t.recipe.label_smoothing)
        if t.teacher is not None and taught is not None:
            found = t.teacher.blend(found, own, split_heads(taught)[place])
        extra = t.inputs.extra_loss(own)
        return found if extra is None else found + extra

    return weighted(step.heads, logits, loss)


def _teacher_inputs(batch: Batch, mixing: Mixing | None) -> Tensor:
    """Whole faces at full size, mixed as the network sees them."""
    faces = batch.at_full_size()
    return faces if mixing is None else mixing.faces(faces)


def _report(loop: _Loop, epoch: int, step: _Planned, meter: Meter) -> Step:
    recipe, done = loop.training.recipe, step.number + 1
    steps = steps_per_epoch(len(loop.images), recipe.batch_size)
    speed = done * recipe.batch_size / meter.seconds()
    return Step(epoch, recipe.epochs, done, steps, speed, tuple(loop.state.history))


@contextlib.contextmanager
def _dropout_of(t: Training, epoch: int) -> Iterator[None]:
    """An epoch's own dropout; the process's random state is left as it was."""
    with torch.random.fork_rng(devices=[t.device] if t.device.type == "cuda" else []):
        torch.manual_seed(seed_of(t.seed, epoch, "dropout"))
        yield


def require_splits(faces: Faces) -> None:
    """Raise `FerturbError` for faces that nothing can be trained on."""
    counts = [len(faces.split(name)) for name in ("train", "validation")]
    if not all(counts):
        raise FerturbError(
            f"{faces.source}: training needs faces in train and validation, "
            f"got {counts[0]} and {counts[1]}"
        )


def _training_split(t: Training) -> tuple[Tensor, tuple[Head, ...]]:
    require_splits(t.faces)
    chosen = t.faces.split("train")
    return chosen.images_on(t.device), tuple(head.to(t.device) for head in _heads(t, chosen))
