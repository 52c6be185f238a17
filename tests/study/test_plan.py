"""What a study plans, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ferturb.base.config import DatasetConfig, MethodConfig
from ferturb.base.config.changes import Changes
from ferturb.base.errors import FerturbError
from ferturb.runs.run import run_folder_name
from ferturb.study.adapting import adapt
from ferturb.study.plan import PRESETS, choose_preset, plan


def test_each_attention_run_comes_once_and_before_its_followers() -> None:
    study = adapt(PRESETS["quick"], Changes(seeds=2))
    runs = plan(study)
    names = [run_folder_name(run) for run in runs]
    assert len(set(names)) == len(names)
    assert len(runs) == 2 * 4  # seeds × (features-left-out, baseline, attention, perturb)
    for i, run in enumerate(runs):
        if run.method.name == "perturb":
            first = runs[names.index(str(run.attention_run))]
            assert names.index(str(run.attention_run)) < i
            assert first.model.attention
            assert not run.model.attention
            assert (first.model.name, first.seed) == (run.model.name, run.seed)
            assert first.recipe.epochs == study.attention_epochs
        else:
            assert run.attention_run is None


def test_two_methods_share_one_attention_run() -> None:
    study = adapt(PRESETS["quick"], Changes(models=("compact",)))
    both = (MethodConfig("perturb"), MethodConfig("perturb", clusters=5))
    runs = plan(type(study)(**(vars(study) | {"methods": both})))
    assert [run.method.name for run in runs] == ["attention", "perturb", "perturb"]
    assert runs[1].attention_run == runs[2].attention_run


def test_adapt_changes_only_what_is_given() -> None:
    assert adapt(PRESETS["cpu"], Changes()) == PRESETS["cpu"]
    changed = adapt(PRESETS["cpu"], Changes(data="x.zip", epochs=24, methods=("perturb",)))
    assert changed.dataset.source == "x.zip"
    assert changed.recipe.epochs == 24
    assert changed.attention_epochs == 8  # phase 1 keeps its share of the epochs
    assert changed.methods == (PRESETS["cpu"].methods[1],)
    assert changed.models == PRESETS["cpu"].models


def test_faces_batch_and_rate_are_options() -> None:
    quick = PRESETS["quick"]
    changed = adapt(quick, Changes(faces=700, batch_size=32, learning_rate=0.01))
    assert changed.dataset == replace(quick.dataset, synthetic_faces=700)
    assert changed.recipe == replace(quick.recipe, batch_size=32, learning_rate=0.01)
    assert changed.attention_epochs == quick.attention_epochs
    runs = plan(changed)
    assert {run.recipe.batch_size for run in runs} == {32}  # phase 1 too
    assert {run.dataset.synthetic_faces for run in runs} == {700}
    with pytest.raises(FerturbError, match="faces says how many are drawn"):
        adapt(quick, Changes(data="x.zip", faces=700))
    for changes in (Changes(faces=69), Changes(faces=2_000_000), Changes(batch_size=1)):
        with pytest.raises(FerturbError, match="must be "):
            adapt(quick, changes)


def test_masked_fer2013_trains_on_whole_faces_on_masks_and_on_both() -> None:
    runs = plan(adapt(PRESETS["masked-fer2013"], Changes(models=("compact",))))
    assert [(r.method.name, r.dataset.face_masks) for r in runs] == [
        ("baseline", None),
        ("half-masked", None),
        ("baseline", "mixed"),
    ]
    alone = adapt(PRESETS["masked-fer2013"], Changes(face_masks=("n95",), methods=("half-masked",)))
    assert {run.dataset.face_masks for run in plan(alone)} == {"n95"}  # refused when it is trained


def test_the_paper_preset_is_the_papers() -> None:
    paper = PRESETS["paper"]
    assert paper.recipe.epochs == 200
    assert paper.recipe.learning_rate == 0.01
    assert paper.recipe.schedule == "plateau"
    perturb = paper.methods[1]
    assert (perturb.clusters, perturb.distance_weight, perturb.intensity_weight) == (3, 1.5, 1.2)
    assert perturb.views == "all"


def test_unknown_names() -> None:
    with pytest.raises(FerturbError, match="did you mean 'quick'"):
        choose_preset("quik")
    with pytest.raises(FerturbError, match="unknown method"):
        adapt(PRESETS["quick"], Changes(methods=("nothing",)))


def test_a_study_of_real_faces_shares_its_runs_with_train() -> None:
    study = adapt(choose_preset("cpu"), Changes(data="faces.zip"))
    assert study.dataset == DatasetConfig("faces.zip")
    drawn = adapt(choose_preset("cpu"), Changes())
    assert drawn.dataset.synthetic_faces == choose_preset("cpu").dataset.synthetic_faces


def test_a_study_of_votes() -> None:
    """Every run, phase 1 too, reads the votes and trains both heads."""
    changes = Changes(data="x.zip", votes="new.csv", heads=("label", "votes"))
    study = adapt(PRESETS["quick"], changes)
    runs = plan(study)
    assert any(run.attention_run for run in runs)
    assert {run.model.heads for run in runs} == {("label", "votes")}
    assert {run.dataset.votes for run in runs} == {"new.csv"}
