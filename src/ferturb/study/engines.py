"""Who trains a study's runs: processes of this machine, Ray or SLURM."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from ferturb.base.config import choose
from ferturb.base.errors import FerturbError
from ferturb.study.jobs import Executor
from ferturb.study.local import Processes, default_workers
from ferturb.study.process import Command

ENGINES = {
    "local": "processes of this machine",
    "ray": "tasks of a Ray cluster",
    "slurm": "jobs of SLURM",
}


@dataclass(frozen=True)
class Engine:
    """Which executor, and what one run takes of it."""

    name: str = "local"
    workers: int | None = None
    """Of `local`: processes at a time."""
    device: str = "cpu"
    """Of `local`."""
    cpus: float = 1.0
    """Of `ray` and `slurm`, a run."""
    gpus: float = 0.0
    """Of `ray` and `slurm`, a run; fractions with Ray alone."""
    slurm: tuple[str, ...] = ()
    """Of `slurm`: sbatch's parameters, NAME=VALUE."""
    detach: bool = False
    """Of `ray` and `slurm`: whether trainings go on when the study is ended."""
    options: tuple[str, ...] = ()
    """Of `ferturb train`."""

    def __post_init__(self) -> None:
        choose("executor", self.name, ENGINES)
        others = {"workers": self.workers is None, "gpus-per-run": not self.gpus}
        others |= {"cpus-per-run": self.cpus == 1, "detach": not self.detach}
        others |= {"slurm": not self.slurm}
        allowed = {
            "local": ("workers",),
            "ray": ("gpus-per-run", "cpus-per-run", "detach"),
            "slurm": ("gpus-per-run", "cpus-per-run", "detach", "slurm"),
        }[self.name]
        wrong = [name for name, absent in others.items() if not absent and name not in allowed]
        if wrong:
            raise FerturbError(
                f"{wrong[0]} is not for the executor {self.name}; leave it out, or give one of "
                f"{', '.join(n for n in ENGINES if n != self.name)} as the executor"
            )
        if not (0 < self.cpus < inf and 0 <= self.gpus < inf):
            raise FerturbError(
                f"a run needs more than 0 processors and at least 0 GPUs, got {self.cpus:g} and "
                f"{self.gpus:g}"
            )
        if self.name == "slurm" and (self.cpus % 1 or self.gpus % 1):
            raise FerturbError(
                f"SLURM gives whole processors and GPUs, got {self.cpus:g} and {self.gpus:g} a "
                "run; several runs share a GPU with --executor ray"
            )
        if any("=" not in given for given in self.slurm):
            raise FerturbError(
                f"sbatch's parameters are NAME=VALUE, got {' '.join(self.slurm)}; give e.g. "
                "--slurm partition=gpu time=600"
            )

    @contextlib.contextmanager
    def opened(self, folder: Path, options: tuple[str, ...] = ()) -> Iterator[Executor]:
        """The executor for runs below a folder; `options` of `ferturb train` come to its own.

        Raises `FerturbError` where there is no such engine, or it doesn't see the folder.
        """
        options = (*self.options, *options)
        if self.name == "ray":
            from ferturb.study.on_ray import Share, on_ray

            with on_ray(folder, Share(self.cpus, self.gpus), options, self.detach) as executor:
                yield executor
        elif self.name == "slurm":
            from ferturb.study.on_slurm import on_slurm

            command = Command("cuda" if self.gpus else "cpu", int(self.cpus), options)
            parameters = dict(given.split("=", 1) for given in self.slurm)
            jobs = on_slurm(folder, command, parameters, int(self.gpus), self.detach)
            yield jobs
            jobs.jobs.clear()
            gc.collect()  # submitit's stand-in for SLURM complains of jobs that outlive its modules
        else:
            yield Processes(self.workers or default_workers(self.device), self.device, options)
