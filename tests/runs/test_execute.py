from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.config import (
    FAST,
    AugmentConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
)
from ferturb.base.errors import FerturbError
from ferturb.base.tensors import load_tensors
from ferturb.data.faces import Faces
from ferturb.models.test_time import predict_logits
from ferturb.runs.execute import check_config, execute_run, new_classifier, prepare
from ferturb.runs.run import Run, run_folder_name
from ferturb.study.plan import chain
from ferturb.training.files import MODEL
from ferturb.training.loop import Step

pytestmark = pytest.mark.usefixtures("tiny")

RECIPE = RecipeConfig(
    epochs=2,
    batch_size=32,
    learning_rate=0.05,
    precision="float32",
    augment=AugmentConfig(erase=0.3),
    evaluate=("none", "ten-crop"),
)
BASELINE = RunConfig(model=ModelConfig("tiny"), recipe=RECIPE, seed=5)


def test_a_run_from_start_to_end(toy_faces: Faces, tmp_path: Path) -> None:
    run = prepare(tmp_path, BASELINE)
    steps: list[Step] = []
    assert execute_run(run, toy_faces, on_step=steps.append)
    assert run.done
    assert sorted(p.name for p in run.folder.iterdir()) == [
        "config.json",
        "history.csv",
        "logits.npz",
        MODEL,
        "run.json",
    ]
    history, record = run.history(), run.record()
    assert [row["epoch"] for row in history] == [1, 2]
    assert len(steps) == 4
    best = max(history, key=lambda row: (row["validation_accuracy"], row["epoch"]))
    assert record["best_epoch"] == best["epoch"]
    assert record["validation_accuracy"] == best["validation_accuracy"]
    assert record["seconds"] == pytest.approx(sum(row["seconds"] for row in history))
    assert record["data"]["hash"] == toy_faces.content_hash()
    assert record["parameters"] == sum(p.numel() for p in run.load_classifier().parameters())
    for split in ("validation", "test"):
        chosen = toy_faces.split(split)
        for name in RECIPE.evaluate:
            labels, logits = run.logits(split, name)
            np.testing.assert_array_equal(labels, chosen.labels.numpy())
            expected = predict_logits(run.load_model(), chosen.images, name).numpy()
            np.testing.assert_array_equal(logits, expected)
    labels, logits = run.logits("validation", "none")
    accuracy = float((logits.argmax(1) == labels).mean())
    assert accuracy == record["validation_accuracy"]


def trained_again(_: Step) -> None:
    pytest.fail("trained again")


def test_a_finished_run_is_left_alone(toy_faces: Faces, tmp_path: Path) -> None:
    run = prepare(tmp_path, BASELINE)
    execute_run(run, toy_faces)
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in run.folder.iterdir()}
    assert execute_run(prepare(tmp_path, BASELINE), toy_faces, on_step=trained_again)
    assert before == {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in run.folder.iterdir()}


def test_paused_and_resumed_gives_the_same_run(toy_faces: Faces, tmp_path: Path) -> None:
    whole, parts = prepare(tmp_path / "a", BASELINE), prepare(tmp_path / "b", BASELINE)
    execute_run(whole, toy_faces)
    assert not execute_run(parts, toy_faces, pause_after=1)
    assert not parts.done
    assert len(parts.history()) == 1
    assert parts.progress()["epoch"] == 1
    assert execute_run(Run.open(parts.folder), toy_faces)
    for split in ("validation", "test"):
        np.testing.assert_array_equal(
            whole.logits(split, "none")[1], parts.logits(split, "none")[1]
        )
    ours, theirs = (load_tensors(r.folder / MODEL)[0] for r in (whole, parts))
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_broken_off_before_the_logits_the_run_ends_without_training_again(
    toy_faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare(tmp_path, BASELINE)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            execute_run(run, toy_faces)
    assert not run.done
    assert execute_run(run, toy_faces, on_step=trained_again)
    assert run.done


def test_all_phases_of_the_perturb_scheme(toy_faces: Faces, tmp_path: Path) -> None:
    attention = replace(
        BASELINE, model=ModelConfig("tiny", attention=True), method=MethodConfig("attention")
    )
    first = prepare(tmp_path, attention)
    perturb = replace(
        BASELINE,
        method=MethodConfig("perturb", attention_faces=40, views="sample"),
        attention_run=first.name,
    )
    second = prepare(tmp_path, perturb)
    with pytest.raises(FerturbError, match=f"needs the attention run {first.name} finished"):
        execute_run(second, toy_faces)
    execute_run(first, toy_faces)
    assert execute_run(second, toy_faces)
    maps = second.cluster_maps()
    assert maps is not None
    assert maps.shape == (2, 32, 32)
    assert set(np.unique(maps)) <= {0, 1, 2}
    best = maps[second.record()["best_epoch"] - 1]
    chosen = toy_faces.split("test")
    faces = chosen.images.unsqueeze(1).float() / 255
    classifier = second.load_classifier()
    with torch.no_grad():
        summed = classifier(faces)
        for j in range(3):
            summed = summed + classifier(faces * torch.from_numpy(best != j))
    got = second.logits("test", "none")[1]
    np.testing.assert_allclose(got, summed.numpy(), atol=1e-5, rtol=1e-5)


def test_a_method_that_only_tests_otherwise_takes_the_others_network(
    toy_faces: Faces, tmp_path: Path
) -> None:
    runs = [
        prepare(tmp_path, config)
        for method in (MethodConfig("test-views-only"), MethodConfig("train-views-only"))
        for config in chain(replace(BASELINE, method=method), 1)
    ]
    names = [run.config.method.name for run in runs]
    assert names == [
        *("baseline", "attention", "test-views-only"),
        *("attention", "perturb", "train-views-only"),
    ]
    for run in runs:
        assert execute_run(run, toy_faces)
    baseline, _, tested, _, perturb, trained = runs
    assert (tested.config.evaluates, trained.config.evaluates) == (baseline.name, perturb.name)
    for one, other in ((baseline, tested), (perturb, trained)):
        assert (one.folder / "model.safetensors").read_bytes() == (
            other.folder / "model.safetensors"
        ).read_bytes()
        assert other.record()["best_epoch"] == other.record()["epochs"] == 1
    maps = tested.cluster_maps()
    assert maps is not None
    assert len(maps) == 1
    own, summed = (run.logits("test", "none")[1] for run in (baseline, tested))
    assert not np.allclose(own, summed)
    faces = toy_faces.split("test").images.unsqueeze(1).float() / 255
    with torch.no_grad():
        whole = perturb.load_classifier()(faces)
    np.testing.assert_allclose(trained.logits("test", "none")[1], whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", ["baseline", "perturb"])
def test_a_dataset_without_a_test_split(toy_faces: Faces, tmp_path: Path, method: str) -> None:
    faces = toy_faces.select(torch.arange(80))
    config = BASELINE
    if method == "perturb":
        attention = replace(BASELINE, model=ModelConfig("tiny", attention=True))
        execute_run(prepare(tmp_path, attention), faces)
        config = replace(
            BASELINE, method=MethodConfig("perturb"), attention_run=run_folder_name(attention)
        )
    run = prepare(tmp_path, config)
    assert execute_run(run, faces)
    assert run.logits("test", "none")[1].shape == (0, 7)


def test_missing_pieces_are_one_line_errors(toy_faces: Faces, tmp_path: Path) -> None:
    for config, words in (
        (replace(BASELINE, method=MethodConfig("perturb")), "needs an attention classifier"),
        (replace(BASELINE, method=MethodConfig("perturbed")), "unknown method .*mean 'perturb'"),
        (replace(BASELINE, attention_run="nowhere"), "nowhere is not a run folder"),
        (replace(BASELINE, model=ModelConfig("resnet81")), "unknown model 'resnet81'"),
    ):
        with pytest.raises(FerturbError, match=words) as caught:
            execute_run(prepare(tmp_path, config), toy_faces)
        assert "\n" not in str(caught.value)
        left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert left <= {"config.json"}


def test_names_of_test_time_augmentations_are_known_before_the_training(tmp_path: Path) -> None:
    for change in ({"evaluate": ("none", "flipp")}, {"validate_with": "flipp"}):
        config = replace(BASELINE, recipe=replace(RECIPE, **change))  # type: ignore[arg-type]
        with pytest.raises(FerturbError, match="test-time augmentation 'flipp': did you mean"):
            prepare(tmp_path, config)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["eac", "adl", "mad", "batch-attention", "two-stage"])
def test_a_method_that_acts_inside_the_backbone_needs_one_that_trains(name: str) -> None:
    check_config(replace(BASELINE, method=MethodConfig(name)))
    frozen = replace(BASELINE, method=MethodConfig(name), recipe=replace(RECIPE, trained="head"))
    with pytest.raises(FerturbError, match=rf"{name} acts inside the backbone .* \(--freeze\)"):
        check_config(frozen)
    check_config(replace(frozen, method=MethodConfig("eac", mirror="label")))


def test_a_folder_of_an_earlier_version_with_what_is_refused_now(
    toy_faces: Faces, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, trained="head")
    config = replace(BASELINE, method=MethodConfig("eac"), recipe=recipe)
    run = Run.create(tmp_path / run_folder_name(config), config)
    with pytest.raises(FerturbError, match="eac acts inside the backbone"):
        execute_run(run, toy_faces)


def test_weights_follow_from_the_seed_alone() -> None:
    def weights(seed: int) -> torch.Tensor:
        return new_classifier(replace(BASELINE, seed=seed)).head.weight

    torch.manual_seed(1)
    first = weights(5)
    before = torch.random.get_rng_state()
    assert torch.equal(first, weights(5))
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.equal(first, weights(6))


def test_folder_names_are_readable_and_each_runs_own() -> None:
    name = run_folder_name(replace(BASELINE, recipe=FAST))
    assert name.startswith("tiny-baseline-fast-s5-")
    others = [
        BASELINE,
        replace(BASELINE, seed=6),
        replace(BASELINE, recipe=replace(RECIPE, epochs=3)),
        replace(BASELINE, method=MethodConfig(clusters=4)),
    ]
    assert len({run_folder_name(c) for c in others}) == 4


def test_a_finished_run_that_is_named_is_evaluated_and_nothing_trained_before() -> None:
    method = MethodConfig("train-views-only")
    first, last = chain(replace(BASELINE, method=method, initial_weights="finished"), 1)
    assert (first.method.name, first.needs) == ("attention", ())
    assert (last.evaluates, last.initial_weights) == ("finished", None)
    assert last.needs == ("finished", run_folder_name(first))


def test_what_was_called_start_is_still_read() -> None:
    known = BASELINE.to_dict()
    del known["initial_weights"], known["evaluates"]
    assert RunConfig.from_dict(known | {"start": None}) == BASELINE
    assert RunConfig.from_dict(known | {"start": "first"}).initial_weights == "first"
