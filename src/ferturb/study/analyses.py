"""What a study finds out about its finished runs, and finding out what is missing.

Each result is kept in its run's folder under a name, and what is kept is not computed again: a
study that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from ferturb.base.config import (
    SALIENCY,
    AblationOptions,
    DatasetConfig,
    FaithfulnessOptions,
    SaliencyOptions,
    choose,
)
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
class Setting:
    """What all analyses of a study share."""

    study: Study
    faces: Mapping[DatasetConfig, Faces]
    device: torch.device


Compute = Callable[[Run, str, Setting, OnProgress], None]
"""Compute and store in a run what belongs under a name."""


@dataclass(frozen=True)
class Analysis:
    """One kind of analysis."""

    names: Callable[[Run, Study], tuple[str, ...]]
    """The names under which a run of this study should keep results; () where it should not."""
    compute: Compute


@dataclass(frozen=True)
class Task:
    """One result that is missing."""

    run: Run
    name: str
    compute: Compute

    @property
    def title(self) -> str:
        """For progress bars and error messages."""
        return f"{self.run.name}: {self.name}"


def missing(study: Study, runs: Sequence[Run]) -> list[Task]:
    """What a study wants to know of these finished runs and does not yet, in the study's order.

    Raises `FerturbError` for an analysis that does not exist.
    """
    tasks = []
    for key in study.analyses:
        analysis = choose("analysis", key, ANALYSES)
        for run in (run for run in runs if run.config.method.name != "attention"):
            for name in analysis.names(run, study):
                if not _kept(run, name):
                    tasks.append(Task(run, name, analysis.compute))
    return tasks


def analyse(tasks: Sequence[Task], setting: Setting, on_analysis: OnAnalysis) -> dict[str, str]:
    """Do these tasks one after another; title -> what went wrong, for those that failed.

    One that fails does not stop the others: a network of timm may have no layer that a method of
    saliency needs.
    """
    failed = {}
    for number, task in enumerate(tasks):
        on_progress = partial(on_analysis, f"{task.title} ({number + 1} of {len(tasks)})")
        on_progress(0, 1)
        try:
            task.compute(task.run, task.name, setting, on_progress)
        except Exception as error:
            failed[task.title] = first_line(error)
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


def _once(name: str, *methods: str) -> Callable[[Run, Study], tuple[str, ...]]:
    """This name for the first seed of these methods: one seed shows where networks look."""

    def names(run: Run, study: Study) -> tuple[str, ...]:
        first = run.config.seed == study.seeds[0]
        return (name,) if first and run.config.method.name in methods else ()

    return names


def _other_data(run: Run, name: str, setting: Setting, on_progress: OnProgress) -> None:
    faces = setting.faces[_others(run, setting.study)[name]]
    measure_on(run, faces, name, device=setting.device, on_progress=on_progress)


def _ablation(run: Run, name: str, setting: Setting, on_progress: OnProgress) -> None:
    study, faces = setting.study, setting.faces[run.config.dataset]
    regions, precision = REGIONS_BY_EFFORT[study.effort], study.recipe.precision
    options = AblationOptions(controls=regions, precision=precision)
    ablate_run(run, faces, options, device=setting.device, on_progress=on_progress)


def _saliency(run: Run, name: str, setting: Setting, on_progress: OnProgress) -> None:
    faces = setting.faces[run.config.dataset]
    options = SaliencyOptions(faces=FACES_BY_EFFORT[setting.study.effort])
    explain_run(run, faces, options, device=setting.device, on_progress=on_progress)


def _faithfulness(run: Run, name: str, setting: Setting, on_progress: OnProgress) -> None:
    faces = setting.faces[run.config.dataset]
    options = FaithfulnessOptions(faces=JUDGED_BY_EFFORT[setting.study.effort])
    benchmark_saliency(run, faces, options, device=setting.device, on_progress=on_progress)


ANALYSES: dict[str, Analysis] = {
    "transfer": Analysis(lambda run, study: tuple(_others(run, study)), _other_data),
    "ablation": Analysis(_once("ablation", "baseline", "features-left-out"), _ablation),
    "saliency": Analysis(_once(f"saliency-{SALIENCY}", "baseline", "perturb"), _saliency),
    "faithfulness": Analysis(_once("faithfulness", "baseline"), _faithfulness),
}
"""Name -> analysis."""
