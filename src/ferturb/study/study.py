"""A whole study: plan, run and analyse what is missing, write the report.

STUDY/study.json     what is planned, and on what machine
STUDY/runs/*         the run folders
STUDY/report/        written again at the end of every call
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ferturb.base.checks import require_kind, require_path, require_whole
from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.locks import alone
from ferturb.base.reading import is_there
from ferturb.base.storage import require_folder, write_json
from ferturb.base.tabular import Tabular
from ferturb.data.faces import Faces
from ferturb.features.altered import load_dataset
from ferturb.models.device import prepare_process
from ferturb.report.build import build_report
from ferturb.report.results import read_study, read_study_file
from ferturb.runs.execute import check_config, prepare, require_same_faces
from ferturb.runs.provenance import describe_data, describe_hardware, describe_software
from ferturb.runs.run import Run, find_runs, run_folder_name
from ferturb.study.analyses import OnAnalysis, analyse, missing
from ferturb.study.analysing import WORTH_PROCESSES, analysts
from ferturb.study.experiments import Item
from ferturb.study.jobs import TAKEN, Executor, Job, execute_all
from ferturb.study.local import Processes, default_workers
from ferturb.study.plan import Study, datasets, plan
from ferturb.training.loop import require_splits


@dataclass(frozen=True)
class Outcome(Tabular):
    """What a call of `run_study` left."""

    report: Path
    done: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)
    """Run name, or run name and analysis -> what went wrong."""

    def records(self) -> list[Mapping[str, Any]]:
        """Those of the study in its folder (`StudyResults`): a row a run and augmentation."""
        return read_study(self.report.parent.parent).records()

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self) | {"report": str(self.report), "done": list(self.done)}


def run_study(
    study: Study,
    folder: Path,
    faces: Faces,
    device: str = "cpu",
    workers: int | Executor | None = None,
    on_change: Callable[[Sequence[Job]], None] = lambda _: None,
    on_analysis: OnAnalysis = lambda title, done, total: None,
    accept_changed_faces: bool = False,
) -> Outcome:
    """Train what is missing below `folder`, analyse what is finished, and write the report.

    `faces` are those of the study's dataset; faces with face masks are made of it, or come from
    the cache. `workers` processes of this machine train at a time, or an executor trains. A study
    that failed in part still gets its report; what failed is in the outcome, and so are finished
    runs whose faces have changed, unless `accept_changed_faces`. A folder in which another process
    runs a study, and faces that nothing can be trained on, raise `FerturbError`.
    """
    require_kind("study", study, Study)
    folder = require_path("folder", folder)
    require_folder(folder)
    require_splits(require_kind("faces", faces, Faces))
    if workers is not None and not isinstance(workers, Executor):
        require_whole("workers", workers, 1)
    plan(study)  # a study of nothing fails at once
    missing(study, ())  # and so does an unknown analysis
    with alone(folder, "running the study in"):
        chosen = prepare_process(device)
        known = {study.dataset: faces}
        for config in datasets(study):  # once and here, not in every run's process
            if config not in known:
                known[config] = load_dataset(config)
        options = ("--accept-changed-faces",) if accept_changed_faces else ()
        executor = workers
        if not isinstance(executor, Executor):
            executor = Processes(executor or default_workers(device), device, options)
        cores = _cores(executor, device) if len(faces) >= WORTH_PROCESSES else 0
        with analysts(study, on_analysis) as analysing:

            def look(jobs: Sequence[Job]) -> None:
                on_change(jobs)
                if cores and isinstance(executor, Processes):  # others may train on these cores too
                    taken = sum(job.state in TAKEN for job in jobs)
                    analysing.look(_done(jobs), cores - taken)

            for configs in stages(study, folder / "runs"):
                runs, failed = _prepared(folder / "runs", configs)
                _write_study(study, folder, [run_folder_name(config) for config in configs], device)
                changed = {} if accept_changed_faces else _changed(runs, known)
                analysing.total = len(missing(study, runs))
                jobs = execute_all(runs, executor, look, changed)
            done = _done(jobs)
            failed |= {job.run.name: job.error for job in jobs if job.state != "done"}
            if cores:
                failed |= analysing.finish(done, cores)
            else:
                failed |= analyse(missing(study, done), known, chosen, on_analysis)
        return Outcome(build_report(folder, faces), tuple(run.name for run in done), failed)


def _done(jobs: Sequence[Job]) -> list[Run]:
    return [job.run for job in jobs if job.state == "done"]


def _cores(executor: Executor, device: str) -> int:
    """How many analyses are done at a time, each in a process; 0 for all in this one, in turn."""
    workers = executor.workers if isinstance(executor, Processes) else default_workers(device)
    return 0 if device.startswith("cuda") or workers == 1 else workers


def stages(study: Study, folder: Path) -> Iterator[list[RunConfig]]:
    """Every run that is known, again whenever finished ones have shown more; `folder` holds them.

    An experiment chooses its settings by its first runs; any other study knows all at once.
    """
    if study.experiment is None:
        yield plan(study)
        return

    def found(item: Item) -> Path | None:
        run = Run(folder / run_folder_name(item.config))
        return run.folder / "logits.npz" if run.done else None

    known: list[RunConfig] = []
    while (now := list(dict.fromkeys(i.config for i in study.experiment.queue(found)))) != known:
        known = now
        yield known


def _prepared(folder: Path, configs: Sequence[RunConfig]) -> tuple[list[Run], dict[str, str]]:
    """The run folders of these configs; name -> what is wrong with those that can't be used.

    A config that can't be trained, whatever its folder, raises `FerturbError`.
    """
    runs, failed = [], {}
    for config in configs:
        check_config(config)
    for config in configs:
        try:
            runs.append(prepare(folder, config))
        except FerturbError as error:
            failed[run_folder_name(config)] = str(error)
    return runs, failed


def _changed(runs: Sequence[Run], known: Mapping[DatasetConfig, Faces]) -> dict[str, str]:
    """The finished runs that were trained on other faces than their source has now, and why."""
    now = {config: describe_data(faces) for config, faces in known.items()}
    changed = {}
    for run in (run for run in runs if run.done):
        config = run.config.dataset
        if config not in now:  # a subset of an experiment
            now[config] = describe_data(load_dataset(config))
        try:
            require_same_faces(run, run.record(), now[config])
        except FerturbError as error:
            changed[run.name] = str(error)
    return changed


def rebuild_report(folder: Path) -> Path:
    """Write the report again, with the example faces if their source is still there."""
    configs = []
    for run in find_runs(folder / "runs") if is_there(folder) else []:
        with contextlib.suppress(FerturbError):  # the report says which can't be read
            configs.append(run.config.dataset)
    configs.sort(key=lambda config: config.altered)  # whole faces where there are some
    try:
        faces = load_dataset(configs[0]) if configs else None
    except FerturbError:
        faces = None
    return build_report(folder, faces)


def _write_study(study: Study, folder: Path, names: list[str], device: str) -> None:
    """study.json; the names of an earlier call with other options stay in it.

    A damaged one is written anew: the runs that it named are found by their folders.
    """
    path = folder / "study.json"
    try:
        earlier = read_study_file(path)
    except FerturbError:
        earlier = {}
    write_json(
        path,
        {
            "preset": study.preset,
            "source": study.dataset.source,
            "analyses": list(study.analyses),
            "started": earlier.get("started", datetime.now(UTC).isoformat(timespec="seconds")),
            "runs": list(dict.fromkeys([*names, *earlier.get("runs", [])])),
            "hardware": describe_hardware(torch.device(device), study.recipe.precision),
            "software": describe_software(),
        },
    )
