"""Train what the package ships: networks that learn FER2013's labels and ten people's votes.

    python tools/train_shipped.py --data fer2013.zip --votes fer2013new.csv --out runs/shipped

`--workers` trainings at once, one thread each, in the order of `queue`, a student when its teachers
are done. Every training is an ordinary run folder: what is done is left alone, what was stopped
(Ctrl-C, kill) goes on from its last epoch. With `--status` it shows how far each is, and of the
finished ones what they do on PublicTest with flip, on which alone everything is chosen: by the
labels of FER2013 and by FER+'s. `tools/ship_pretrained.py` ships the chosen ones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from workers import POLL, train_others, work_together

from ferturb.base.config import (
    FULL_SIZE,
    MIXED,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RunConfig,
    VotesConfig,
    choose,
)
from ferturb.base.errors import FerturbError
from ferturb.evaluation.metrics import accuracy, balanced_accuracy
from ferturb.evaluation.votes import against_votes
from ferturb.features.altered import load_dataset
from ferturb.models.device import prepare_process
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run, run_folder_name

BOTH = ("label", "votes")
LONG = replace(MIXED, name="long", epochs=60, average=0.999)
"""`mixed` with a longer average, for long schedules."""
PILOT = replace(FULL_SIZE, name="pilot", epochs=20)
FAMILIES = ("resnet18", "vgg16")
"""Networks that teach beside the wide ones, and stand in the ensemble."""
SETTLED = VotesConfig()
"""What of the votes is learnt; the pilots compare it with the others on PublicTest."""
OTHER_VOTES: dict[str, VotesConfig] = {
    "share-0.3": VotesConfig(share=0.3),
    "share-0.7": VotesConfig(share=0.7),
    "keep-single": VotesConfig(single_votes="keep"),
    "weigh": VotesConfig(others="weigh"),
    "spread": VotesConfig(others="spread"),
}


def queue(data: DatasetConfig) -> Iterator[tuple[str, RunConfig]]:
    """Every training by its name, in order: networks of several families, what they teach the
    ones that ship, and what of the votes is best learnt."""
    wide, tiny = (ModelConfig(name, heads=BOTH) for name in ("compact-wide", "compact-tiny"))
    long = replace(LONG, votes=SETTLED)
    again = replace(long, distillation=0.5, distillation_views=20)
    taught_long = replace(long, epochs=120, distillation=0.7, distillation_views=20)
    hidden = replace(long, epochs=20, learning_rate=0.04, distillation=0.5, distillation_views=5)

    def taught(*teachers: RunConfig, **of: Any) -> RunConfig:
        return RunConfig(data, teachers=tuple(map(run_folder_name, teachers)), **of)

    def robust(teacher: RunConfig, **of: Any) -> RunConfig:
        """Goes on from its teacher, the best on PublicTest, whose network it has."""
        weights, method = run_folder_name(teacher), MethodConfig("robust")
        start = {"model": teacher.model, "initial_weights": weights}
        return taught(teacher, method=method, recipe=hidden, **start, **of)

    teachers = [RunConfig(data, wide, recipe=long, seed=seed) for seed in range(3)]
    for config in teachers:
        yield f"clean-s{config.seed}", config
    for name in FAMILIES:
        teachers.append(RunConfig(data, ModelConfig(name, heads=BOTH), recipe=long))
        yield name, teachers[-1]
    yield "clean-taught", taught(*teachers, model=wide, recipe=again, seed=3)
    yield "tiny-taught", taught(*teachers, model=tiny, recipe=taught_long, seed=1)
    yield "robust-taught", robust(teachers[1], seed=1)
    for name, votes in {"settled": SETTLED, **OTHER_VOTES}.items():
        yield f"pilot-{name}", RunConfig(data, tiny, recipe=replace(PILOT, votes=votes))
    for head in BOTH:
        yield f"pilot-{head}-alone", RunConfig(data, replace(tiny, heads=(head,)), recipe=PILOT)


def status(run: Run) -> str:
    """Epochs and seconds; of a finished run its scores on PublicTest."""
    history = run.history()
    if not history:
        return "not begun"
    seconds = sorted(row["seconds"] for row in history)
    text = f"{len(history)}/{run.config.recipe.epochs} epochs, {seconds[len(history) // 2]:.0f} s"
    if not run.done:
        return f"{text}, validation accuracy {100 * history[-1]['validation_accuracy']:.2f}"
    for head in run.config.model.heads:
        labels, logits = run.logits("validation", "flip", head)
        with np.load(run.folder / "logits.npz", allow_pickle=False) as arrays:
            people = against_votes(arrays["votes_validation"], logits)
        text += (
            f"; {head}: label {100 * accuracy(labels, logits):.2f}"
            f" (macro {100 * balanced_accuracy(labels, logits):.2f})"
            f", FER+ {100 * people.accuracy_8:.2f} (macro {100 * people.balanced_accuracy:.2f})"
        )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fer2013.zip")
    parser.add_argument("--votes", default="fer2013new.csv")
    parser.add_argument("--out", type=Path, default=Path("runs/shipped"))
    parser.add_argument("--only", nargs="+", help="names of trainings, where not all are wanted")
    parser.add_argument("--status", action="store_true")
    work_together(parser, __file__, work)


def require_teachers(
    every: Mapping[str, RunConfig], items: Mapping[str, RunConfig], out: Path
) -> None:
    """Raise `FerturbError` for a training whose teachers are not trained, and not to be."""
    others = {run_folder_name(every[name]): name for name in every if name not in items}
    for name, config in items.items():
        absent = [others[t] for t in config.teachers if t in others and not Run(out / t).done]
        if absent and not Run(out / run_folder_name(config)).done:
            raise FerturbError(
                f"{name} learns from {', '.join(absent)}, not trained in {out} and not in --only; "
                "add them to it"
            )


def work(options: argparse.Namespace) -> None:
    """Train what nobody else trains, or show how far all are."""
    data, votes = (str(Path(path).resolve()) for path in (options.data, options.votes))
    dataset = DatasetConfig(data, votes=votes)
    every = dict(queue(dataset))
    for name in options.only or ():
        choose("training", name, every)
    items = [item for item in every.items() if not options.only or item[0] in options.only]
    runs = {name: Run(options.out / run_folder_name(config)) for name, config in items}
    if options.status:
        for name, run in runs.items():
            print(f"{name:18} {run.name:45} {status(run)}")
        return
    require_teachers(every, dict(items), options.out)
    device, faces = prepare_process(options.device, 1), load_dataset(dataset)

    def waiting() -> Iterator[tuple[str, RunConfig]]:
        for name, config in items:
            if not runs[name].done and all(Run(options.out / t).done for t in config.teachers):
                yield name, config

    def train(config: RunConfig) -> None:
        execute_run(prepare(options.out, config), faces, device)

    while not all(run.done for run in runs.values()):
        train_others(waiting, train, options.out)
        time.sleep(POLL)  # what is left needs a teacher that another process trains


if __name__ == "__main__":
    main()
