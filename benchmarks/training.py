"""Speed of the training loop, against bare steps and against the usual per-image pipeline.

Ways to train the same network on the same faces, at the same batch, side and precision:

- **loop**: ferturb's whole loop, as `ferturb train` runs it: drawing the batch, augmentation,
  views, step, weight averaging, loss checks, progress and history on disk.
- **bare**: forward, backward and step of the optimizer on tensors that lie ready. No training
  can be faster with this network; loop ÷ bare is what the loop leaves of it.
- **autocast**: bare, with torch's autocast as it is; bare has depthwise convolutions in float32
  on a CPU (`ferturb.models.precision`). Only in bfloat16.
- **per-image**: the same step fed by a torch DataLoader whose workers run PIL and torchvision
  transforms on one image at a time (the same kinds of change as ferturb's augmentation).

Each round measures all of them, in turn forwards and backwards (A B C, C B A, …), so that a
machine that grows slower or faster does not favour one; a ratio is taken within a round, and
the median over rounds is reported. Timed are the steps from the end of the first to the end of
the last: starting up, and the loop's validation, are left out for everybody.

    python benchmarks/training.py --model resnet18 --batch 128 --threads 2 --data fer2013.zip
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from ferturb.base.config import (
    FAST,
    AugmentConfig,
    DatasetConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
)
from ferturb.base.seeds import generator_of
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.models.classifier import Classifier
from ferturb.models.precision import autocast, autocast_dtype
from ferturb.runs.execute import execute_run, new_classifier, prepare
from ferturb.training.augment import augment
from ferturb.training.loop import Step
from ferturb.training.optimizer import build_optimizer

Measure = Callable[[], float]
"""One measurement: faces per second."""


@dataclass(frozen=True)
class Setting:
    """What all three ways have in common."""

    config: RunConfig
    faces: Faces
    steps: int
    device: torch.device

    @property
    def recipe(self) -> RecipeConfig:
        return self.config.recipe

    @property
    def batch(self) -> int:
        return self.recipe.batch_size


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", default="resnet18")
    add("--batch", type=int, default=128)
    add("--side", type=int, default=48, help="pixels at which the network trains")
    add("--steps", type=int, default=33, help="steps of one measurement; the first is not timed")
    add("--rounds", type=int, default=5)
    add("--threads", type=int, default=0, help="torch's threads; 0 leaves its own choice")
    add("--workers", type=int, default=os.cpu_count() or 1, help="of the DataLoader")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    add("--device", default="cpu")
    add("--data", default="random", help="a source of faces, 'synthetic' or 'random'")
    add("--without-per-image", action="store_true", help="measure all others only")
    add("--json", action="store_true")
    options = parser.parse_args()
    if options.steps < 2 or options.rounds < 1:
        parser.error("--steps must be at least 2 and --rounds at least 1")
    return options


def enough(source: str, n: int) -> Faces:
    """n training faces (repeated if the source has fewer) and a few validation and test faces."""
    generator = torch.Generator().manual_seed(0)
    if source == "random":
        images = torch.randint(0, 256, (n, 48, 48), generator=generator, dtype=torch.uint8)
        labels = torch.randint(0, 7, (n,), generator=generator)
    else:
        chosen = load_faces(DatasetConfig(source)).split("train")
        index = torch.arange(n) % len(chosen)
        images, labels = chosen.images[index], chosen.labels[index]
    few = torch.arange(8)
    return Faces(
        torch.cat([images, images[few], images[few]]),
        torch.cat([labels, labels[few], labels[few]]),
        torch.cat([torch.zeros(n), torch.ones(8), torch.full((8,), 2.0)]).to(torch.uint8),
        tuple(f"{i}" for i in range(n + 16)),
        source,
    )


class Clock:
    """Looks at the time, and waits for the device, at the ends of the first and last step only."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.ends = setting, list[float]()

    def step_ended(self, number: int) -> None:
        """`number` counts from 1."""
        if number in (1, self.setting.steps):
            if self.setting.device.type == "cuda":
                torch.cuda.synchronize(self.setting.device)
            self.ends.append(time.perf_counter())

    def faces_per_second(self) -> float:
        return self.setting.batch * (self.setting.steps - 1) / (self.ends[1] - self.ends[0])


def loop_speed(setting: Setting) -> float:
    """ferturb's own loop, in a run folder of its own."""
    clock = Clock(setting)

    def note(step: Step) -> None:
        clock.step_ended(step.step)

    with tempfile.TemporaryDirectory() as folder:
        run = prepare(Path(folder), setting.config)
        execute_run(run, setting.faces, setting.device, note, pause_after=1)
    return clock.faces_per_second()


class Stepper:
    """The step that all but the loop share: the loop's network, optimizer and precision."""

    def __init__(self, setting: Setting, plain: bool = False) -> None:
        """`plain`: within torch's own autocast."""
        self.recipe, self.device = setting.recipe, setting.device
        self.plain = autocast_dtype(self.recipe.precision, self.device) if plain else None
        model: Classifier = new_classifier(setting.config).to(self.device)
        self.model = model.to(memory_format=torch.channels_last).train()
        self.optimizer = build_optimizer(self.model, self.recipe)

    def __call__(self, inputs: Tensor, labels: Tensor) -> None:
        own = autocast(self.recipe.precision, self.device)
        with torch.autocast(self.device.type, self.plain) if self.plain else own:
            logits = self.model(inputs).float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def bare_speed(setting: Setting, side: int, plain: bool = False) -> float:
    """Steps on one ready batch, made by the loop's own augmentation so that inputs are alike."""
    step, device = Stepper(setting, plain), setting.device
    images = setting.faces.images[: setting.batch]
    inputs = augment(images, setting.recipe.augment, generator_of(0), side).to(device)
    labels = setting.faces.labels[: setting.batch].to(device)
    clock = Clock(setting)
    for number in range(1, setting.steps + 1):
        step(inputs, labels)
        clock.step_ended(number)
    return clock.faces_per_second()


class ImageFiles(Dataset[tuple[Tensor, int]]):
    """One PIL image at a time, through torchvision's transforms."""

    def __init__(self, faces: Faces, change: transforms.Compose) -> None:
        self.images = [Image.fromarray(image) for image in faces.images.numpy()]
        self.labels = faces.labels.tolist()
        self.change = change

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.change(self.images[i]), self.labels[i]


def torchvision_transforms(config: AugmentConfig, side: int) -> transforms.Compose:
    """The kinds of change of `config` as torchvision offers them."""
    bilinear = transforms.InterpolationMode.BILINEAR
    resize = [transforms.Resize(side, bilinear)] if side != 48 else []
    return transforms.Compose(
        [
            transforms.RandomHorizontalFlip(config.flip),
            transforms.RandomAffine(
                config.rotate,
                (config.shift, config.shift),
                (1 - config.scale, 1 + config.scale),
                (-config.shear * 57.3, config.shear * 57.3),
                bilinear,
            ),
            *resize,
            transforms.ColorJitter(config.brightness, config.contrast),
            transforms.ToTensor(),
            transforms.RandomErasing(config.erase, (0.02, 0.2), value="random"),
        ]
    )


def per_image_speed(setting: Setting, side: int, workers: int) -> float:
    """The same steps, fed by a DataLoader. What it has fetched ahead by then is in its favour."""
    step, device = Stepper(setting), setting.device
    loader = DataLoader(
        ImageFiles(
            setting.faces.split("train"), torchvision_transforms(setting.recipe.augment, side)
        ),
        setting.batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=device.type == "cuda",
    )
    clock = Clock(setting)
    for number, (inputs, labels) in enumerate(loader, 1):
        step(inputs.to(device), labels.to(device))
        clock.step_ended(number)
    return clock.faces_per_second()


def rounds(ways: dict[str, Measure], count: int) -> Iterator[dict[str, float]]:
    """One figure per way and round, forwards and backwards in turn."""
    for i in range(count):
        order = list(ways) if i % 2 == 0 else list(reversed(ways))
        measured = {name: ways[name]() for name in order}
        yield {name: measured[name] for name in ways}


def main() -> None:
    options = parsed()
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = replace(
        FAST,
        name="benchmark",
        epochs=1000,  # only the first is run
        batch_size=options.batch,
        precision=options.precision,
        progressive_sizes=((1.0, options.side),),
    )
    setting = Setting(
        RunConfig(model=ModelConfig(options.model), recipe=recipe),
        enough(options.data, options.batch * options.steps),
        options.steps,
        torch.device(options.device),
    )
    ways: dict[str, Measure] = {
        "bare": lambda: bare_speed(setting, options.side),
        "loop": lambda: loop_speed(setting),
    }
    if autocast_dtype(options.precision, setting.device):
        ways["autocast"] = lambda: bare_speed(setting, options.side, plain=True)
    if not options.without_per_image:
        ways["per-image"] = lambda: per_image_speed(setting, options.side, options.workers)
    results = []
    for i, figures in enumerate(rounds(ways, options.rounds)):
        results.append(figures)
        text = ", ".join(f"{name} {figure:.1f}" for name, figure in figures.items())
        print(f"round {i + 1}/{options.rounds}: {text} faces/s", file=sys.stderr)
    ratios = {
        f"{own}/{other}": statistics.median(r[own] / r[other] for r in results)
        for own, other in [*(("loop", way) for way in ways), ("bare", "autocast")]
        if own != other and other in ways
    }
    summary = {
        **vars(options),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "rounds": results,
        "median_faces_per_second": {
            name: statistics.median(r[name] for r in results) for name in ways
        },
        "median_ratio": ratios,
    }
    if options.json:
        print(json.dumps(summary, indent=2))
        return
    print(f"{options.model}, batch {options.batch}, {options.side} px, {options.precision}:")
    for name, figure in summary["median_faces_per_second"].items():
        print(f"  {name:9} {figure:8.1f} faces/s")
    for name, ratio in ratios.items():
        print(f"  {name:15} {ratio:.3f} (median of {options.rounds} rounds)")


if __name__ == "__main__":
    main()
