"""The verb `ferturb search`: hyperparameters by trials, chosen on the validation split."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes

from ferturb.cli.options import Device, Json, read_faces
from ferturb.cli.train_options import (
    FacesOptions,
    MethodOptions,
    NetworkOptions,
    RecipeOptions,
    run_config,
)

if TYPE_CHECKING:
    from ferturb.training.loop import Step


@dataclass(frozen=True)
class SearchOptions:
    """What is searched, and with what budget."""

    vary: tuple[str, ...] = ()
    """Fields of recipe and network with their ranges or choices, e.g.
    `recipe.learning_rate=0.02..0.4:log recipe.batch_size=64,128 model.name=compact,vgg16`
    (default: learning rate, weight decay, batch size, warm-up, label smoothing, erasing, rotation
    and dropout)."""
    trials: int = 30
    """How many trainings, those that end early among them."""
    sampler: Literal["tpe", "genetic", "random"] = "tpe"
    """What chooses the next values."""
    prune_after: int | None = None
    """The first epoch at whose end a trial may be ended that is below the median of those before
    (default: half of the epochs); 0 lets all go on."""


@dataclass(frozen=True)
class TakingPart:
    """How the trials are trained."""

    join: Path | None = None
    """A search's folder to take part in, from another terminal or machine; of the other options
    only those here count."""
    threads: int | None = None
    """Threads of torch."""
    device: Device = "cpu"
    quiet: bool = False
    """Say nothing but errors."""
    json: Json = False


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
    from ferturb.models.device import prepare_process
    from ferturb.study.search.outcome import best_of, write_outcome
    from ferturb.study.search.plan import Search, SearchFolder
    from ferturb.study.search.space import DEFAULT_SPACE
    from ferturb.study.search.trials import Worker

    device, quiet = prepare_process(process.device, process.threads), process.quiet or process.json
    if process.join is not None:
        place = SearchFolder.open(process.join)
    else:
        chosen = recipe.config()
        base = run_config(MethodOptions().config(method), seed, out, faces, network, chosen)
        after = chosen.epochs // 2 if options.prune_after is None else options.prune_after
        space = options.vary or DEFAULT_SPACE
        wanted = Search(base, space, options.trials, options.sampler, after)
        place = SearchFolder.create(out, wanted)
    read = read_faces(place.search.base.dataset, quiet, noted=not quiet)
    Worker(place, read, device).work(lambda title: _shown(title, quiet))
    trials = write_outcome(place, place.study())
    _tell(place.folder, vars(best_of(trials)), process)


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
                "best trial": best["number"],
                "validation accuracy": terminal.share(float(str(best["accuracy"])), 2),
                "to train it": f"ferturb train --config {folder / 'best.json'} --out runs",
            }
        )
