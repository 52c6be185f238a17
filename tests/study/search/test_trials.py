from __future__ import annotations

import contextlib
import csv
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from ferturb.base.config import FAST, MethodConfig, ModelConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.report.search.results import Trial, best_of
from ferturb.runs.run import Run, find_runs
from ferturb.study.search.outcome import importances, read_trials, write_outcome
from ferturb.study.search.plan import Search, SearchFolder
from ferturb.study.search.trials import OnStep, Worker, config_of, next_trial, told
from ferturb.training.files import CHECKPOINT, CLUSTERS, MODEL
from ferturb.training.loop import Step

SPACE = ("recipe.learning_rate=0.001..0.5:log", "recipe.batch_size=16,32", "model.dropout=0..0.5")


@pytest.fixture
def search(tiny: str) -> Search:
    recipe = replace(FAST, epochs=3, progressive_sizes=(), batch_size=32, average=0.0)
    return Search(RunConfig(model=ModelConfig(tiny), recipe=recipe), SPACE, 7, "tpe", 0)


def done(folder: Path, search: Search, faces: Faces, breaks: int = 0) -> list[Trial]:
    """The trials of a search that is interrupted once, in the second epoch of trial `breaks`."""
    begun = 0

    @contextlib.contextmanager
    def shown(title: str) -> Iterator[OnStep]:
        nonlocal begun
        begun += 1

        def on_step(step: Step) -> None:
            if begun == breaks and step.epoch == 2:
                raise KeyboardInterrupt

        yield on_step

    place = SearchFolder.create(folder, search)
    if breaks:
        with pytest.raises(KeyboardInterrupt):
            Worker(place, faces).work(shown)
        place = SearchFolder.create(folder, search)
    Worker(place, faces).work()
    return read_trials(place, place.study())


def said(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [(t.number, t.state, t.accuracy, t.values, t.by_epoch, t.run) for t in trials]


def test_the_first_trial_is_the_recipe_and_the_best_one_a_run_to_train(
    search: Search, toy_faces: Faces, tmp_path: Path
) -> None:
    trials = done(tmp_path, search, toy_faces)
    place = SearchFolder.open(tmp_path)
    write_outcome(place, place.study(), toy_faces)
    assert len(trials) == 7
    assert trials[0].values == search.first_values()
    best = max(trials, key=lambda t: t.accuracy or 0)
    config = RunConfig.from_dict(json.loads((tmp_path / "best.json").read_text()))
    assert config == search.best_config(best.values)
    assert config.recipe.evaluate == FAST.evaluate
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == [str(i) for i in range(1, 8)]
    for row, run in zip(rows, (t.run for t in trials), strict=True):
        (own,) = (r for r in find_runs(tmp_path / "runs") if r.name == run)
        history = [e["validation_accuracy"] for e in own.history()]
        assert [row[f"epoch_{i}"] for i in (1, 2, 3)] == [f"{a:.4f}" for a in history]
        assert row["validation_accuracy"] == f"{max(history):.4f}"


def test_the_test_split_is_never_measured(search: Search, toy_faces: Faces, tmp_path: Path) -> None:
    done(tmp_path, replace(search, trials=2), toy_faces)
    for run in find_runs(tmp_path / "runs"):
        with np.load(run.folder / "logits.npz") as arrays:
            assert {n for n in arrays.files if "checksum" not in n} <= {
                "labels_validation", "labels_test"
            }  # fmt: skip


@pytest.mark.parametrize("breaks", [1, 3])
def test_a_search_that_was_interrupted_ends_as_one_that_was_not(
    breaks: int, search: Search, toy_faces: Faces, tmp_path: Path
) -> None:
    few = replace(search, trials=4)
    whole = done(tmp_path / "whole", few, toy_faces)
    again = done(tmp_path / "again", few, toy_faces, breaks)
    assert said(again) == said(whole)


def test_trials_below_the_median_end_early_and_leave_no_weights(
    search: Search, toy_faces: Faces, tmp_path: Path
) -> None:
    space = ("recipe.learning_rate=0.1,0.00001", "model.dropout=0..0.01")
    pruning = replace(search, space=space, trials=14, sampler="random", prune_after=2)
    trials = done(tmp_path, pruning, toy_faces)
    assert len(trials) == 14
    early = [t for t in trials if t.state == "stopped early"]
    assert early
    assert all(t.epochs in (2, 3) for t in early)
    assert {t.state for t in trials[:5]} == {"complete"}
    for trial in early:
        kept = {path.name for path in (tmp_path / "runs" / trial.run).iterdir()}
        assert kept == {"config.json", "run.json", "history.csv"}
        earlier = [t for t in trials[: trial.number - 1] if t.state == "complete"]
        at = trial.epochs
        best = [max(t.by_epoch[:at]) for t in earlier]
        assert max(trial.by_epoch) < np.median(best)
    assert best_of(trials).state == "complete"


def test_of_one_that_ended_early_its_clusters_go_too(search: Search, tmp_path: Path) -> None:
    place = SearchFolder.create(tmp_path, search)
    study = place.study()
    trial = next_trial(place, study, "this")
    assert trial is not None
    run = Run.create(tmp_path / "runs" / "one", config_of(place, trial))
    run.write_progress({"epoch": 1})
    for name in (CHECKPOINT, MODEL, CLUSTERS, "history.csv", "run.json"):
        (run.folder / name).write_bytes(b"")
    told(study, trial, run)
    kept = {path.name for path in run.folder.iterdir()}
    assert kept == {"config.json", "run.json", "history.csv"}


def test_a_trial_that_diverges_is_counted_and_the_others_go_on(
    search: Search, toy_faces: Faces, tmp_path: Path
) -> None:
    space = ("recipe.learning_rate=0.1,900000", "recipe.augment.flip=0..1")
    wild = replace(search.base, recipe=replace(search.base.recipe, momentum=0.99))
    trials = done(tmp_path, Search(wild, space, 6, "random"), toy_faces)
    assert len(trials) == 6
    failed = [t for t in trials if t.state == "failed"]
    assert failed
    assert all("loss is not finite" in t.error for t in failed)
    assert best_of(trials).values["recipe.learning_rate"] == 0.1
    with pytest.raises(FerturbError, match=r"no trial .* loss is not finite"):
        best_of(failed)


def test_two_that_search_together_share_the_budget(
    search: Search, toy_faces: Faces, tmp_path: Path
) -> None:
    place = SearchFolder.create(tmp_path, search)
    both = [threading.Thread(target=Worker(place, toy_faces).work) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    study = place.study()
    assert [t.state for t in read_trials(place, study)] == ["complete"] * 7
    assert len({t.user_attrs["worker"] for t in study.trials}) == 2
    assert not any((tmp_path / "workers").iterdir())


def test_more_trials_may_be_given_and_nothing_else_be_changed(
    search: Search, toy_faces: Faces, tmp_path: Path
) -> None:
    first = said(done(tmp_path, replace(search, trials=2), toy_faces))
    assert said(done(tmp_path, replace(search, trials=4), toy_faces))[:2] == first
    with pytest.raises(FerturbError, match="already holds another search"):
        SearchFolder.create(tmp_path, replace(search, prune_after=1))
    assert SearchFolder.open(tmp_path).search == replace(search, trials=4)
    with pytest.raises(FerturbError, match="holds no search"):
        SearchFolder.open(tmp_path / "runs")


def test_faces_that_changed_are_refused(search: Search, toy_faces: Faces, tmp_path: Path) -> None:
    done(tmp_path, replace(search, trials=1), toy_faces)
    with pytest.raises(FerturbError, match="begun on other faces"):
        done(tmp_path, search, replace(toy_faces, images=toy_faces.images // 2))


@pytest.mark.parametrize("sampler", ["tpe", "genetic"])
def test_a_sampler_made_anew_for_every_trial_knows_the_earlier_ones(
    sampler: str, search: Search
) -> None:
    chosen = replace(search, sampler=sampler, trials=60)  # type: ignore[arg-type]
    study = optuna.create_study(direction="maximize")
    for number in range(60):
        study.sampler = chosen.sampler_of(number)
        trial = study.ask()
        x, y = (trial.suggest_float(name, -5, 5) for name in "xy")
        study.tell(trial, -((x - 2) ** 2) - (y + 1) ** 2)
    values = [t.value or 0.0 for t in study.trials]
    assert np.mean(values[-15:]) > 4 * np.mean(values[:12])  # both are below 0
    assert len({tuple(t.params.values()) for t in study.trials}) > 30
    again = optuna.create_study(direction="maximize", sampler=chosen.sampler_of(0))
    assert again.ask().suggest_float("x", -5, 5) == study.trials[0].params["x"]


def test_importances_name_the_field_that_matters(search: Search) -> None:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(1))
    assert importances(study) == {}
    study.optimize(
        lambda t: t.suggest_float("much", 0, 1) + 0.01 * t.suggest_float("little", 0, 1), 40
    )
    found = importances(study)
    assert found["much"] > 0.9
    assert sum(found.values()) == pytest.approx(1)


def test_runs_that_need_others_are_not_searched(search: Search) -> None:
    with pytest.raises(FerturbError, match="build on no other run"):
        replace(search, base=replace(search.base, method=MethodConfig("perturb")))
    with pytest.raises(FerturbError, match=r"nowhere"):
        replace(search, space=("model.name=tiny,nowhere",))
