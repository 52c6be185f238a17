from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import AugmentConfig, MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.seeds import generator_of
from ferturb.base.tensors import load_tensors
from ferturb.data.faces import Faces
from ferturb.models.classifier import Classifier
from ferturb.perturb.cluster_views import ClusterViews
from ferturb.perturb.methods import training_inputs
from ferturb.runs.execute import new_classifier
from ferturb.training import loop, targets
from ferturb.training.augment import augment
from ferturb.training.batches import batches
from ferturb.training.checkpoint import Epoch
from ferturb.training.files import CHECKPOINT, CLUSTERS, MODEL, TrainingFiles
from ferturb.training.inputs import TrainingInputs
from ferturb.training.loop import Step, Training, best_epoch, train
from ferturb.training.mixing import Mixing
from posix_only import posix_only

CPU = torch.device("cpu")
RECIPE = RecipeConfig(
    epochs=3,
    batch_size=16,
    learning_rate=0.05,
    average=0.9,
    precision="float32",
    augment=AugmentConfig(flip=0.5, rotate=5.0, contrast=0.1, erase=0.3),
)
METHOD_OPTIONS = {
    "baseline": MethodConfig(),
    "perturb-all": MethodConfig("perturb", attention_faces=32),
    "perturb-sample": MethodConfig("perturb", attention_faces=32, views="sample"),
    "perturb-face": MethodConfig("perturb", attention_faces=32, views="sample", scope="face"),
    "perturb-pair": MethodConfig("perturb", attention_faces=32, views="pair", consistency=0.5),
    "eac": MethodConfig("eac"),
    "adl": MethodConfig("adl"),
}


def inputs_for(method: MethodConfig, faces: Faces) -> TrainingInputs:
    attention = None
    if method.name == "perturb":
        attention = new_classifier(RunConfig(model=ModelConfig("tiny", attention=True), seed=77))
    return training_inputs(method, faces, attention)


def training(
    faces: Faces,
    folder: Path,
    recipe: RecipeConfig = RECIPE,
    method: MethodConfig | None = None,
    dropout: float = 0.2,
) -> Training:
    model = ModelConfig("tiny", dropout=dropout)
    inputs = inputs_for(method or MethodConfig(), faces)
    classifier = new_classifier(RunConfig(model=model, seed=3))
    return Training(classifier, faces, inputs, recipe, 3, TrainingFiles(folder, "print"), CPU)


def without_seconds(history: list[Epoch]) -> list[dict[str, float]]:
    return [{k: v for k, v in asdict(e).items() if k != "seconds"} for e in history]


def assert_same_files(first: Path, second: Path) -> None:
    names = sorted(p.name for p in first.iterdir())
    assert names == sorted(p.name for p in second.iterdir())
    for name in names:
        ours, theirs = load_tensors(first / name)[0], load_tensors(second / name)[0]
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert torch.equal(value, theirs[key]), (name, key)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("method", METHOD_OPTIONS)
def test_interrupted_and_resumed_is_uninterrupted(
    toy_faces: Faces, tmp_path: Path, method: str
) -> None:
    config = METHOD_OPTIONS[method]
    whole = train(training(toy_faces, tmp_path / "whole", method=config))
    for stop in (1, 1, 0):  # an epoch, an epoch, the rest; each with new objects
        parts = train(training(toy_faces, tmp_path / "parts", method=config), pause_after=stop)
    assert without_seconds(parts) == without_seconds(whole)
    assert_same_files(tmp_path / "whole", tmp_path / "parts")
    assert (tmp_path / "whole" / CLUSTERS).exists() is method.startswith("perturb")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("method", ["baseline", "perturb-all"])
def test_mixed_faces_train_and_resume_alike_and_count_both_labels(
    toy_faces: Faces, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = METHOD_OPTIONS[method]
    mixed = replace(RECIPE, augment=replace(RECIPE.augment, mixup=0.4, cutmix=1.0))
    plain = train(training(toy_faces, tmp_path / "plain", method=config))
    seen: list[tuple[float, int, int]] = []
    cross_entropy = Mixing.cross_entropy

    def watched(self: Mixing, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        seen.append((self.share, len(self.partner), len(logits)))
        return cross_entropy(self, logits, labels, smoothing)

    monkeypatch.setattr(Mixing, "cross_entropy", watched)
    whole = train(training(toy_faces, tmp_path / "whole", mixed, config))
    views = 4 if method == "perturb-all" else 1
    assert all(0 <= share <= 1 and v == views * b for share, b, v in seen)
    assert len({share for share, _, _ in seen}) > len(seen) // 2
    assert whole[0].train_loss != plain[0].train_loss
    for stop in (1, 0):
        parts = train(training(toy_faces, tmp_path / "parts", mixed, config), pause_after=stop)
    assert without_seconds(parts) == without_seconds(whole)
    assert_same_files(tmp_path / "whole", tmp_path / "parts")


class InterruptError(Exception):
    pass


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("method", ["baseline", "perturb-sample"])
def test_an_epoch_broken_off_in_its_middle_is_repeated(
    toy_faces: Faces, tmp_path: Path, method: str
) -> None:
    config = METHOD_OPTIONS[method]

    def breaks(step: Step) -> None:
        if (step.epoch, step.step) == (2, 2):
            raise InterruptError

    train(training(toy_faces, tmp_path / "whole", method=config))
    with pytest.raises(InterruptError):
        train(training(toy_faces, tmp_path / "parts", method=config), breaks)
    history = train(training(toy_faces, tmp_path / "parts", method=config))
    assert [e.epoch for e in history] == [1, 2, 3]
    assert_same_files(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("file", [MODEL, CLUSTERS])
def test_broken_off_between_two_files_of_an_epoch(
    toy_faces: Faces, tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Model or cluster maps of an epoch are written, its checkpoint is not."""
    config = METHOD_OPTIONS["perturb-all"]
    train(training(toy_faces, tmp_path / "whole", method=config))
    train(training(toy_faces, tmp_path / "parts", method=config), pause_after=1)

    def stop(*_: object) -> None:
        raise InterruptError

    with monkeypatch.context() as patch:
        patch.setattr(TrainingFiles, "append" if file == MODEL else "save_state", stop)
        with pytest.raises(InterruptError):
            train(training(toy_faces, tmp_path / "parts", method=config))
    train(training(toy_faces, tmp_path / "parts", method=config))
    assert_same_files(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.usefixtures("tiny")
def test_global_random_state_changes_nothing_and_is_left_alone(
    toy_faces: Faces, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    train(training(toy_faces, tmp_path / "a"), pause_after=1)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    train(training(toy_faces, tmp_path / "b"), pause_after=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert_same_files(tmp_path / "a", tmp_path / "b")


KILLED = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from ferturb.base.config import AugmentConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.data.faces import Faces
from ferturb.models.backbones import BACKBONES
from ferturb.models.compact import compact
from ferturb.runs.execute import new_classifier
from ferturb.training.files import TrainingFiles
from ferturb.training.inputs import TrainingInputs
from ferturb.training.loop import Training, train

BACKBONES["tiny"] = lambda: compact(widths=(4, 8), blocks=(1, 1))
faces, folder = Faces.load(Path(sys.argv[1])), Path(sys.argv[2])
recipe = RecipeConfig(epochs=3, batch_size=8, learning_rate=0.05, average=0.9, precision="float32",
                      augment=AugmentConfig(rotate=5.0, erase=0.3))
config = RunConfig(model=ModelConfig("tiny", dropout=0.2), recipe=recipe, seed=4)
def wait(step):
    if (step.epoch, step.step) == (2, 4) and len(sys.argv) > 3:
        print("in the middle", flush=True)
        sys.stdin.read()
train(Training(new_classifier(config), faces, TrainingInputs(), recipe, 4,
               TrainingFiles(folder, "x"), torch.device("cpu")), wait)
"""


@posix_only
@pytest.mark.slow
def test_kill_9_in_the_middle_of_an_epoch(toy_faces: Faces, tmp_path: Path) -> None:
    toy_faces.save(tmp_path / "faces.safetensors")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(folder: str, *more: str) -> subprocess.Popen[str]:
        arguments = [str(tmp_path / "faces.safetensors"), str(tmp_path / folder), *more]
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    whole, killed = start("whole"), start("killed", "wait")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "in the middle\n"
    assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(60) == -signal.SIGKILL
    assert len(load_tensors(tmp_path / "killed" / CHECKPOINT)[1]["history"]) == 1
    resumed = start("killed")
    assert whole.wait(120) == 0
    assert resumed.wait(120) == 0
    for process in (whole, killed, resumed):
        process.communicate()
    assert_same_files(tmp_path / "whole", tmp_path / "killed")


def nan_from(step: int) -> Callable[..., Tensor]:
    """Cross-entropy that becomes NaN at its call number `step`."""
    true, calls = F.cross_entropy, 0

    def loss(*arguments: Tensor, **options: float) -> Tensor:
        nonlocal calls
        calls += 1
        value = true(*arguments, **options)
        return value * float("nan") if calls >= step else value

    return loss


@pytest.mark.usefixtures("tiny")
def test_a_loss_that_is_not_finite_keeps_the_last_good_state(
    toy_faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(training(toy_faces, tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(
            targets.F, "cross_entropy", nan_from(8)
        )  # 4 steps + validation, then the third
        with pytest.raises(FerturbError, match=r"not finite at epoch 2, .*lower learning_rate"):
            train(training(toy_faces, tmp_path / "broken"))
    tensors, meta = load_tensors(tmp_path / "broken" / CHECKPOINT)
    assert len(meta["history"]) == 1
    assert all(t.isfinite().all() for t in tensors.values())
    assert Classifier.load(tmp_path / "broken" / MODEL).config.name == "tiny"
    train(training(toy_faces, tmp_path / "broken"))  # goes on as if nothing had been
    assert_same_files(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_weights_ruined_by_the_last_step_never_reach_the_checkpoint(
    toy_faces: Faces, tmp_path: Path, average: float
) -> None:
    """One step an epoch: its loss is finite, the weights after it are not."""
    recipe = replace(RECIPE, batch_size=64, schedule="constant", average=average)
    object.__setattr__(recipe, "learning_rate", float("inf"))  # which a recipe refuses
    with pytest.raises(FerturbError, match="not finite at epoch 1, step 1"):
        train(training(toy_faces, tmp_path, recipe))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("tiny")
def test_a_learning_rate_far_too_high_is_an_error(toy_faces: Faces, tmp_path: Path) -> None:
    recipe = replace(RECIPE, learning_rate=1e6, schedule="constant")
    with pytest.raises(FerturbError, match="not finite"):
        train(training(toy_faces, tmp_path, recipe))


@pytest.mark.usefixtures("tiny")
def test_a_learnable_task_is_learnt(toy_faces: Faces, tmp_path: Path) -> None:
    recipe = RecipeConfig(
        epochs=20, batch_size=8, learning_rate=0.1, precision="float32", label_smoothing=0.0
    )
    history = train(training(toy_faces, tmp_path, recipe, dropout=0.0))
    assert history[-1].train_loss < 0.7 * history[0].train_loss
    assert history[-1].validation_accuracy >= 0.9
    assert [e.epoch for e in history] == list(range(1, 21))


class Linear(Classifier):
    """Seven logits from the mean of each quarter of the face: small enough to train by hand."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.config = ModelConfig("linear")
        self.head = nn.Linear(4, 7)
        torch.manual_seed(0)
        nn.init.normal_(self.head.weight, std=0.5)

    def forward(self, faces: Tensor) -> Tensor:
        return self.head(F.avg_pool2d(faces, faces.shape[-1] // 2).flatten(1))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_three_steps_by_hand(toy_faces: Faces, tmp_path: Path, smoothing: float) -> None:
    """SGD with Nesterov momentum, weight decay and label smoothing, written out in float64."""
    recipe = RecipeConfig(
        epochs=1,
        batch_size=20,
        learning_rate=0.3,
        momentum=0.9,
        weight_decay=0.01,
        schedule="constant",
        label_smoothing=smoothing,
        precision="float32",
        augment=AugmentConfig(flip=0.5, crop=24),
    )
    model = Linear()
    w, b = model.head.weight.detach().double(), model.head.bias.detach().double()
    files = TrainingFiles(tmp_path, "x")
    history = train(Training(model, toy_faces, TrainingInputs(), recipe, 9, files, CPU))
    split = toy_faces.split("train")
    generator = generator_of(9, 1, "augment")
    vw, vb, losses, right = torch.zeros_like(w), torch.zeros_like(b), [], 0
    for step, index in enumerate(batches(64, 20, 9, 1)):
        x = augment(split.images[index], recipe.augment, generator).double()
        x = x.view(20, 2, 12, 2, 12).mean((2, 4)).flatten(1)
        target = torch.full((20, 7), smoothing / 7, dtype=torch.float64)
        target[torch.arange(20), split.labels[index]] += 1 - smoothing
        logits = x @ w.T + b
        p = logits.exp() / logits.exp().sum(1, keepdim=True)
        losses.append(float(-(target * p.log()).sum(1).mean()))
        right += int((logits.argmax(1) == split.labels[index]).sum())
        gw, gb = (p - target).T @ x / 20 + 0.01 * w, (p - target).mean(0)
        vw, vb = (0.9 * vw + gw, 0.9 * vb + gb) if step else (gw, gb)
        w, b = w - 0.3 * (gw + 0.9 * vw), b - 0.3 * (gb + 0.9 * vb)
    assert len(losses) == 3
    torch.testing.assert_close(model.head.weight.double(), w, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(model.head.bias.double(), b, atol=1e-6, rtol=1e-5)
    (epoch,) = history
    assert epoch.train_loss == pytest.approx(sum(losses) / 3, rel=1e-5)
    assert epoch.train_accuracy == pytest.approx(right / 60)
    valid = toy_faces.split("validation")
    x = valid.images.double().div(255).view(16, 2, 16, 2, 16).mean((2, 4)).flatten(1)
    logits = x @ w.T + b
    expected = -logits.log_softmax(1)[torch.arange(16), valid.labels].mean()
    assert epoch.validation_loss == pytest.approx(float(expected), rel=1e-5)
    hits = (logits.argmax(1) == valid.labels).double().mean()
    assert epoch.validation_accuracy == pytest.approx(float(hits))
    assert epoch.learning_rate == 0.3


@pytest.mark.usefixtures("tiny")
def test_all_views_make_one_loss_over_views_and_faces(
    toy_faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    true = F.cross_entropy

    def watch(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        seen.append(tuple(target.tolist()))
        return true(logits, target, **options)

    monkeypatch.setattr(targets.F, "cross_entropy", watch)
    train(training(toy_faces, tmp_path, method=METHOD_OPTIONS["perturb-all"]), pause_after=1)
    order = next(iter(batches(64, 16, 3, 1)))
    labels = toy_faces.split("train").labels[order].tolist()
    assert seen[0] == tuple(label for label in labels for _ in range(4))  # K + 1 = 4


@pytest.mark.usefixtures("tiny")
def test_validation_sums_the_views(toy_faces: Faces, tmp_path: Path) -> None:
    t = training(toy_faces, tmp_path, method=METHOD_OPTIONS["perturb-sample"])
    assert isinstance(t.inputs, ClusterViews)
    t.inputs.start_epoch(1, generator_of(0))
    clusters = t.inputs.cluster_map
    valid = toy_faces.split("validation")
    faces = valid.images.unsqueeze(1).float() / 255
    model = t.classifier.eval()
    with torch.no_grad():
        logits = model(faces) + sum(model(faces * (clusters != j)) for j in range(3))
    loss, accuracy = loop.validate(t, t.classifier)
    assert loss == pytest.approx(float(F.cross_entropy(logits, valid.labels)), rel=1e-5)
    assert accuracy == pytest.approx(float((logits.argmax(1) == valid.labels).double().mean()))


@pytest.mark.usefixtures("tiny")
def test_validation_takes_the_crops_that_the_recipe_asks_for(
    toy_faces: Faces, tmp_path: Path
) -> None:
    t = training(toy_faces, tmp_path)
    t = replace(t, recipe=replace(t.recipe, validate_with="ten-crop"))
    valid = toy_faces.split("validation")
    faces = valid.images.unsqueeze(1).float() / 255
    model, places = t.classifier.eval(), [(0, 0), (0, 5), (5, 0), (5, 5), (2, 2)]
    crops = [faces[..., r : r + 27, c : c + 27] for r, c in places]
    with torch.no_grad():
        logits = sum(model(crop) + model(crop.flip(-1)) for crop in crops) / 10
    loss, _ = loop.validate(t, t.classifier)
    assert loss == pytest.approx(float(F.cross_entropy(logits, valid.labels)), rel=1e-5)


def test_the_later_of_two_equal_epochs_is_the_best() -> None:
    def row(epoch: int, accuracy: float) -> Epoch:
        return Epoch(epoch, 1.0, 0.5, 1.0, accuracy, 0.1, 1.0)

    history = [row(1, 0.4), row(2, 0.6), row(3, 0.6), row(4, 0.5)]
    assert best_epoch(history).epoch == 3
    assert best_epoch(history[:1]).epoch == 1


@pytest.mark.usefixtures("tiny")
def test_the_kept_model_is_the_best_epochs(
    toy_faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.4, 0.6, 0.6, 0.5])
    states = []

    def judged(_: Training, model: Classifier) -> tuple[float, float]:
        states.append({k: v.clone() for k, v in model.state_dict().items()})
        return 1.0, next(accuracies)

    monkeypatch.setattr(loop, "validate", judged)
    train(training(toy_faces, tmp_path, replace(RECIPE, epochs=4)))
    kept = load_tensors(tmp_path / MODEL)[0]
    for key, value in kept.items():
        assert torch.equal(value, states[2][key])
    assert not torch.equal(kept["head.weight"], states[1]["head.weight"])


@pytest.mark.usefixtures("tiny")
def test_steps_are_told(toy_faces: Faces, tmp_path: Path) -> None:
    steps: list[Step] = []
    train(training(toy_faces, tmp_path, replace(RECIPE, epochs=2)), steps.append)
    assert [(s.epoch, s.step) for s in steps] == [(e, i) for e in (1, 2) for i in (1, 2, 3, 4)]
    assert {(s.epochs, s.steps) for s in steps} == {(2, 4)}
    assert [len(s.history) for s in steps] == [0] * 4 + [1] * 4
    assert all(s.faces_per_second > 0 for s in steps)


@pytest.mark.usefixtures("tiny")
def test_training_needs_both_splits(toy_faces: Faces, tmp_path: Path) -> None:
    only_training = toy_faces.split("train")
    with pytest.raises(FerturbError, match="faces in train and validation, got 64 and 0"):
        train(training(only_training, tmp_path))


@pytest.mark.usefixtures("tiny")
def test_another_runs_checkpoint_is_refused(toy_faces: Faces, tmp_path: Path) -> None:
    train(training(toy_faces, tmp_path), pause_after=1)
    with pytest.raises(FerturbError, match="another run"):
        train(replace(training(toy_faces, tmp_path), files=TrainingFiles(tmp_path, "other")))


class Adding(TrainingInputs):
    """Whole faces; 100 more loss a step, and a note of how far the training is."""

    def __init__(self) -> None:
        self.progress: list[float] = []

    def start_epoch(self, epoch: int, generator: torch.Generator, progress: float = 0.0) -> None:
        self.progress.append(progress)

    def extra_loss(self, logits: Tensor) -> Tensor:
        return 100 + 0 * logits.sum()


@pytest.mark.usefixtures("tiny")
def test_what_a_method_adds_is_in_the_loss_and_it_knows_how_far_the_training_is(
    toy_faces: Faces, tmp_path: Path
) -> None:
    inputs = Adding()
    history = train(replace(training(toy_faces, tmp_path), inputs=inputs))
    assert inputs.progress == pytest.approx([0, 1 / 3, 2 / 3])
    assert all(100 < epoch.train_loss < 110 for epoch in history)


@pytest.mark.usefixtures("tiny")
def test_gradients_are_clipped_to_the_recipes_length(toy_faces: Faces, tmp_path: Path) -> None:
    def moved(clip: float) -> float:
        recipe = replace(RECIPE, epochs=1, weight_decay=0.0, average=0.0, clip=clip)
        made = training(toy_faces, tmp_path / f"{clip}", recipe)
        before = [p.detach().clone() for p in made.classifier.parameters()]
        train(made)
        after = made.classifier.parameters()
        return max(float((a - b).abs().max()) for a, b in zip(after, before, strict=True))

    assert moved(1e-6) < 1e-5 < 1e-3 < moved(0.0)
