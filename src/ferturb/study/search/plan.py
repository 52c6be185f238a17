"""What a search is: kept in search.json, so that any process can take part in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock

from ferturb.base.config import RecipeConfig, RunConfig
from ferturb.base.config.fields import build, in_range, require_types
from ferturb.base.errors import FerturbError
from ferturb.base.reading import is_there
from ferturb.base.seeds import seed_of
from ferturb.base.storage import read_object, write_json
from ferturb.runs.execute import check_config
from ferturb.study.plan import chain
from ferturb.study.search.space import DEFAULT_SPACE, Dimension, changed, parse_all, value_of
from ferturb.training.sides import training_size

STORAGE = "trials.sqlite3"
PLAN = "search.json"
RUNS = "runs"
_NAME = "search"
PATIENCE = 60
"""Seconds that a process waits for another to write into the storage."""

optuna.logging.set_verbosity(optuna.logging.ERROR)

SAMPLERS: dict[str, Callable[[int, int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda seed, _: optuna.samplers.TPESampler(seed=seed, constant_liar=True),
    "genetic": lambda seed, trials: optuna.samplers.NSGAIISampler(
        population_size=max(4, min(50, trials // 5)), seed=seed
    ),
    "random": lambda seed, _: optuna.samplers.RandomSampler(seed=seed),
}
"""Name -> a sampler from a seed and the number of trials. `tpe`: a tree-structured Parzen estimator
(Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011). `genetic`: NSGA-II
(Deb et al., 2002) with one objective is a genetic algorithm with elitism; a fifth of the trials, at
most 50, are a generation."""


@dataclass(frozen=True)
class Search:
    """Trials of a run with changed fields, each judged by its accuracy on the validation split."""

    base: RunConfig
    """The run that is varied; it is the first trial where the space holds it. Its seed is that of
    every trial, and of the sampler."""
    space: tuple[str, ...] = DEFAULT_SPACE
    """What is varied (`ferturb.study.search.space`)."""
    trials: int = 30
    """The budget: those that end or are stopped early, each of `base.recipe.epochs` at most."""
    sampler: Literal["tpe", "genetic", "random"] = "tpe"
    prune_after: int = 0
    """From this epoch on a trial ends that is below the median of the earlier ones at the same
    epoch (five at least); 0 lets all go to their end."""

    def __post_init__(self) -> None:
        require_types(self)
        in_range("trials", self.trials, 1, 1_000_000)
        in_range("prune_after", self.prune_after, 0, None)
        if self.base.needs or len(chain(self.base, 1)) > 1:
            raise FerturbError(
                "a search trains runs that build on no other run; search with method baseline, "
                "then train the method with what was found"
            )
        for dimension in self.dimensions:
            for value in dimension.ends:
                check_config(self.best_config({dimension.field: value}))

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What is varied, parsed."""
        return parse_all(self.space, self.base)

    def config(self, values: dict[str, Any]) -> RunConfig:
        """The run of a trial: nothing is measured but the validation split, epoch by epoch."""
        config = changed(self.base, values)
        return replace(config, recipe=replace(config.recipe, evaluate=(), validate_every=1))

    def best_config(self, values: dict[str, Any]) -> RunConfig:
        """The run to train with what was found, measured as the base is."""
        return changed(self.base, values)

    def first_values(self) -> dict[str, Any] | None:
        """The base's own values, as they are stored; None where the space lacks one."""
        own = [(d, value_of(self.base, d.field)) for d in self.dimensions]
        return {d.field: d.stored(v) for d, v in own} if all(d.holds(v) for d, v in own) else None

    def sampler_of(self, number: int) -> optuna.samplers.BaseSampler:
        """The sampler of the trial of this number: a search that goes on draws what it would have
        drawn."""
        seed = seed_of(self.base.seed, "search", number) % 2**32
        return SAMPLERS[self.sampler](seed, self.trials)

    def pruner(self) -> optuna.pruners.BasePruner:
        """What ends trials early."""
        if not self.prune_after:
            return optuna.pruners.NopPruner()
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=self.prune_after)


def first_comparable(recipe: RecipeConfig) -> int:
    """The epoch from which trials may be compared: half of them, or the first one on faces of full
    size, since the validation split shows those to networks that have trained on smaller ones.

    >>> from ferturb.base.config import FAST, FULL_SIZE
    >>> first_comparable(FAST), first_comparable(FULL_SIZE)
    (9, 6)
    """
    small = [e for e in range(1, recipe.epochs) if training_size(recipe, e, 0)]
    return max(1, recipe.epochs // 2, *(e + 1 for e in small))


@dataclass(frozen=True)
class SearchFolder:
    """Where a search lies: search.json, trials.sqlite3, runs/, and what is written at its end."""

    folder: Path
    search: Search = field(repr=False)

    @staticmethod
    def create(folder: Path, search: Search) -> SearchFolder:
        """A folder for this search, new or begun; another search's raises `FerturbError`, but a
        budget may be raised."""
        path = folder / PLAN
        if is_there(path):
            there = SearchFolder.open(folder).search
            if replace(there, trials=search.trials) != search:
                raise FerturbError(
                    f"{folder} already holds another search; give its own options again to go on "
                    "(only --trials may be another), or another folder"
                )
        write_json(path, asdict(search))
        return SearchFolder(folder, search)

    @staticmethod
    def open(folder: Path) -> SearchFolder:
        """A search that was begun; `FerturbError` where there is none."""
        if not is_there(folder / PLAN):
            raise FerturbError(
                f"{folder} holds no search (it has no {PLAN}); give a folder that "
                "`ferturb search` wrote"
            )
        return SearchFolder(folder, build(Search, read_object(folder / PLAN)))

    def study(self) -> optuna.Study:
        """Optuna's own record of the trials, in one SQLite file."""
        place = f"sqlite:///{self.folder.resolve() / STORAGE}"
        with self.alone():  # one process makes the tables
            storage = optuna.storages.RDBStorage(
                place, engine_kwargs={"connect_args": {"timeout": PATIENCE}}
            )
            return optuna.create_study(
                storage=storage,
                study_name=_NAME,
                direction="maximize",
                pruner=self.search.pruner(),
                load_if_exists=True,
            )

    def alone(self) -> FileLock:
        """Held by whoever takes the next trial."""
        return FileLock(self.folder / ".next")
