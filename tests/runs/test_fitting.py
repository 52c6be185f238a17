"""As many epochs as fit into a time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import (
    BOOSTING,
    LINEAR_SVM,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
)
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.runs.fitting import (
    Speed,
    Speeds,
    epochs_before,
    key_of,
    most_epochs,
    note_of,
    speed_of,
)
from ferturb.runs.run import Run, run_folder_name
from ferturb.study.fitting import START, fitted, makespan, with_epochs
from ferturb.study.plan import PRESETS, plan

SPEED = Speed({48: 2.0, 32: 1.0}, steps=10, side=48, look=3.0, end=5.0)


def config(**recipe: object) -> RunConfig:
    return RunConfig(recipe=RecipeConfig(**recipe))  # type: ignore[arg-type]


def test_the_time_of_a_schedule_by_hand() -> None:
    assert SPEED.seconds(config(epochs=4)) == 4 * 10 * 2.0 + 4 * 3.0 + 5.0
    small = config(epochs=4, progressive_sizes=((0.5, 32),))  # two epochs at 32, two at 48
    assert SPEED.seconds(small) == 2 * 10 * 1.0 + 2 * 10 * 2.0 + 4 * 3.0 + 5.0
    seldom = config(epochs=4, validate_every=3, keep="last")  # at epochs 3 and 4
    assert SPEED.seconds(seldom) == 4 * 10 * 2.0 + 2 * 3.0 + 5.0
    assert SPEED.faces_per_second(128) == 64.0


@pytest.mark.parametrize("minutes", [1.0, 7.5, 60.0])
def test_no_epoch_more_fits(minutes: float) -> None:
    def seconds(epochs: int) -> float:
        return 4.0 + 9.0 * epochs

    found = most_epochs(minutes, seconds)
    assert seconds(found) <= 0.95 * 60 * minutes < seconds(found + 1)
    with pytest.raises(FerturbError, match="one epoch takes"):
        most_epochs(0.2, seconds)


def test_alike_trainings_are_measured_once_and_measuring_others_is_free() -> None:
    asked: list[RunConfig] = []

    def measure(wanted: RunConfig) -> Speed:
        asked.append(wanted)
        return SPEED

    speeds, one = Speeds(measure), config(epochs=2)
    same = [one, replace(one, seed=3), replace(one, recipe=replace(one.recipe, epochs=4))]
    assert speeds.seconds(same) == 2 * SPEED.seconds(one) + SPEED.seconds(same[2])
    assert len(asked) == 1
    assert speeds.seconds([replace(one, evaluates="other")]) == 0
    assert key_of(replace(one, method=MethodConfig("perturb"))) != key_of(one)


@pytest.mark.usefixtures("tiny")
def test_measuring_leaves_nothing_and_gives_plausible_times(
    toy_faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferturb.runs.fitting.SECONDS", 0.0)
    recipe = RecipeConfig(batch_size=16, progressive_sizes=((0.5, 16),), evaluate=("none",))
    method = MethodConfig("perturb", attention_faces=16)
    wanted = RunConfig(model=ModelConfig("tiny"), method=method, recipe=recipe)
    speed = speed_of(replace(wanted, attention_run="somewhere"), toy_faces, torch.device("cpu"))
    assert (speed.steps, speed.side, set(speed.step)) == (4, 32, {16, 32})
    assert all(0 < seconds < 60 for seconds in (*speed.step.values(), speed.look, speed.end))


@pytest.mark.usefixtures("tiny")
def test_a_method_with_attention_from_the_input_is_measured(
    toy_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferturb.runs.fitting.SECONDS", 0.0)
    method = MethodConfig("perturb", attention_faces=16, attention_from="input")
    recipe = RecipeConfig(batch_size=16, evaluate=("none",))
    wanted = RunConfig(model=ModelConfig("tiny"), method=method, recipe=recipe)
    speed = speed_of(replace(wanted, attention_run="somewhere"), toy_faces, torch.device("cpu"))
    assert speed.step[32] > 0


@pytest.mark.parametrize(("network", "recipe"), [("hog", LINEAR_SVM), ("hog-boosted", BOOSTING)])
def test_what_is_fitted_without_steps_has_none_to_measure(
    network: str, recipe: RecipeConfig, toy_faces: Faces
) -> None:
    wanted = RunConfig(model=ModelConfig(network), recipe=recipe)
    with pytest.raises(FerturbError, match=f"recipe {recipe.name} has no steps .* give epochs"):
        speed_of(wanted, toy_faces, torch.device("cpu"))


@pytest.mark.parametrize(
    ("network", "method"),
    [
        ("tiny", MethodConfig("eac", mirror="attention")),
        ("tiny", MethodConfig("adl")),
        ("emonext-narrow", MethodConfig("batch-attention")),
        ("two-stage-compact-tiny", MethodConfig("two-stage")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
@pytest.mark.usefixtures("tiny")
def test_methods_that_hook_into_the_network_are_measured_at_every_size(
    network: str, method: MethodConfig, toy_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferturb.runs.fitting.SECONDS", 0.0)
    sizes = ((0.5, 16),)
    recipe = RecipeConfig(batch_size=16, average=0.9, progressive_sizes=sizes, evaluate=("none",))
    wanted = RunConfig(model=ModelConfig(network), method=method, recipe=recipe)
    assert set(speed_of(wanted, toy_faces, torch.device("cpu")).step) == {16, 32}


def test_the_same_command_finds_the_epochs_that_it_chose(tmp_path: Path) -> None:
    wanted = config(epochs=12)
    chosen = replace(wanted, recipe=replace(wanted.recipe, epochs=31))
    run = Run.create(tmp_path / run_folder_name(chosen), chosen)
    run.write_record({"notes": ["something else", note_of(20, 31)]})
    assert epochs_before(tmp_path, wanted, 20.0) == 31
    assert epochs_before(tmp_path, wanted, 21.0) is None
    assert epochs_before(tmp_path, replace(wanted, seed=1), 20.0) is None
    assert epochs_before(tmp_path / "none", wanted, 20.0) is None


def test_a_study_fits_and_keeps_what_it_chose(
    toy_faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferturb.study.fitting.speed_of", lambda *_: SPEED)
    quick = PRESETS["quick"]  # four runs: two of the epochs, attention of 6 in 10, one after it
    speeds = Speeds(lambda _: SPEED)
    runs = plan(with_epochs(quick, 20))
    assert sorted(c.recipe.epochs for c in runs) == [12, 20, 20, 20]
    alone = [START + SPEED.seconds(c) for c in runs]
    assert makespan(runs, speeds, 1) == pytest.approx(sum(alone))
    chain = [c for c in runs if c.method.name in ("attention", "perturb")]
    longest = sum(START + SPEED.seconds(c) for c in chain)
    assert makespan(runs, speeds, 8) == pytest.approx(longest)
    faces, cpu = {quick.dataset: toy_faces}, torch.device("cpu")
    found = fitted(quick, faces, tmp_path, 30, 2, cpu)
    assert makespan(plan(found), speeds, 2) <= 0.95 * 60 * 30
    more = with_epochs(quick, found.recipe.epochs + 1)
    assert makespan(plan(more), speeds, 2) > 0.95 * 60 * 30
    written = json.loads((tmp_path / "fitted.json").read_text())
    assert written["epochs"] == found.recipe.epochs
    assert fitted(quick, faces, tmp_path, 30, 1, cpu) == found  # as the same command chose
    assert fitted(quick, faces, tmp_path, 60, 2, cpu).recipe.epochs > found.recipe.epochs
    with pytest.raises(FerturbError, match="part of its plan"):
        fitted(PRESETS["leaving-out"], faces, tmp_path, 30, 2, cpu)
