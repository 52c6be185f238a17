"""A study on SLURM: each run is an element of a job array, submitted through submitit.

A run that builds on others is submitted with them as its dependency. A job that is preempted, or
runs out of its time, is queued again and goes on from its last epoch
(https://github.com/facebookincubator/submitit).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ferturb.base.errors import FerturbError, first_line
from ferturb.base.storage import read_object, write_json
from ferturb.study.process import Command
from ferturb.study.queueing import Queued, Queueing, Task
from ferturb.study.shared_folder import mark

if TYPE_CHECKING:  # what imports torch is not for a job, whose process for a run does
    from ferturb.runs.run import Run
    from ferturb.study.jobs import Started

FOLDER = "slurm"
"""Of submitit's files within a study's."""
HOURS = 24
"""Of a job, if nothing else is said; one that runs longer is queued again."""


class Trained:
    """What a job does; submitit queues it again, as it is, when it is preempted."""

    def __call__(self, task: Task, folder: Path) -> str:
        """Train a run to its end; what went wrong, "" for nothing."""
        return task.train(folder)

    def checkpoint(self, *arguments: Any) -> Any:
        """The same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


def on_slurm(
    folder: Path,
    command: Command,
    parameters: Mapping[str, str],
    gpus: int = 0,
    detach: bool = False,
) -> SlurmJobs:
    """The executor; `parameters` are sbatch's (partition, time in minutes, …).

    The parameter `cluster`, "slurm" unless given, may be "local" (processes of this machine) or
    "debug" (this process): the same without SLURM. Raises `FerturbError` for unknown parameters,
    and where there is no SLURM.
    """
    import submitit

    rest = dict(parameters)
    cluster = rest.pop("cluster", "slurm")
    try:
        executor = submitit.AutoExecutor(folder.resolve() / FOLDER, cluster=cluster)
        executor.update_parameters(
            name="ferturb",
            timeout_min=int(rest.pop("time", HOURS * 60)),
            cpus_per_task=command.threads,
            gpus_per_node=gpus or None,
            stderr_to_stdout=True,
            **{f"slurm_{k}": int(v) if v.isdigit() else v for k, v in rest.items()},
        )
    except (RuntimeError, ValueError, NameError, TypeError, AssertionError) as error:
        raise FerturbError(
            f"SLURM can't be asked ({first_line(error)}); call this where sbatch is, with "
            "parameters of sbatch as --slurm NAME=VALUE, or try it out with --slurm cluster=local"
        ) from error
    task = Task(folder.resolve(), mark(folder), command)
    return SlurmJobs(executor, task, cluster == "slurm", detach)


@dataclass
class SlurmJobs(Queueing):
    """The executor: runs as submitit's jobs."""

    executor: Any
    task: Task
    queues: bool = True
    """False for submitit's stand-ins, which know no dependencies."""
    detach: bool = False
    poll_seconds: float = 2.0
    jobs: dict[str, SlurmJob] = field(default_factory=dict)

    def start(self, runs: Sequence[Run], needs: Mapping[str, Sequence[Started]]) -> list[SlurmJob]:
        """A job array for those that wait for the same; one in the queue already is found again."""
        known = {run.name: self._queued(run) for run in runs}
        groups: dict[str, list[Run]] = {}
        for run in (run for run in runs if known[run.name] is None):
            ids = [s.job.job_id for s in needs.get(run.name, ()) if isinstance(s, SlurmJob)]
            groups.setdefault(":".join(["afterok", *sorted(ids)] if ids else []), []).append(run)
        for dependency, group in groups.items():
            more = {"dependency": dependency, "kill-on-invalid-dep": "yes"} if dependency else {}
            self.executor.update_parameters(slurm_additional_parameters=more)
            job, task = Trained(), self.task
            with self.executor.batch():
                submitted = [self.executor.submit(job, task, r.folder.resolve()) for r in group]
            known |= {r.name: SlurmJob(r, j) for r, j in zip(group, submitted, strict=True)}
        started = [cast(SlurmJob, known[run.name]) for run in runs]
        self.jobs |= {one.run.name: one for one in started}
        own = {name: one.job.job_id for name, one in self.jobs.items()}
        write_json(self._path, self._earlier() | own)
        return started

    def leave(self, left: Sequence[Started]) -> None:
        """Take the jobs back, or with `detach` leave them to SLURM."""
        for started in () if self.detach else left:
            started.stop()

    @property
    def _path(self) -> Path:
        return self.task.study / FOLDER / "jobs.json"

    def _queued(self, run: Run) -> SlurmJob | None:
        """The job of an earlier call that has not ended."""
        import submitit

        if not self.queues:
            return None
        number = self._earlier().get(run.name)
        if number is not None:
            job: Any = submitit.SlurmJob(self._path.parent, number)
            if not job.done(force_check=True):
                return SlurmJob(run, job)
        return None

    def _earlier(self) -> dict[str, Any]:
        """Run -> the number of its last job, of this call and those before."""
        with contextlib.suppress(FerturbError):
            return read_object(self._path)
        return {}


@dataclass(frozen=True)
class SlurmJob(Queued):
    """A run that SLURM has taken."""

    job: Any

    def ended(self) -> str | None:
        """What went wrong, "" for nothing, None before its end."""
        if not self.job.done():
            return None
        try:
            return cast(str, self.job.result())
        except Exception as error:
            return f"its job {self.job.job_id} ended: {first_line(error)}"

    def stop(self) -> None:
        """Cancel its job."""
        self.job.cancel(check=False)
