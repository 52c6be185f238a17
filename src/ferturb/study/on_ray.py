"""A study on Ray: each run is a Ray task that trains in a process of its own.

A task has its share of processors and GPUs, starts after those it builds on, and is started again,
from its last epoch, when its node dies. The tasks belong to an actor on the node of the study,
which with `detach` lives on when the study ends. Ray (https://docs.ray.io) does all of that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ferturb.base.errors import FerturbError
from ferturb.base.locks import alone
from ferturb.base.ray_cluster import connected
from ferturb.base.threads import usable_cores
from ferturb.study.process import Command
from ferturb.study.queueing import Queued, Queueing, Task
from ferturb.study.shared_folder import mark, not_shared

if TYPE_CHECKING:  # what imports torch is not for a worker, whose process for a run does
    from ferturb.runs.run import Run
    from ferturb.study.jobs import Started

STORE = 100 * 2**20
"""Bytes of the object store of a cluster that is started here; the tasks put nothing into it."""
RETRIES = 20
"""How often a run is started again whose node died."""
STOPPED = "it was stopped"


@dataclass(frozen=True)
class Share:
    """What one run takes of a cluster; Ray allows fractions."""

    cpus: float = 1.0
    gpus: float = 0.0

    @property
    def command(self) -> Command:
        """How its process trains."""
        return Command("cuda" if self.gpus else "cpu", max(1, int(self.cpus)))


@contextlib.contextmanager
def on_ray(
    folder: Path, share: Share, options: tuple[str, ...] = (), detach: bool = False
) -> Iterator[RayTasks]:
    """The executor on the cluster of RAY_ADDRESS, or on one of this machine that ends with it.

    Raises `FerturbError` where a node doesn't see the folder, or no node has room for a run.
    """
    if detach and not os.environ.get("RAY_ADDRESS"):
        raise FerturbError(
            "a study that is detached needs a cluster that stays; start one with "
            "`ray start --head` and give its address as RAY_ADDRESS"
        )
    with connected(usable_cores(), object_store_memory=STORE):
        token = mark(folder)
        _require_ready(folder, token, share)
        command = Command(share.command.device, share.command.threads, options)
        task = Task(folder.resolve(), token, command)
        yield RayTasks(_owner(folder, detach), task, share, detach)


def _require_ready(folder: Path, token: str, share: Share) -> None:
    """Raise `FerturbError` where a node doesn't see the folder, or none has room for a run."""
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"]]
    wanted = {"CPU": share.cpus, "GPU": share.gpus}
    if not any(all(n["Resources"].get(k, 0) >= v for k, v in wanted.items()) for n in nodes):
        raise FerturbError(
            f"no node of the Ray cluster has {share.cpus:g} processors and {share.gpus:g} GPUs for "
            "a run; give fewer as --cpus-per-run and --gpus-per-run"
        )
    with alone(folder, "running a study in"):
        look: Any = ray.remote(not_shared)
        looks = [
            look.options(num_cpus=0, scheduling_strategy=_on(node["NodeID"])).remote(
                folder.resolve(), token, True
            )
            for node in nodes
        ]
        try:
            said = ray.get(looks)
        except ray.exceptions.RayError as error:
            raise FerturbError(
                f"a node of the Ray cluster can't run ferturb ({str(error).splitlines()[-1]}); "
                "install the same version on all nodes"
            ) from error
    if any(said):
        raise FerturbError(next(filter(None, said)))


def _on(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _owner(folder: Path, detach: bool) -> Any:
    """The actor of this folder's tasks; a detached one of an earlier call is found again."""
    import ray

    name = "ferturb-" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    with contextlib.suppress(ValueError):
        return ray.get_actor(name, namespace="ferturb")
    options: dict[str, Any] = {"name": name, "namespace": "ferturb", "num_cpus": 0}
    if detach:
        options["lifetime"] = "detached"
    here = _on(ray.get_runtime_context().get_node_id())
    return ray.remote(_Owner).options(scheduling_strategy=here, **options).remote()


class _Owner:
    """An actor that starts tasks, and to which they belong."""

    def __init__(self) -> None:
        self.tasks: dict[str, Any] = {}

    def start(self, name: str, needs: Sequence[str], share: Share, rest: tuple[Any, ...]) -> None:
        """Start a task after those of `needs`; one that is under way is left alone."""
        import ray

        if name in self.tasks and not self.ended([name]):
            return
        before = [self.tasks[need] for need in needs if need in self.tasks]
        options = {"num_cpus": share.cpus, "num_gpus": share.gpus, "max_retries": RETRIES}
        self.tasks[name] = ray.remote(_trained).options(**options).remote(*rest, *before)

    def ended(self, names: Sequence[str]) -> dict[str, str]:
        """What went wrong with those of these tasks that have ended, "" for nothing."""
        import ray

        found = {}
        for name in names:
            task = self.tasks.get(name)
            if task is None:
                found[name] = STOPPED
            elif ray.wait([task], timeout=0)[0]:
                try:
                    found[name] = cast(str, ray.get(task))
                except Exception as error:
                    found[name] = str(error).strip().splitlines()[-1]
        return found

    def stop(self, name: str) -> None:
        """End a task, waiting or running."""
        import ray

        ray.cancel(self.tasks[name], force=True)


def _trained(task: Task, folder: Path, *before: str) -> str:
    """Train a run to its end; what went wrong, "" for nothing."""
    return "a run it builds on failed" if any(before) else task.train(folder)


@dataclass
class RayTasks(Queueing):
    """The executor: runs as tasks of an actor."""

    owner: Any
    task: Task
    share: Share
    detach: bool = False
    poll_seconds: float = 1.0
    queues: bool = True

    def start(self, runs: Sequence[Run], needs: Mapping[str, Sequence[Started]]) -> list[RayTask]:
        """A task for each."""
        import ray

        for run in runs:
            before = [s.run.name for s in needs.get(run.name, ()) if isinstance(s, RayTask)]
            rest = (self.task, run.folder.resolve())
            ray.get(self.owner.start.remote(run.name, before, self.share, rest))
        return [RayTask(run, self.owner) for run in runs]

    def leave(self, left: Sequence[Started]) -> None:
        """End the tasks, or with `detach` leave them to the cluster."""
        import ray

        if self.detach and left:
            return
        for started in left:
            started.stop()
        if self.detach:
            ray.kill(self.owner)


@dataclass(frozen=True)
class RayTask(Queued):
    """A run that Ray has taken."""

    owner: Any

    def ended(self) -> str | None:
        """What went wrong, "" for nothing, None before its end."""
        import ray

        try:
            found = ray.get(self.owner.ended.remote([self.run.name]))
        except ray.exceptions.RayActorError:
            return "the actor of its task died; give the same command again"
        return cast(str | None, found.get(self.run.name))

    def stop(self) -> None:
        """End its process, wherever it is."""
        import ray

        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(self.owner.stop.remote(self.run.name))
