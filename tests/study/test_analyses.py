"""What a study finds out about its runs: what is missing, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import DatasetConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.config.changes import Changes
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run
from ferturb.study.adapting import adapt
from ferturb.study.analyses import (
    ANALYSES,
    Analysis,
    Task,
    analyse,
    missing,
)
from ferturb.study.plan import PRESETS, Study, datasets, plan

RECIPE = RecipeConfig(epochs=1, batch_size=32, precision="float32", evaluate=("none",))
STUDY = Study(
    "small",
    "a test",
    models=("tiny",),
    methods=(RunConfig().method,),
    recipe=RECIPE,
    attention_epochs=1,
    face_masks=(None, "mixed"),
    analyses=("transfer",),
)


CPU = torch.device("cpu")


@pytest.fixture
def known(toy_faces: Faces) -> dict[DatasetConfig, Faces]:
    """Faces that stand in for those of the study: the masked ones are darker."""
    dark = replace(toy_faces, images=toy_faces.images // 2)
    whole, masked = datasets(STUDY)
    return {whole: toy_faces, masked: dark}


@pytest.fixture
def runs(tiny: str, known: dict[DatasetConfig, Faces], tmp_path: Path) -> list[Run]:
    made = [prepare(tmp_path, config) for config in plan(STUDY)]
    for run in made:
        execute_run(run, known[run.config.dataset])
    return made


def test_each_run_is_tested_on_the_faces_it_was_not_trained_on(
    runs: list[Run], known: dict[DatasetConfig, Faces]
) -> None:
    tasks = missing(STUDY, runs)
    assert [(task.run, task.name) for task in tasks] == [
        (runs[0], "on-maskfer"),
        (runs[1], "on-whole"),
    ]
    told: list[tuple[str, int, int]] = []
    assert analyse(tasks[:1], known, CPU, lambda *a: told.append(a)) == {}
    assert [(done, total) for _, done, total in told] == [(0, 1), (0, 2), (1, 2), (2, 2)]
    assert [task.name for task in missing(STUDY, runs)] == ["on-whole"]  # a stopped study goes on
    assert analyse(missing(STUDY, runs), known, CPU, lambda *a: None) == {}
    assert missing(STUDY, runs) == []
    dark = runs[0].analysis("on-maskfer")
    assert dark is not None
    assert dark[1]["data"]["hash"] == known[datasets(STUDY)[1]].content_hash()


def test_one_that_fails_does_not_stop_the_others(
    runs: list[Run], known: dict[DatasetConfig, Faces], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such layer\nsecond line")

    broken = Analysis(lambda run, study: {"broken": run.config.dataset}, fail)
    monkeypatch.setitem(ANALYSES, "broken", broken)
    study = replace(STUDY, analyses=("broken", "transfer"))
    failed = analyse(missing(study, runs[:1]), known, CPU, lambda *a: None)
    assert failed == {f"{runs[0].name}: broken": "no such layer"}
    assert runs[0].analyses() == ("on-maskfer",)


def test_a_task_goes_to_another_process_and_back(runs: list[Run]) -> None:
    for task in missing(STUDY, runs):
        assert Task.from_json(task.to_json()) == task
        assert task.dataset == datasets(STUDY)[task.name == "on-maskfer"]


def test_every_preset_asks_for_what_there_is() -> None:
    for study in PRESETS.values():
        assert set(study.analyses) <= set(ANALYSES)
        missing(study, ())
    with pytest.raises(FerturbError, match="unknown analysis 'transfre'"):
        missing(replace(STUDY, analyses=("transfre",)), ())


def test_a_study_of_masks_trains_on_both_kinds_of_faces() -> None:
    study = adapt(PRESETS["masks"], Changes("faces.zip", models=("compact",)))
    configs = [run.dataset for run in plan(study)]
    assert configs == [
        DatasetConfig("faces.zip"),
        DatasetConfig("faces.zip", face_masks="mixed"),
    ]
    only = adapt(PRESETS["masks"], Changes(face_masks=("none", "n95")))
    assert only.face_masks == (None, "n95")


def test_attention_runs_are_not_analysed(runs: Sequence[Run], tmp_path: Path) -> None:
    config = replace(runs[0].config, method=replace(runs[0].config.method, name="attention"))
    first = Run.create(tmp_path / "attention", replace(config, model=ModelConfig("tiny", True)))
    assert missing(STUDY, [first]) == []
