"""What the Perturb Scheme costs: per-face clustering, and views in training.

1. **Per-face clustering ÷ training step**: clustering the attention maps of one batch (Equation
   1, K = 3, naming included) against one training step (augmentation, forward, backward, step)
   of the same batch. ferturb clusters each face once a training, so in training the share is
   smaller still, by the number of epochs.
2. **views=sample** and **views=all**: faces/s of a training step with them, against the
   baseline's. All K+1 views cost K+1 passes, so 1/(K+1) is the most that is possible there.

Each round measures all in turn, forwards and backwards, in processor time; ratios are taken
within a round and the median over rounds is reported.

    python benchmarks/perturb.py --model resnet18 --batch 128 --threads 1
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn import functional as F

from ferturb.base.config import FAST, MethodConfig, ModelConfig
from ferturb.base.pixels import as_input
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.models.classifier import Classifier
from ferturb.models.precision import autocast
from ferturb.perturb.cluster_maps import AttentionClusters
from ferturb.perturb.cluster_views import ClusterViews
from ferturb.perturb.methods import training_inputs
from ferturb.training.inputs import Batch, TrainingInputs
from ferturb.training.optimizer import build_optimizer

METHODS_MEASURED = {
    "baseline": MethodConfig("baseline"),
    "views=sample": MethodConfig("perturb", views="sample", attention_faces=64),
    "views=sample, per face": MethodConfig("perturb-face", views="sample", attention_faces=64),
    "views=sample, blurred": MethodConfig("perturb-blur", views="sample", attention_faces=64),
    "views=all": MethodConfig("perturb", views="all", attention_faces=64),
}


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", default="resnet18")
    add("--batch", type=int, default=128)
    add("--steps", type=int, default=2, help="steps of one measurement")
    add("--rounds", type=int, default=3)
    add("--threads", type=int, default=0, help="torch's threads; 0 leaves its own choice")
    add("--wall", action="store_true", help="wall-clock in place of processor time")
    add("--json", action="store_true")
    return parser.parse_args()


class Stepper:
    """One method's training steps on the first batch of some faces."""

    def __init__(self, model: str, batch: int, inputs: TrainingInputs) -> None:
        torch.manual_seed(0)
        network = Classifier(ModelConfig(model)).to(memory_format=torch.channels_last)
        self.model = network.train()
        self.recipe = replace(FAST, batch_size=batch)
        self.optimizer = build_optimizer(self.model, self.recipe)
        self.inputs = inputs
        self.inputs.start_epoch(1, torch.Generator().manual_seed(0))
        self.generator = torch.Generator().manual_seed(0)
        self.index = torch.arange(batch)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        batch = Batch(self.index, images[self.index], self.recipe.augment, self.generator)
        inputs = self.inputs(batch, self.generator)
        target = labels[self.index].repeat_interleave(len(inputs) // len(self.index))
        with autocast(self.recipe.precision, images.device):
            logits = self.model(inputs).float()
        loss = F.cross_entropy(logits, target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def main() -> None:
    options = parsed()
    if options.threads:
        torch.set_num_threads(options.threads)
    clock: Callable[[], float] = time.perf_counter if options.wall else time.process_time
    torch.set_flush_denormal(True)
    faces = synthetic_faces(options.batch, 0)
    faces = replace(faces, splits=torch.zeros_like(faces.splits))  # all of them to train on
    torch.manual_seed(0)
    attention = Classifier(ModelConfig("compact", attention=True)).eval()
    steppers = {
        name: Stepper(options.model, options.batch, training_inputs(c, faces, attention))
        for name, c in METHODS_MEASURED.items()
    }
    by_face = steppers["views=sample, per face"].inputs
    assert isinstance(by_face, ClusterViews)
    clusters = AttentionClusters(by_face.config, attention, by_face.cluster_map)
    inputs = as_input(faces.images)
    with torch.no_grad():
        values = attention.attention_maps(inputs)

    def cluster() -> None:
        clusters.of_values(values)

    cluster()
    seconds: dict[str, list[float]] = {name: [] for name in (*steppers, "clustering")}
    for stepper in steppers.values():
        stepper.step(faces.images, faces.labels)
    for number in range(options.rounds):
        for name in list(seconds) if number % 2 == 0 else list(seconds)[::-1]:
            start = clock()
            for _ in range(options.steps):
                if name == "clustering":
                    cluster()
                else:
                    steppers[name].step(faces.images, faces.labels)
            seconds[name].append((clock() - start) / options.steps)
    base = seconds["baseline"]
    result = {
        "model": options.model,
        "batch": options.batch,
        "threads": torch.get_num_threads(),
        "milliseconds": {n: round(1000 * statistics.median(s), 1) for n, s in seconds.items()},
        "clustering_share_of_a_step": round(
            statistics.median(c / b for c, b in zip(seconds["clustering"], base, strict=True)), 4
        ),
        "faces_a_second_relative_to_the_baseline": {
            name: round(statistics.median(b / s for b, s in zip(base, found, strict=True)), 3)
            for name, found in seconds.items()
            if name not in ("baseline", "clustering")
        },
    }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
