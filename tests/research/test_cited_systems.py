"""The queue of the cited systems' trainings, and the table that is made of them."""

from __future__ import annotations

import csv
import json
from argparse import Namespace
from dataclasses import replace
from math import inf
from pathlib import Path

import cited_rows
import cited_systems
import numpy as np
import pytest
import torch
from cited_costs import seconds_of
from cited_rows import SYSTEMS, measured_row, write_rows_of
from cited_systems import PACKAGES, Work, queue

from ferturb.base.config import DatasetConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.runs.execute import check_config, execute_run, prepare
from ferturb.runs.run import Run

DATA = DatasetConfig("fer2013.zip", votes="fer2013new.csv")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for pattern in PACKAGES.values():
        (tmp_path / pattern.replace("*", "57934424")).write_bytes(b"")
    return tmp_path


def test_every_training_has_its_row_and_every_row_its_trainings(packages: Path) -> None:
    items = list(queue(DATA, packages))
    names = [name for name, _ in items]
    assert len(set(names)) == len(names)
    assert len({config.fingerprint() for _, config in items}) == len(names)
    assert {name.rpartition("-s")[0] for name in names} == set(SYSTEMS) - {"genetic-search"}
    for name, config in items:
        check_config(config)
        assert name.endswith(f"-s{config.seed}")


def test_without_packages_nothing_starts_from_them(packages: Path) -> None:
    known = [name for name, _ in queue(DATA, None)]
    starts = [name for name, c in queue(DATA, packages) if c.published_weights is not None]
    assert starts
    assert not set(starts) & set(known)
    assert len(known) + len(starts) == len(list(queue(DATA, packages)))


def test_the_best_of_a_search_is_trained_with_each_seed(tmp_path: Path) -> None:
    best = RunConfig(model=ModelConfig("vgg-like", dropout=0.2), seed=0)
    (tmp_path / "best.json").write_text(json.dumps(best.to_dict()), encoding="utf-8")
    found = [item for item in queue(DATA, None, tmp_path) if item[0].startswith("genetic")]
    assert found == [(f"genetic-search-s{s}", replace(best, dataset=DATA, seed=s)) for s in (0, 1)]


def test_frozen_and_tuned_cost_alike(packages: Path) -> None:
    recipes = {name: config.recipe for name, config in queue(DATA, packages)}
    tuned, frozen = (recipes[f"transfer-dlib-resnet/{how}-s0"] for how in ("tuned", "frozen"))
    assert recipes["transfer-dlib-resnet/scratch-s0"] == tuned
    assert frozen == replace(tuned, name="frozen", epochs=3 * tuned.epochs, trained="head")


def asked(out: Path, **options: object) -> Namespace:
    plain = {"data": "a.zip", "votes": "b.csv", "out": out, "weights": None, "search": None}
    return Namespace(**plain | {"only": None, "at_most": inf} | options)


def test_the_cheapest_comes_first_and_what_cannot_be_trained_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [name for name, _ in queue(DATA, None)]
    costs = {name: 60.0 * (len(names) - place) for place, name in enumerate(names)}
    (tmp_path / "costs.json").write_text(json.dumps(costs), encoding="utf-8")
    work = Work(asked(tmp_path))
    assert [name for name, _ in work.items] == names[::-1]
    assert [n for n, _ in Work(asked(tmp_path, at_most=3)).items] == names[:-4:-1]
    some = Work(asked(tmp_path, only=["hog", "deep"])).items
    assert {n for n, _ in some} == {n for n in names if n.startswith(("hog", "deep"))}
    with pytest.raises(FerturbError, match="no training that begins with 'vgg99'"):
        Work(asked(tmp_path, only=["hog", "vgg99"]))
    work.status()
    assert f"{names[0]:41} not begun, about {len(names)} min" in capsys.readouterr().out
    tried = []

    def refuse(run: Run, *_: object) -> None:
        tried.append(run.name)
        raise FerturbError("the loss is not finite")

    monkeypatch.setattr(cited_systems, "execute_run", refuse)
    monkeypatch.setattr(Work, "faces", lambda *_: None)
    work.train(torch.device("cpu"))
    assert tried == [work.runs[name].name for name in names[::-1]]


def test_a_cost_is_measured_once_and_grows_with_the_epochs(
    tmp_path: Path, tiny: str, toy_faces: Faces
) -> None:
    recipe = RecipeConfig("short", epochs=1, batch_size=16, validate_every=1)
    one = RunConfig(model=ModelConfig(tiny), recipe=recipe)
    both = {"one": one, "two": replace(one, recipe=replace(recipe, epochs=2), seed=1)}
    found = seconds_of(both, lambda: toy_faces, tmp_path)
    assert 0 < found["one"] < found["two"] < 2 * found["one"]
    assert seconds_of(both, pytest.fail, tmp_path) == found


def test_a_row_is_of_the_stored_logits_and_stays_when_others_come(
    tmp_path: Path, tiny: str, toy_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cited_rows, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(cited_rows, "SYSTEMS", {"a": ("A", "70.0", "x"), "b": ("B", "", "y")})
    (tmp_path / "results").mkdir()
    runs = []
    for seed in (0, 1):
        recipe = RecipeConfig("short", epochs=1, batch_size=16)
        config = RunConfig(model=ModelConfig(tiny), recipe=recipe, seed=seed)
        run = prepare(tmp_path, config)
        execute_run(run, toy_faces)
        runs.append(run)
    row = measured_row(runs, toy_faces, toy_faces)
    shares = []
    for run in runs:
        labels, logits = run.logits("test", "flip")
        shares.append((logits.argmax(1) == labels).mean())
    assert float(str(row["accuracy"])) == pytest.approx(100 * np.mean(shares), abs=0.06)
    assert row["maskfer"] == row["accuracy"]  # the same faces here
    assert row["each_seed"] == " ".join(f"{100 * share:.1f}" for share in shares)
    assert row["seeds"] == 2
    write_rows_of({"a": row})
    write_rows_of({"b": row | {"accuracy": "1.0"}})
    with (tmp_path / "results" / "cited_systems.csv").open(encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["accuracy"], second["accuracy"]) == (row["accuracy"], "1.0")
    assert first["claim"] == "70.0"
