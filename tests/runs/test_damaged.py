"""Runs with a damaged file: what can be made again is, and what can't is one line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.config import MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.runs.execute import check_config, execute_run, prepare, prepared
from ferturb.runs.run import LOGITS, Run, finished_runs
from ferturb.training.files import CHECKPOINT, MODEL
from ferturb.training.loop import Step

pytestmark = pytest.mark.usefixtures("tiny")

RECIPE = RecipeConfig(epochs=2, batch_size=32, precision="float32", evaluate=("none",))
CONFIG = RunConfig(model=ModelConfig("tiny"), recipe=RECIPE)
DAMAGE = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "null": lambda data: b"null",
    "list": lambda data: b"[]",
    "noise": lambda data: bytes(range(256)) * 9,
    "flip": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 8]) + data[len(data) // 2 + 1 :]
    ),
}


@pytest.fixture
def done(toy_faces: Faces, tmp_path: Path) -> Run:
    run = prepare(tmp_path, CONFIG)
    execute_run(run, toy_faces)
    return run


def trained_again(_: Step) -> None:
    pytest.fail("trained again")


def damage(run: Run, name: str, kind: str) -> None:
    path = run.folder / name
    path.write_bytes(DAMAGE[kind](path.read_bytes()))


@pytest.mark.parametrize("kind", [kind for kind in DAMAGE if kind != "flip"])
@pytest.mark.parametrize("name", [LOGITS, "run.json"])
def test_a_damaged_run_is_not_done_and_is_measured_again(
    done: Run, toy_faces: Faces, name: str, kind: str
) -> None:
    before, logits = done.record(), done.logits("test", "none")[1]
    damage(done, name, kind)
    run = Run.open(done.folder)
    assert not run.done
    with pytest.raises(FerturbError, match=f"is damaged: .*{name}.* go on with `ferturb train"):
        run.require_done()
    assert execute_run(run, toy_faces, on_step=trained_again)
    assert run.done
    np.testing.assert_array_equal(run.logits("test", "none")[1], logits)
    same = ("best_epoch", "epochs", "validation_accuracy", "seconds", "data", "parameters")
    assert [run.record()[key] for key in same] == [before[key] for key in same]


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_model_is_one_line_and_the_logits_stay(done: Run, kind: str) -> None:
    damage(done, MODEL, kind)
    assert done.done
    with pytest.raises(FerturbError, match=MODEL) as caught:
        done.load_model()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_never_gone_on_with(
    toy_faces: Faces, tmp_path: Path, kind: str
) -> None:
    run = prepare(tmp_path, CONFIG)
    execute_run(run, toy_faces, pause_after=1)
    damage(run, CHECKPOINT, kind)
    with pytest.raises(FerturbError, match=CHECKPOINT) as caught:
        execute_run(run, toy_faces)
    assert "\n" not in str(caught.value)
    (run.folder / CHECKPOINT).unlink()
    assert execute_run(run, toy_faces)


def test_a_damaged_config_is_written_again_where_the_name_says_which(
    done: Run, toy_faces: Faces
) -> None:
    (done.folder / "config.json").write_text("null")
    with pytest.raises(FerturbError, match=r"config\.json holds NoneType"):
        _ = Run(done.folder).config
    run = prepare(done.folder.parent, CONFIG)
    assert run.config == CONFIG
    assert execute_run(run, toy_faces, on_step=trained_again)


def test_one_damaged_run_does_not_hide_the_others(done: Run, tmp_path: Path) -> None:
    other = Path(shutil.copytree(done.folder, tmp_path / "other"))
    (other / LOGITS).write_bytes(b"PK")
    refused: list[str] = []
    assert finished_runs([other, done.folder], refused) == [done]
    assert len(refused) == 1
    assert "other is damaged" in refused[0]
    for asked in (None, []):
        with pytest.raises(FerturbError, match="other is damaged"):
            finished_runs([other], asked)


def train(parent: Path, config: RunConfig, faces: Faces) -> None:
    with prepared(parent, config) as run:
        execute_run(run, faces)


def test_what_is_refused_leaves_no_folder(toy_faces: Faces, tmp_path: Path) -> None:
    no_validation = toy_faces.select(torch.arange(64))
    with pytest.raises(FerturbError, match="needs faces in train and validation, got 64 and 0"):
        train(tmp_path / "runs", CONFIG, no_validation)
    assert not (tmp_path / "runs").exists()
    (tmp_path / "runs").mkdir()
    for config in (
        replace(CONFIG, method=MethodConfig("perturb")),
        replace(CONFIG, initial_weights="nowhere"),
        replace(CONFIG, model=ModelConfig("resnet81")),
    ):
        with pytest.raises(FerturbError):
            train(tmp_path / "runs", config, toy_faces)
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_lies_beside_a_refused_run_stays_and_hides_no_error(
    toy_faces: Faces, tmp_path: Path
) -> None:
    def tracked() -> None:
        with prepared(tmp_path / "runs", CONFIG) as run:
            (run.folder.parent / "mlflow.db").touch()
            execute_run(run, toy_faces.select(torch.arange(64)))

    with pytest.raises(FerturbError, match="needs faces in train and validation"):
        tracked()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mlflow.db"]


def test_what_was_there_stays_when_it_is_refused(toy_faces: Faces, tmp_path: Path) -> None:
    run = prepare(tmp_path, CONFIG)
    with pytest.raises(FerturbError):
        train(tmp_path, CONFIG, toy_faces.select(torch.arange(64)))
    assert (run.folder / "config.json").exists()
    execute_run(run, toy_faces, pause_after=1)
    with pytest.raises(FerturbError, match="begun on other faces"):
        train(tmp_path, CONFIG, toy_faces.select(torch.arange(90)))
    assert (run.folder / CHECKPOINT).exists()


def test_a_config_can_be_checked_before_anything_is_read() -> None:
    check_config(CONFIG)
    with pytest.raises(FerturbError, match="unknown model 'resnet81'"):
        check_config(replace(CONFIG, model=ModelConfig("resnet81")))
