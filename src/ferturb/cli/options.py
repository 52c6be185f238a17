"""What several verbs share: options, and reading faces with a progress bar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from ferturb.base.config import DatasetConfig
from ferturb.base.config.fields import in_range
from ferturb.base.errors import FerturbError
from ferturb.base.raster import PLAIN, Raster
from ferturb.base.reading import from_home

if TYPE_CHECKING:
    import torch

    from ferturb.data.faces import Faces
    from ferturb.study.engines import Engine

Source = Annotated[str, arg(metavar="SOURCE")]

Device = Annotated[str, arg(help="`cpu`, `cuda`, `cuda:1`, …")]


@dataclass(frozen=True)
class Computing:
    """What computes."""

    device: Device = "cpu"
    threads: int | None = None
    """Threads of torch."""

    def prepare(self) -> torch.device:
        """Set up this process, and give the device; `FerturbError` for one that isn't there."""
        from ferturb.models.device import prepare_process

        return prepare_process(self.device, self.threads)


LabelOrder = Annotated[
    str | None,
    arg(
        help="What numbered labels mean: `fer2013`, `alphabet`, `raf-db`, `affectnet`, `ck+`, "
        "`fer+`, the emotions in order from 0 (`neutral,happy,…`), or pairs (`1=sad,2=fear,…`)."
    ),
]

Classes = Annotated[LabelOrder, arg(aliases=["--classes"])]
"""`LabelOrder`, for verbs that take no model, whose classes are others."""

Side = Annotated[
    int, arg(help="Pixels a side that faces are read at, 48 … 224 (`data info`: what they have).")
]
Channels = Annotated[Literal[1, 3], arg(help="1: faces are read in grey; 3: in colour (RGB).")]

Head = Literal["votes", "label"]
Json = Annotated[bool, arg(help="Print JSON for a script in place of tables.")]
Trackers = tuple[Literal["tensorboard", "mlflow"], ...]
"""Where a run's history is shown besides (`ferturb.runs.tracking`)."""


@dataclass(frozen=True)
class EngineOptions:
    """Who trains runs, and what each takes."""

    executor: Literal["local", "ray", "slurm"] = "local"
    """Processes of this machine; tasks of the Ray cluster at RAY_ADDRESS (without that, of one that
    is started here); or SLURM jobs. `ray` and `slurm` need --out in a folder that all machines
    share."""
    cpus_per_run: float = 1.0
    """Of `ray` and `slurm`; also the threads of a run."""
    gpus_per_run: float = 0.0
    """Of `ray` and `slurm`; with `ray` a fraction lets small networks share a GPU."""
    slurm: tuple[str, ...] = ()
    """Parameters of sbatch, e.g. `partition=gpu time=600` (minutes); `cluster=local` tries it out
    on this machine."""
    track: Trackers = ()
    """Show the history of each run in TensorBoard (RUN/tensorboard) or MLflow (OUT/runs/mlflow.db,
    or what MLFLOW_TRACKING_URI names); needs the extra of that name."""

    def __post_init__(self) -> None:
        in_range("cpus_per_run", self.cpus_per_run, 0.01, 4096)
        in_range("gpus_per_run", self.gpus_per_run, 0, 64)

    def engine(self, workers: int | None, device: str, detach: bool = False) -> Engine:
        """The engine; `FerturbError` for options that are not for it, and a missing tracker."""
        from ferturb.runs.tracking import require_trackers
        from ferturb.study.engines import Engine

        require_trackers(self.track)
        shares = (self.cpus_per_run, self.gpus_per_run)
        tracked = ("--track", *self.track) if self.track else ()
        return Engine(self.executor, workers, device, *shares, self.slurm, detach, tracked)


def given(options: object, plain: object) -> list[str]:
    """The names of options, as they are typed, that say anything else than these of their class.

    >>> given(Computing("cuda", 2), Computing())
    ['--device', '--threads']
    """
    return [
        f"--{name.replace('_', '-')}"
        for name, value in vars(plain).items()
        if getattr(options, name) != value
    ]


def absolute(source: str) -> str:
    """A path as a run's config keeps it: absolute, so that it holds from any folder."""
    return source if source == "synthetic" else str(from_home(source).resolve())


def require_data(data: str | None, label_order: str | None) -> None:
    """`FerturbError` for --label-order without the --data whose labels it is of."""
    if data is None and label_order is not None:
        raise FerturbError("--label-order is for --data; give both or neither")


def other_faces(data: str, label_order: str | None, raster: Raster = PLAIN) -> DatasetConfig:
    """The faces that a verb's --data names in place of a run's own."""
    named = DatasetConfig(absolute(data), label_order=label_order)
    return replace(named, **raster._asdict())


def read_faces(config: DatasetConfig, quiet: bool = False, noted: bool = True) -> Faces:
    """The faces of a dataset config, with a progress bar while they are read (and altered).

    What the source has to say is `noted` on standard error, beside JSON too; of the drawn faces
    nobody needs to be told.
    """
    from ferturb.cli import terminal
    from ferturb.features.altered import load_dataset

    with terminal.working("reading faces", quiet) as progress:
        faces = load_dataset(config, progress=progress)
    if noted and faces.kind != "synthetic":
        terminal.notes(faces.notes, terminal.errors)
    return faces
