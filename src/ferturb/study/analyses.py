"""What a study finds out about its finished runs, and finding out what is missing.

Each result is kept in its run's folder under a name, and what is kept is not computed again: a
study that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ferturb.base.config import (
    SALIENCY,
    AblationOptions,
    DatasetConfig,
    SaliencyOptions,
    choose,
)
from ferturb.data.faces import Faces
from ferturb.evaluation.ablation.measure import ablate_run
from ferturb.evaluation.other_data import altered_name, measure_on
from ferturb.evaluation.saliency.benchmark import benchmark_saliency
from ferturb.evaluation.saliency.mass import explain_run
from ferturb.features.altered import load_dataset
from ferturb.runs.run import Run
from ferturb.study.plan import Study, datasets

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, of how much)."""
CONTROLS = {"light": 2, "full": 4}
"""By a study's effort: random regions per face and facial feature in its ablation matrix."""
EXPLAINED = {"light": 10, "full": 30}
"""By a study's effort: faces of each emotion whose saliency is measured."""


@dataclass
class Desk:
    """What an analysis works with."""

    study: Study
    known: dict[DatasetConfig, Faces]
    """Faces that have been loaded."""
    device: torch.device
    tell: Callable[[int, int], None] = lambda done, total: None
    """Takes how much of the analysis in hand is done."""

    def faces_of(self, config: DatasetConfig) -> Faces:
        """The faces of a dataset, loaded once."""
        if config not in self.known:
            self.known[config] = load_dataset(config)
        return self.known[config]


@dataclass(frozen=True)
class Analysis:
    """One kind of analysis."""

    names: Callable[[Run, Study], tuple[str, ...]]
    """The names under which a run of this study should keep results; () where it should not."""
    compute: Callable[[Run, str, Desk], None]
    """Compute and store what belongs under a name."""


@dataclass(frozen=True)
class Task:
    """One result that is missing."""

    run: Run
    name: str
    compute: Callable[[Run, str, Desk], None]

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
            known = run.analyses()
            for name in analysis.names(run, study):
                if name not in known:
                    tasks.append(Task(run, name, analysis.compute))
    return tasks


def analyse(tasks: Sequence[Task], desk: Desk, on_analysis: Progress) -> dict[str, str]:
    """Do these tasks one after another; title -> what went wrong, for those that failed.

    One that fails does not stop the others: a network of timm may have no layer that a method of
    saliency needs.
    """
    failed = {}
    for number, task in enumerate(tasks):
        title = f"{task.title} ({number + 1} of {len(tasks)})"
        on_analysis(title, 0, 1)
        desk.tell = lambda done, total, title=title: on_analysis(title, done, total)  # type: ignore[misc]
        try:
            task.compute(task.run, task.name, desk)
        except Exception as error:
            failed[task.title] = (str(error).splitlines() or [type(error).__name__])[0]
    return failed


def _others(run: Run, study: Study) -> dict[str, DatasetConfig]:
    """The study's faces that a run was not trained on, by the name of the analysis."""
    every = {altered_name(config): config for config in datasets(study)}
    return {name: config for name, config in every.items() if config != run.config.dataset}


def _transfer(run: Run, name: str, desk: Desk) -> None:
    faces = desk.faces_of(_others(run, desk.study)[name])
    measure_on(run, faces, name, device=desk.device, on_progress=desk.tell)


def _of_first_seed(run: Run, study: Study, name: str, methods: tuple[str, ...]) -> tuple[str, ...]:
    """One seed says where networks look, and one method a network is enough for most."""
    first = run.config.seed == study.seeds[0]
    return (name,) if first and run.config.method.name in methods else ()


def _ablation(run: Run, name: str, desk: Desk) -> None:
    ablate_run(
        run,
        desk.faces_of(run.config.dataset),
        AblationOptions(
            controls=CONTROLS[desk.study.effort], precision=desk.study.recipe.precision
        ),
        device=desk.device,
        on_progress=desk.tell,
    )


def _saliency(run: Run, name: str, desk: Desk) -> None:
    explain_run(
        run,
        desk.faces_of(run.config.dataset),
        SaliencyOptions(faces=EXPLAINED[desk.study.effort]),
        device=desk.device,
        on_progress=desk.tell,
    )


def _faithfulness(run: Run, name: str, desk: Desk) -> None:
    faces = desk.faces_of(run.config.dataset)
    benchmark_saliency(run, faces, device=desk.device, on_progress=desk.tell)


ANALYSES: dict[str, Analysis] = {
    "transfer": Analysis(lambda run, study: tuple(_others(run, study)), _transfer),
    "ablation": Analysis(
        lambda run, study: _of_first_seed(run, study, "ablation", ("baseline",)), _ablation
    ),
    "saliency": Analysis(
        lambda run, study: _of_first_seed(
            run, study, f"saliency-{SALIENCY}", ("baseline", "perturb")
        ),
        _saliency,
    ),
    "faithfulness": Analysis(
        lambda run, study: _of_first_seed(run, study, "faithfulness", ("baseline",)), _faithfulness
    ),
}
"""Name -> analysis."""
