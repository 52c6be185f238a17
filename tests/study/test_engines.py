"""The same study on processes of this machine, on Ray and on SLURM's stand-in."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calibrated_run import finished_run
from ferturb.base.config import FAST, DatasetConfig, MethodConfig, ModelConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.locks import alone
from ferturb.base.storage import write_json
from ferturb.cli.study import TrainingOptions
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import load_faces
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run
from ferturb.study.engines import Engine
from ferturb.study.jobs import Job, execute_all
from ferturb.study.local import Processes
from ferturb.study.on_slurm import SlurmJobs
from ferturb.study.plan import Study, plan
from ferturb.study.process import Command
from ferturb.study.queueing import Task
from ferturb.study.shared_folder import mark, not_shared
from ferturb.study.status import standings
from ferturb.study.study import _write_study, run_study

EPOCHS = 8
TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 3, in <module>
    {}["a"]
KeyError: 'a'
"""


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a study's report is like is not what this is about."""
    monkeypatch.setattr("ferturb.study.study.build_report", lambda folder, _: folder / "none.html")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Study, Faces, Path]]:
    """A study of two runs of which the second needs the first, its faces, and its runs' folder as
    trained here, one after the other, on one thread as a process of the local executor does."""
    folder = tmp_path_factory.mktemp("known")
    write_folder(synthetic_faces(140), folder / "faces")
    method = MethodConfig("perturb", attention_faces=16)
    recipe = replace(FAST, epochs=EPOCHS)
    data = DatasetConfig(str(folder / "faces"))
    study = Study("small", "a test", ("compact-tiny",), (method,), recipe, EPOCHS, dataset=data)
    threads, cache = torch.get_num_threads(), os.environ.get("FERTURB_CACHE")
    os.environ["FERTURB_CACHE"] = str(folder / "cache")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    faces = load_faces(data)
    for config in plan(study):
        execute_run(prepare(folder / "runs", config), faces)
    torch.set_num_threads(threads)
    yield study, faces, folder / "runs"
    del os.environ["FERTURB_CACHE"]
    if cache is not None:
        os.environ["FERTURB_CACHE"] = cache


def same_logits(ours: Path, theirs: Path) -> bool:
    """Whether every run of two folders predicts the same, bit for bit."""
    names = sorted(run.name for run in theirs.iterdir())
    assert names == sorted(run.name for run in ours.iterdir())
    for name in names:
        with np.load(ours / name / "logits.npz") as a, np.load(theirs / name / "logits.npz") as b:
            assert a.files == b.files
            if not all(np.array_equal(a[key], b[key]) for key in a.files):
                return False
    return True


@pytest.mark.slow
def test_a_study_on_ray_survives_the_death_of_the_node_it_trains_on(
    known: tuple[Study, Faces, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    study, faces, expected = known
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    health = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500,
              "health_check_timeout_ms": 4000, "health_check_failure_threshold": 2}  # fmt: skip
    told = {"num_cpus": 0, "_system_config": health | {"worker_niceness": 0}}
    cluster = Cluster(True, head_node_args=small | told)
    nodes = [cluster.add_node(num_cpus=1, **small)]

    def kill_once(jobs: Sequence[Job]) -> None:
        """The node dies in the middle of the first run, and another one comes."""
        run = jobs[0].run
        if len(nodes) == 1 and run.progress().get("epoch", 0) > 1:
            cluster.remove_node(nodes[0], allow_graceful=False)
            assert not run.done
            nodes.append(cluster.add_node(num_cpus=1, **small))

    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    try:
        with Engine("ray").opened(tmp_path / "study") as executor:
            executor.poll_seconds = 0.05  # type: ignore[misc]
            outcome = run_study(study, tmp_path / "study", faces, "cpu", executor, kill_once)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert outcome.failed == {}
    assert len(nodes) == 2
    assert same_logits(tmp_path / "study" / "runs", expected)


@pytest.mark.slow
def test_a_study_in_jobs_of_submitit(known: tuple[Study, Faces, Path], tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    study, faces, expected = known
    states: list[list[str]] = []
    with Engine("slurm", slurm=("cluster=local",)).opened(tmp_path / "study") as executor:
        executor.poll_seconds = 0.1  # type: ignore[misc]
        outcome = run_study(
            study,
            tmp_path / "study",
            faces,
            workers=executor,
            on_change=lambda jobs: states.append([job.state for job in jobs]),
        )
    assert outcome.failed == {}
    assert ["running", "waiting"] in states  # the second waits for the first
    assert same_logits(tmp_path / "study" / "runs", expected)


def test_a_job_in_this_process_says_what_its_training_said(tmp_path: Path) -> None:
    """submitit's debug executor, and a run whose faces are gone."""
    pytest.importorskip("submitit")
    study = Study(
        "small", "a test", ("compact-tiny",), (MethodConfig("baseline"),), FAST, 1,
        dataset=DatasetConfig(str(tmp_path / "gone")),
    )  # fmt: skip
    run = prepare(tmp_path / "runs", plan(study)[0])
    engine = Engine("slurm", slurm=("cluster=debug",))
    with engine.opened(tmp_path) as executor:
        (job,) = execute_all([run], executor)
    assert job.state == "failed"
    assert "gone" in job.error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "spark"}, "unknown executor"),
        ({"name": "local", "detach": True}, "detach is not for the executor local"),
        ({"name": "local", "gpus": 0.5}, "gpus-per-run is not for the executor local"),
        ({"name": "ray", "workers": 2}, "workers is not for the executor ray"),
        ({"name": "ray", "slurm": ("a=b",)}, "slurm is not for the executor ray"),
        ({"name": "slurm", "gpus": 0.5}, "whole processors and GPUs"),
        ({"name": "slurm", "slurm": ("gpu",)}, "NAME=VALUE"),
        ({"name": "ray", "cpus": 0.0}, "more than 0 processors"),
        ({"name": "ray", "cpus": float("nan")}, "more than 0 processors"),
        ({"name": "ray", "gpus": float("inf")}, "at least 0 GPUs"),
    ],
)
def test_options_that_dont_fit_the_executor(options: dict[str, object], said: str) -> None:
    with pytest.raises(FerturbError, match=said):
        Engine(**options)  # type: ignore[arg-type]


def test_options_of_training_reach_the_executor(tmp_path: Path) -> None:
    engine = TrainingOptions(track=("tensorboard",)).engine(2, "cpu")
    with engine.opened(tmp_path, ("--accept-changed-faces",)) as executor:
        assert executor == Processes(2, "cpu", ("--track", "tensorboard", "--accept-changed-faces"))


def test_without_slurm_and_without_a_cluster_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    for slurm in ((), ("cluster=local", "patition=gpu")):
        with (
            pytest.raises(FerturbError, match="SLURM can't be asked"),
            Engine("slurm", slurm=slurm).opened(tmp_path),
        ):
            pass
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with (
        pytest.raises(FerturbError, match="needs a cluster that stays"),
        Engine("ray", detach=True).opened(tmp_path),
    ):
        pass


def test_a_folder_that_others_dont_see_is_said(tmp_path: Path) -> None:
    token = mark(tmp_path / "study")
    assert mark(tmp_path / "study") == token  # it stays
    assert not_shared(tmp_path / "study", token) == ""
    assert "share" in not_shared(tmp_path / "other", token)  # not there
    mark(tmp_path / "other")
    assert "share" in not_shared(tmp_path / "other", token)  # there, and another one
    assert "with locks" in not_shared(tmp_path / "study", token, locks=True)
    with alone(tmp_path / "study", "looking at"):
        assert not_shared(tmp_path / "study", token, locks=True) == ""


class Submitted:
    """A job that SLURM has and never starts."""

    def __init__(self, number: str) -> None:
        self.job_id = number

    def done(self, force_check: bool = False) -> bool:
        return False


class Submitting:
    """submitit's executor, without SLURM."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def update_parameters(self, **_: object) -> None:
        pass

    def batch(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def submit(self, job: object, task: object, folder: Path) -> Submitted:
        self.taken.append(folder.name)
        return Submitted(str(len(self.taken)))


def test_jobs_of_an_earlier_call_are_found_again_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ones to be asked for mustn't make those after them forgotten."""
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(submitit, "SlurmJob", lambda folder, number: Submitted(number))
    executor = Submitting()
    task = Task(tmp_path, "", Command())
    first, second = (Run.create(tmp_path / n, RunConfig(seed=i)) for i, n in enumerate("ab"))
    for _ in range(2):
        jobs = SlurmJobs(executor, task, detach=True)
        for run in (first, second):
            jobs.start([run], {})
    assert executor.taken == ["a", "b"]


class Queue:
    """An executor that queues, whose attention runs fail."""

    poll_seconds, queues = 0.0, True

    def __init__(self, said: str) -> None:
        self.said, self.taken, self.left = said, list[str](), list[object]()

    def room(self, taken: int) -> bool:
        return True

    def start(self, runs: list, needs: dict) -> list[Told]:  # type: ignore[type-arg]
        self.taken += [f"{run.name}<{len(needs[run.name])}" for run in runs]
        return [Told(self, run.name) for run in runs]

    def leave(self, left: list[object]) -> None:
        self.left = list(left)


class Told:
    def __init__(self, queue: Queue, name: str) -> None:
        self.queue, self.first, self.looks, self.stopped = queue, "attention" in name, 0, False

    def running(self) -> bool:
        return self.looks > 1 and self.first

    def ended(self) -> str | None:
        self.looks += 1
        return self.queue.said if self.looks > 2 and self.first else None

    def stop(self) -> None:
        self.stopped = True


def test_what_builds_on_another_is_queued_with_it_and_blocked_when_it_fails(
    tmp_path: Path,
) -> None:
    method = MethodConfig("perturb")
    study = Study("small", "a test", ("compact-tiny",), (method,), FAST, 1)
    runs = [prepare(tmp_path, config) for config in plan(study)]
    queue, seen = Queue("no memory"), list[list[str]]()
    jobs = execute_all(runs, queue, lambda jobs: seen.append([job.state for job in jobs]))
    assert queue.taken == [f"{runs[0].name}<0", f"{runs[1].name}<1"]
    assert seen[0] == ["queued", "waiting"]
    assert ["queued", "queued"] in seen
    assert ["running", "queued"] in seen
    assert [(job.state, job.error) for job in jobs] == [
        ("failed", "no memory"),
        ("blocked", f"the run it builds on, {runs[0].name}, failed"),
    ]
    assert isinstance(jobs[1].started, Told)
    assert jobs[1].started.stopped
    with pytest.raises(KeyboardInterrupt):
        execute_all(runs, queue, interrupted)
    assert len(queue.left) == 1  # the executor is told what has not ended


def interrupted(jobs: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("", ""),
        ("a warning\n  warnings.warn(\n", ""),
        ("no error here\n", ""),
        ("error no space; make some\na warning\n", "error no space; make some"),
        ("\x1b[31merror\x1b[0m no space\n", "error no space"),  # as FORCE_COLOR has it
        (TRACEBACK, "KeyError: 'a'"),
        (f"{TRACEBACK}\nDuring it\n\n{TRACEBACK.replace('Key', 'Type')}", "TypeError: 'a'"),
        (f"{TRACEBACK}leaked 1 semaphore\n", "KeyError: 'a'"),
        ("Traceback (most recent call last):\n  File", ""),
    ],
)
def test_a_run_has_failed_that_said_so_and_no_other(tmp_path: Path, log: str, error: str) -> None:
    run = prepare(tmp_path / "runs", RunConfig(model=ModelConfig("compact-tiny")))
    write_json(tmp_path / "study.json", {"runs": [run.name]})
    run.log.write_text(log)
    (found,) = standings(tmp_path)
    assert (found.state, found.error) == ("failed" if error else "waiting", error)


def test_how_the_runs_of_a_folder_stand(tmp_path: Path) -> None:
    study = Study("small", "a test", ("compact-tiny",), (MethodConfig("baseline"),), FAST, 1,
                  seeds=(0, 1, 2, 3, 4))  # fmt: skip
    runs = [prepare(tmp_path / "runs", config) for config in plan(study)]
    _write_study(study, tmp_path, [run.name for run in runs], "cpu")
    finished_run(tmp_path / "done", "compact-tiny")
    for name in ("run.json", "logits.npz"):
        (tmp_path / "done" / name).rename(runs[0].folder / name)
    history = "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,"
    history += "seconds\n1,1.9,0.2,1.9,0.25,0.1,3\n2,1.9,0.2,1.9,nan,0.1,3\n"
    for run in runs[1:3]:
        (run.folder / "history.csv").write_text(history)
    runs[1].write_progress({"epoch": 3, "epochs": 12, "step": 1, "steps": 2,
                            "faces_per_second": 812.5})  # fmt: skip
    runs[3].log.write_text("Traceback\nerror no space\n")
    with alone(runs[1].folder, "training"):
        found = standings(tmp_path)
    assert [run.state for run in found] == ["done", "training", "stopped", "failed", "waiting"]
    assert (found[1].epoch, found[1].epochs, found[1].faces_per_second) == (2, 12, 812.5)
    assert found[1].validation_accuracy == found[2].validation_accuracy == 0.25
    assert found[2].faces_per_second is None
    assert found[3].error == "error no space"
    with pytest.raises(FerturbError, match="not the folder of a study"):
        standings(tmp_path / "runs")
