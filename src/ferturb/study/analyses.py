"""What a study finds out about its finished runs, and finding out what is missing.

Each result is kept in its run's folder under a name, and what is kept is not computed again: a
study that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from ferturb.base.config import (
    SALIENCY,
    AblationOptions,
    DatasetConfig,
    FaithfulnessOptions,
    SaliencyOptions,
    choose,
)
from ferturb.base.config.fields import build
from ferturb.base.errors import FerturbError, first_line
from ferturb.data.faces import Faces
from ferturb.evaluation.ablation.measure import ablate_run
from ferturb.evaluation.other_data import altered_name, measure_on
from ferturb.evaluation.saliency.benchmark import benchmark_saliency
from ferturb.evaluation.saliency.mass import explain_run
from ferturb.runs.run import Run
from ferturb.study.plan import Study, datasets

OnProgress = Callable[[int, int], None]
"""Called with (how much of an analysis is done, of how much)."""
OnAnalysis = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, of how much)."""
REGIONS_BY_EFFORT = {"light": 2, "full": 4}
"""Random regions per face and facial feature in the ablation matrix."""
FACES_BY_EFFORT = {"light": 10, "full": 30}
"""Faces of each emotion whose saliency is measured."""
JUDGED_BY_EFFORT = {"light": 6, "full": FaithfulnessOptions().faces}
"""Faces of each emotion on which saliency methods are judged."""


@dataclass(frozen=True)
class Task:
    """One result that is missing, and all that computing it takes."""

    run: Run
    kind: str
    """Of `ANALYSES`."""
    name: str
    """What it is kept under."""
    dataset: DatasetConfig
    """The faces that it is about."""
    effort: str
    precision: Literal["auto", "bfloat16", "float32"]

    @property
    def title(self) -> str:
        """For progress bars and error messages."""
        return f"{self.run.name}: {self.name}"

    def compute(self, faces: Faces, device: torch.device, on_progress: OnProgress) -> None:
        """Compute it of `dataset`'s faces, and keep it with the run."""
        ANALYSES[self.kind].compute(self, faces, device, on_progress)

    def to_json(self) -> str:
        """For another process."""
        there = str(self.run.folder.absolute())
        return json.dumps(vars(self) | {"run": there, "dataset": asdict(self.dataset)})

    @staticmethod
    def from_json(text: str) -> Task:
        """The inverse of `to_json`."""
        told = json.loads(text)
        run, dataset = Run(Path(told.pop("run"))), build(DatasetConfig, told.pop("dataset"))
        return Task(run=run, dataset=dataset, **told)


@dataclass(frozen=True)
class Analysis:
    """One kind of analysis."""

    wanted: Callable[[Run, Study], Mapping[str, DatasetConfig]]
    """What a run of this study should keep, by name, and which faces it is about."""
    compute: Callable[[Task, Faces, torch.device, OnProgress], None]
    """Compute a result and keep it with its run."""


def missing(study: Study, runs: Sequence[Run]) -> list[Task]:
    """What a study wants to know of these runs and does not yet, in the study's order.

    Raises `FerturbError` for an analysis that does not exist.
    """
    tasks = []
    for kind in study.analyses:
        analysis = choose("analysis", kind, ANALYSES)
        for run in (run for run in runs if run.config.method.name != "attention"):
            for name, dataset in analysis.wanted(run, study).items():
                if not _kept(run, name):
                    how = study.effort, study.recipe.precision
                    tasks.append(Task(run, kind, name, dataset, *how))
    return tasks


def analyse(
    tasks: Sequence[Task],
    faces: Mapping[DatasetConfig, Faces],
    device: torch.device,
    on_analysis: OnAnalysis,
) -> dict[str, str]:
    """Do these tasks one after another; title -> what went wrong, for those that failed.

    One that fails does not stop the others: a network of timm may have no layer that a method of
    saliency needs.
    """
    failed = {}
    for number, task in enumerate(tasks):
        on_progress = partial(on_analysis, f"{task.title} ({number + 1} of {len(tasks)})")
        on_progress(0, 1)
        try:
            task.compute(faces[task.dataset], device, on_progress)
        except Exception as error:
            failed[task.title] = first_line(error)
            on_progress(1, 1)
    return failed


def _kept(run: Run, name: str) -> bool:
    """Whether an analysis is kept with a run, and can be read."""
    try:
        return run.analysis(name) is not None
    except FerturbError:
        return False


def _others(run: Run, study: Study) -> dict[str, DatasetConfig]:
    """The study's faces that a run was not trained on, by the name of the analysis."""
    every = {altered_name(config): config for config in datasets(study)}
    return {name: config for name, config in every.items() if config != run.config.dataset}


def _once(name: str, *methods: str) -> Callable[[Run, Study], Mapping[str, DatasetConfig]]:
    """This name for the first seed of these methods: one seed shows where networks look."""

    def wanted(run: Run, study: Study) -> Mapping[str, DatasetConfig]:
        first = run.config.seed == study.seeds[0]
        return {name: run.config.dataset} if first and run.config.method.name in methods else {}

    return wanted


def _other_data(task: Task, faces: Faces, device: torch.device, on_progress: OnProgress) -> None:
    measure_on(task.run, faces, task.name, device=device, on_progress=on_progress)


def _ablation(task: Task, faces: Faces, device: torch.device, on_progress: OnProgress) -> None:
    options = AblationOptions(controls=REGIONS_BY_EFFORT[task.effort], precision=task.precision)
    ablate_run(task.run, faces, options, device=device, on_progress=on_progress)


def _saliency(task: Task, faces: Faces, device: torch.device, on_progress: OnProgress) -> None:
    options = SaliencyOptions(faces=FACES_BY_EFFORT[task.effort])
    explain_run(task.run, faces, options, device=device, on_progress=on_progress)


def _faithfulness(task: Task, faces: Faces, device: torch.device, on_progress: OnProgress) -> None:
    options = FaithfulnessOptions(faces=JUDGED_BY_EFFORT[task.effort])
    benchmark_saliency(task.run, faces, options, device=device, on_progress=on_progress)


ANALYSES: dict[str, Analysis] = {
    "transfer": Analysis(_others, _other_data),
    "ablation": Analysis(_once("ablation", "baseline", "features-left-out"), _ablation),
    "saliency": Analysis(_once(f"saliency-{SALIENCY}", "baseline", "perturb"), _saliency),
    "faithfulness": Analysis(_once("faithfulness", "baseline"), _faithfulness),
}
"""Name -> analysis."""
