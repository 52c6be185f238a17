"""The verb `ferturb search`: hyperparameters by trials, chosen on the validation split."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes

from ferturb.base.config.fields import in_range
from ferturb.cli.options import Device, EngineOptions, Json, read_faces
from ferturb.cli.train_options import (
    FacesOptions,
    MethodOptions,
    NetworkOptions,
    RecipeOptions,
    run_config,
)

if TYPE_CHECKING:
    from ferturb.base.config import RunConfig
    from ferturb.study.search.plan import Search
    from ferturb.study.search.trials import Worker
    from ferturb.training.loop import Step


@dataclass(frozen=True)
class SearchOptions:
    """What is searched, and with what budget."""

    vary: tuple[str, ...] = ()
    """Fields of recipe and network with their ranges or choices, e.g.
    `recipe.learning_rate=0.02..0.4:log recipe.batch_size=64,128 model.name=compact,vgg16`
    (default: learning rate, weight decay, batch size, warm-up, label smoothing, erasing, rotation
    and dropout); or `vgg-like`: kernels, widths, depth, dropout and rate of that network."""
    trials: int = 30
    """How many trainings, those that end early among them."""
    sampler: Literal["tpe", "genetic", "random"] = "tpe"
    """What chooses the next values."""
    prune_after: int | None = None
    """The first epoch at whose end a trial may be ended that is below the median of those before
    (default: half of the epochs, or the first one on faces of full size if that is later); 0 lets
    all go on."""

    def search(self, base: RunConfig) -> Search:
        """The search for a better run than this one."""
        from ferturb.study.search.plan import Search, first_comparable
        from ferturb.study.search.space import DEFAULT_SPACE, named

        after = first_comparable(base.recipe) if self.prune_after is None else self.prune_after
        return Search(base, named(self.vary) or DEFAULT_SPACE, self.trials, self.sampler, after)


@dataclass(frozen=True)
class TakingPart(EngineOptions):
    """How the trials are trained."""

    join: Path | None = None
    """A search's folder to take part in, from another terminal or machine; of the other options
    only those here count."""
    workers: int | None = None
    """Trials at a time (default: one a core of this machine)."""
    threads: int | None = None
    """Threads of torch, of each, of the executor `local` (default: 1 beside others)."""
    device: Device = "cpu"
    """Of the executor `local`."""
    quiet: bool = False
    """Say nothing but errors."""
    json: Json = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.workers is not None:
            in_range("workers", self.workers, 1, 1024)


def search(
    *,
    method: str = "baseline",
    seed: int = 0,
    out: Path = Path("search"),
    options: OmitArgPrefixes[SearchOptions],
    network: OmitArgPrefixes[NetworkOptions],
    faces: OmitArgPrefixes[FacesOptions],
    recipe: OmitArgPrefixes[RecipeOptions],
    process: OmitArgPrefixes[TakingPart],
) -> None:
    """Search for hyperparameters: trials of changed trainings, chosen on the validation split.

    The first trial is the recipe as it is. The test split is never looked at; the best trial's
    config is best.json, which `ferturb train --config` takes. Stopped, it goes on when the same
    command is given again. Needs the extra `search`.

    Example: ferturb search --data fer2013.zip --model compact-tiny --epochs 12 --trials 30

    Args:
        method: How every trial is trained; one that needs no other run.
        seed: Of every trial, and of what is drawn for them.
        out: The search's folder.
        options: What is searched, and with what budget.
        network: The network that is varied.
        faces: The faces, and what is done to them first.
        recipe: The recipe that is varied.
        process: How the trials are trained.
    """
    from ferturb.cli import terminal
    from ferturb.models.device import prepare_process
    from ferturb.study.local import default_workers
    from ferturb.study.process import end_with_study
    from ferturb.study.search.by_executor import by_executor
    from ferturb.study.search.outcome import write_outcome
    from ferturb.study.search.plan import SearchFolder
    from ferturb.study.search.trials import Worker

    end_with_study()
    workers = process.workers or default_workers(process.device)
    if process.threads is None and workers > 1:
        process = replace(process, threads=1)
    device, quiet = prepare_process(process.device, process.threads), process.quiet or process.json
    engine = process.engine(None, process.device)
    if process.join is not None:
        place = SearchFolder.open(process.join)
    else:
        base = run_config(
            MethodOptions().config(method), seed, out, faces, network, recipe.config()
        )
        place = SearchFolder.create(out, options.search(base))
    read = read_faces(place.search.base.dataset, quiet, noted=not quiet)
    if process.executor == "local":
        _by_processes(Worker(place, read, device, process.track), workers, process, quiet)
    else:
        with engine.opened(place.folder) as executor, terminal.study(quiet, "search") as shown:
            by_executor(place, read, executor, workers, shown[0], process.track)
    best = write_outcome(place, place.study(), read).best
    _tell(place.folder, vars(best), process)


def _by_processes(worker: Worker, workers: int, process: TakingPart, quiet: bool) -> None:
    """This process, and more like it, train the trials."""
    from ferturb.study.search.workers import helped_by

    options = ["--device", process.device, "--threads", str(process.threads or 1)]
    options += ["--track", *process.track] if process.track else []
    with helped_by(worker.place.folder, workers - 1, process.threads or 1, options):
        worker.work(lambda title: _shown(title, quiet))
    worker.work(lambda title: _shown(title, quiet))  # what a process left behind that was killed


@contextlib.contextmanager
def _shown(title: str, quiet: bool) -> Iterator[Callable[[Step], None]]:
    from ferturb.cli import terminal

    with terminal.training(title, quiet) as on_step:
        yield on_step


def _tell(folder: Path, best: dict[str, object], process: TakingPart) -> None:
    from ferturb.cli import terminal

    if process.json:
        terminal.print_json(best)
    elif not process.quiet:
        terminal.facts(
            {
                "report": str(folder / "report" / "index.html"),
                "best trial": best["number"],
                "validation accuracy": terminal.share(float(str(best["accuracy"])), 2),
                "to train it": f"ferturb train --config {folder / 'best.json'} --out runs",
            }
        )
