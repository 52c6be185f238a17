"""How long the trainings of `cited_systems` take, estimated from a few steps of each.

python tools/cited_costs.py --data fer2013.zip      # of the genetic search: trials drawn at random
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import optuna
import torch

from ferturb.base.config import FAST, DatasetConfig, MethodConfig, ModelConfig, RunConfig
from ferturb.base.storage import read_object, write_json
from ferturb.data.faces import SPLITS, Faces
from ferturb.features.altered import load_dataset
from ferturb.runs.fitting import LOOKED_AT, Speed, Speeds, speed_of
from ferturb.study.search.plan import Search
from ferturb.study.search.space import SPACES
from ferturb.training.batches import steps_per_epoch
from ferturb.training.fitting import is_fitted

COUNTS = (28_709, 3_589, 3_589)
"""FER2013's faces by split."""
STEPS = 6
"""The most that are measured of a training."""
FITTED = {"linear-svm": 1040.0, "boosting": 1500.0}
"""Seconds of what is fitted without steps: a support vector machine, measured; trees, guessed."""
KNOWN = "costs.json"


def seconds_of(
    trainings: Mapping[str, RunConfig], faces: Callable[[], Faces], out: Path
) -> dict[str, float]:
    """The estimated seconds of processor time of each training on one thread, by its name.

    What isn't in OUT/costs.json is measured here and now and put there; remove the file where a
    machine has changed. Seeds, and what the faces wear, cost the same.
    """
    path = out / KNOWN
    known = {k: float(str(v)) for k, v in read_object(path).items()} if path.exists() else {}
    if set(trainings) <= set(known):
        return known
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    every, speeds = faces(), Speeds(lambda config: _measured(config, every))
    for name, config in trainings.items():
        if name not in known:
            fitted, plain = FITTED.get(config.recipe.optimizer, 0.0), _plain(config)
            known[name] = fitted if is_fitted(config.recipe) else speeds.seconds([plain])
            write_json(path, known)
    return known


def _plain(config: RunConfig) -> RunConfig:
    """A training of the same speed on whole faces."""
    method = config.method if config.method.name != "half-masked" else MethodConfig()
    return replace(config, dataset=DatasetConfig(), method=method, published_weights=None)


def _some_of(faces: Faces, config: RunConfig) -> Faces:
    """As many faces of each split as a training is measured with."""
    counts = (config.recipe.batch_size * STEPS, LOOKED_AT, LOOKED_AT)
    wanted = zip(range(len(SPLITS)), counts, strict=True)
    places = [torch.nonzero(faces.splits == split).flatten()[:count] for split, count in wanted]
    return faces.select(torch.cat(places))


def _measured(config: RunConfig, faces: Faces) -> Speed:
    """The speed of a training on all of FER2013, from that on `_some_of` it.

    Of the time that passed only what this process computed counts: others may be at work.
    """
    few, before = _some_of(faces, config), (time.perf_counter(), time.process_time())
    found = speed_of(config, few, torch.device("cpu"))
    passed, computed = time.perf_counter() - before[0], time.process_time() - before[1]
    own = min(1.0, computed / passed)
    looks, ends = COUNTS[1] / LOOKED_AT, sum(COUNTS[1:]) / (2 * LOOKED_AT)
    return Speed(
        {side: own * seconds for side, seconds in found.step.items()},
        steps_per_epoch(COUNTS[0], config.recipe.batch_size),
        found.side,
        own * found.look * looks,
        own * found.end * ends,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fer2013.zip")
    parser.add_argument("--trials", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    dataset = DatasetConfig(options.data)
    base = RunConfig(dataset, ModelConfig("vgg-like"), recipe=replace(FAST, epochs=8))
    search, faces, minutes = Search(base, SPACES["vgg-like"]), load_dataset(dataset), []
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for _ in range(options.trials):
        trial = study.ask()
        config = search.config({d.field: d.suggest(trial) for d in search.dimensions})
        minutes.append(_measured(config, faces).seconds(config) / 60)
        print(f"{minutes[-1]:7.1f} min of processor time, {config.model.shape}", flush=True)
    print(f"{sum(minutes) / len(minutes):7.1f} min in the mean, 8 epochs each")


if __name__ == "__main__":
    main()
